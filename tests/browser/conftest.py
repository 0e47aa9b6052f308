from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.sight import PATIENCE_MS


# By module: while it runs, its event loop is the worker's, and no other test of the worker could run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's own Chromium; Playwright brings the driver alone and downloads no browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        warnings.warn("Chromium is not installed: nobody has looked at the mails and pages.", stacklevel=1)
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[nowhere], timeout=PATIENCE_MS)
        yield browser
        browser.close()

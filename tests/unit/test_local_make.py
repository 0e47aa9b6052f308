import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from include.settings import PROJECT_HOME

LOCKS = ["requirements-setup.txt", "requirements.txt", "requirements-dev.txt", "pyproject.toml"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The Makefile with a stand-in for .venv: no test installs anything."""
    for name in ["Makefile", *LOCKS]:
        shutil.copy(PROJECT_HOME / name, tmp_path)
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *words], cwd=folder, env=environment, capture_output=True, text=True)


def test_help_is_the_default_and_lists_every_target_in_a_sentence(clone: Path) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (clone / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^make (\w+) +[A-Z].*\.$", make(clone).stdout, re.MULTILINE)
    assert phony is not None
    assert sorted(listed) == sorted(phony[1].split())


def test_a_missing_python_is_a_clear_error_and_leaves_no_stamp(clone: Path) -> None:
    done = make(clone, "setup", "PYTHON=/nowhere/python")
    assert done.returncode != 0
    assert "'/nowhere/python' is not Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (clone / ".venv").exists()


def test_setup_runs_again_only_when_a_lock_or_the_project_file_is_newer(clone: Path) -> None:
    (clone / ".venv").mkdir()
    stamp = clone / ".venv" / ".restock-installed"
    stamp.touch()
    assert make(clone, "--question", "setup").returncode == 0
    for name in LOCKS:
        newer = stamp.stat().st_mtime + 10
        os.utime(clone / name, (newer, newer))
        assert make(clone, "--question", "setup").returncode == 1
        os.utime(clone / name, (0, 0))
    assert make(clone, "--question", "setup").returncode == 0


STUB = """#!/bin/sh
[ "$2" = venv ] || exit 0
mkdir -p .venv/bin
printf '#!/bin/sh\\nexit 1\\n' > .venv/bin/python
chmod +x .venv/bin/python
"""


def test_a_failed_installation_leaves_no_stamp(clone: Path) -> None:
    python = clone / "python-whose-pip-fails"
    python.write_text(STUB)
    python.chmod(0o755)
    assert make(clone, "setup", f"PYTHON={python}").returncode != 0
    assert (clone / ".venv" / "bin" / "python").exists()
    assert not (clone / ".venv" / ".restock-installed").exists()

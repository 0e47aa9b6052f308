"""docs/add-a-connector.md, followed literally."""

from __future__ import annotations

import importlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import include.catalog
from include.catalog import registry
from include.catalog.archive import Archive
from include.catalog.base import RejectedRow, ShopConnection
from include.catalog.shops import read_shops_file
from include.domain.window import Window
from include.errors import ConfigurationError
from include.settings import PROJECT_HOME
from tests.builders import START

BLOCK = re.compile(r"^```\w+ title=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {
    None: {"items": [{"sku": "LAMP", "on_hand": 3, "name": "Lamp"}], "next": "p2"},
    "p2": {"items": [{"sku": "", "on_hand": 1}, {"sku": "VASE", "on_hand": 0}]},
}


@pytest.fixture
def blocks() -> dict[str, str]:
    return dict(BLOCK.findall((PROJECT_HOME / "docs" / "add-a-connector.md").read_text()))


@pytest.fixture
def added(blocks: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's files and its line, where Python finds them."""
    for name, text in blocks.items():
        if name.startswith("include/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
    (tmp_path / "include/catalog/acme/__init__.py").touch()
    (tmp_path / "shops.yaml").write_text(blocks["shops.yaml"])
    monkeypatch.setattr(
        include.catalog, "__path__", [*include.catalog.__path__, str(tmp_path / "include/catalog")]
    )
    name, folder = re.fullmatch(r'"(\w+)": "([\w.]+)",\n', blocks["registry"]).groups()  # type: ignore[union-attr]
    monkeypatch.setitem(registry.PLATFORMS, name, folder)
    importlib.invalidate_caches()
    return tmp_path


@pytest.fixture
def acme() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cursor = parse_qs(urlsplit(self.path).query).get("after", [None])[0]
            is_known = self.headers["Authorization"] == "Bearer canary-token"
            body = json.dumps(PAGES[cursor] if is_known else {}).encode()
            self.send_response(200 if is_known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_connector_of_the_page_pulls_and_reads(added: Path, acme: str) -> None:
    shop = read_shops_file(added / "shops.yaml").find("lamps")
    options = shop.options.model_copy(update={"allow_private": True})  # type: ignore[union-attr]
    shop = shop.model_copy(update={"options": options})
    connection = ShopConnection("shop_lamps", acme, extra={"api_token": "canary-token"})
    connector, window = registry.build_connector(shop, connection), Window.manual("first")
    archive = Archive(added / "archive", "lamps", window)
    connector.pull(window, archive, START)
    rows = [row for chunk in connector.read(archive) for row in chunk]
    assert [row.variant_id for row in rows if not isinstance(row, RejectedRow)] == ["LAMP", "VASE"]
    assert [row.line_number for row in rows if isinstance(row, RejectedRow)] == [2]
    assert archive.manifest.source == f"{acme}/stock/north"


def test_its_private_address_and_a_wrong_token_are_refused(added: Path, acme: str) -> None:
    shop = read_shops_file(added / "shops.yaml").find("lamps")
    connection = ShopConnection("shop_lamps", acme, extra={"api_token": "canary-wrong"})
    connector, window = registry.build_connector(shop, connection), Window.manual("first")
    with pytest.raises(ConfigurationError, match=r"set acme\.allow_private: true"):
        connector.pull(window, Archive(added / "archive", "lamps", window), START)


def test_its_form_and_its_section_are_known(added: Path) -> None:
    assert registry.find_form("acme").fields["api_token"].is_secret
    wrong = (added / "shops.yaml").read_text().replace("warehouse", "warehause")
    (added / "shops.yaml").write_text(wrong)
    report = str(read_shops_file(added / "shops.yaml").report)
    assert (
        "acme.warehause is unknown. Allowed are warehouse, allow_private. Did you mean 'warehouse'?" in report
    )

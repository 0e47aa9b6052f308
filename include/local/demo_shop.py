"""The demo shop: an HTTP server on 127.0.0.1 whose stock goes on when it is told to.

`python -m include.local.demo_shop --state DIR --port-file FILE`

GET /feed.jsonl is its catalog, GET /waiting_list.csv who waits, GET /stage what happens, POST /step goes on.
The stage is kept in DIR, so that a shop that is started again is where it was.
"""

import argparse
import json
import signal
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

from include.local.demo.crowd import write_waiting_list
from include.local.demo.feed import write_feed
from include.local.demo.pages import front_page, picture, product_page
from include.local.demo.script import STAGES
from include.local.demo.walk import stage_at
from include.local.ports import HOST, write_port

HTML, PNG, JSON, CSV = "text/html; charset=utf-8", "image/png", "application/json", "text/csv; charset=utf-8"
OWN_NAMES = (HOST, "localhost")

Answer = tuple[HTTPStatus, str, bytes]


class DemoShop:
    """The stage, kept in a folder; one request at a time may ask or move it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.waiting_list = folder / "waiting_list.csv"
        self._file = folder / "stage.json"
        self._lock = threading.Lock()
        write_waiting_list(self.waiting_list)

    @property
    def stage_number(self) -> int:
        try:
            return int(json.loads(self._file.read_text())["stage"])
        except FileNotFoundError:
            return 0

    def step(self) -> Mapping[str, Any]:
        """Go on by one stage, and say which it is."""
        with self._lock:
            unfinished = self._file.with_suffix(".part")
            unfinished.write_text(json.dumps({"stage": self.stage_number + 1}))
            unfinished.replace(self._file)
        return self.describe()

    def describe(self) -> Mapping[str, Any]:
        """The stage that holds now."""
        with self._lock:
            number = self.stage_number
            stage = stage_at(number)
        return {
            "stage": number,
            "title": stage.title,
            "story": stage.story,
            "script_ends_at": len(STAGES) - 1,
            "told_at": datetime.now(UTC).isoformat(),
        }

    def feed(self, address: str) -> tuple[str, bytes]:
        with self._lock:
            return write_feed(self.stage_number, address)


class DemoShopHandler(BaseHTTPRequestHandler):
    """What the shop answers."""

    server: "DemoShopServer"
    server_version = "DemoShop"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(*self._find(self.path.split("?", 1)[0]))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/step":
            self._reply(*_not_found())
        elif not self._is_from_here():
            self._reply(HTTPStatus.FORBIDDEN, JSON, b'{"error": "only this machine may step the shop"}\n')
        else:
            self._reply(*_as_json(self.server.shop.step()))

    def _find(self, path: str) -> Answer:
        shop = self.server.shop
        if path == "/feed.jsonl":
            return HTTPStatus.OK, *shop.feed(self.server.address)
        if path == "/stage":
            return _as_json(shop.describe())
        if path == "/waiting_list.csv":
            return HTTPStatus.OK, CSV, shop.waiting_list.read_bytes()
        if path == "/":
            return HTTPStatus.OK, HTML, front_page(shop.stage_number).encode()
        if path.startswith("/images/") and (content := picture(path[8:].removesuffix(".png"))):
            return HTTPStatus.OK, PNG, content
        if path.startswith("/products/") and (page := product_page(path[10:], shop.stage_number)):
            return HTTPStatus.OK, HTML, page.encode()
        return _not_found()

    def _is_from_here(self) -> bool:
        """A page of another site in somebody's browser comes from here too, but names another Host or an Origin."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        return self.client_address[0] == HOST and host in OWN_NAMES and "Origin" not in self.headers

    def _reply(self, status: HTTPStatus, content_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *values: object) -> None:
        print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {format % values}", flush=True)  # noqa: T201


class DemoShopServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1 and nowhere else."""

    daemon_threads = True

    def __init__(self, shop: DemoShop, port: int) -> None:
        self.shop = shop
        super().__init__((HOST, port), DemoShopHandler)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}"


def serve(folder: Path, port_file: Path, port: int = 0) -> None:
    """Answer until SIGTERM or SIGINT; `port` 0 takes a free one. The port is told in `port_file`."""
    with DemoShopServer(DemoShop(folder), port) as server:

        def stop(number: int, frame: FrameType | None) -> None:
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        write_port(port_file, server.server_port)
        server.serve_forever()


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m include.local.demo_shop", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps the stage")
    parser.add_argument("--port-file", type=Path, required=True, help="is written when the shop is open")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    given = parser.parse_args()
    serve(given.state, given.port_file, given.port)


def _as_json(value: Mapping[str, Any]) -> Answer:
    return HTTPStatus.OK, JSON, (json.dumps(value, ensure_ascii=False) + "\n").encode()


def _not_found() -> Answer:
    return HTTPStatus.NOT_FOUND, JSON, b'{"error": "the demo shop has no such page"}\n'


if __name__ == "__main__":
    main()

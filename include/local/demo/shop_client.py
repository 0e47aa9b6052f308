"""Talking to a running demo shop."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.errors import StackError
from include.local.ports import HOST, read_port
from include.settings import Settings

SHOP_PROCESS = "demo-shop"
SECONDS = 30.0


@dataclass(frozen=True)
class ShopState:
    """The stage that the shop says it is in; `script_ends_at` is the number of its last scripted stage."""

    number: int
    title: str
    story: str
    script_ends_at: int


def step_shop(settings: Settings) -> str:
    """Let the demo shop of `make up` go on, and say what happens there now.

    Raises StackError when no demo shop runs.
    """
    port = read_port(settings.var_folder / "ports" / SHOP_PROCESS)
    if port is None:
        raise StackError("The demo shop was never started here. Start the stack with `make up`.")
    state = step(port)
    scripted = f" of {state.script_ends_at}" if state.number <= state.script_ends_at else ""
    return (
        f"Stage {state.number}{scripted}: {state.title}. {state.story}\n"
        f"The next pull of Dag catalog_sync__demo sees it. The shop: http://{HOST}:{port}/"
    )


def step(port: int) -> ShopState:
    """Go on by one stage."""
    return _ask(port, "/step", method="POST")


def read_stage(port: int) -> ShopState:
    """The stage that holds now."""
    return _ask(port, "/stage", method="GET")


def _ask(port: int, path: str, method: str) -> ShopState:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", method=method)
    try:
        with direct.open(request, timeout=SECONDS) as answer:
            told: Mapping[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        raise StackError(
            f"The demo shop at {HOST}:{port} does not answer ({error}). `make status` says what runs; "
            "`make up` starts it."
        ) from error
    return ShopState(told["stage"], told["title"], told["story"], told["script_ends_at"])

"""The outermost layer: paths without a trailing slash, limits, one log line and one measure per request."""

import logging
import time
from typing import Any

from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from include.errors import NotFound, RowRejected
from include.intake.answers import ApiError, refusal_of
from include.intake.metrics import OPEN_REQUESTS, note_request
from include.intake.routing import Endpoint
from include.intake.together import is_outage

log = logging.getLogger("restock.intake")

LONGEST_PATH = 2_000
LONGEST_QUERY = 8_000
LONGEST_BODY = 6_000_000
QUIET_ROUTES = ("/health", "/ready", "/metrics")


class Frontage:
    """The ASGI application; whatever goes wrong inside becomes an answer without details.

    Paths without parameters lead straight to their endpoints: layers and a search in between cost as much as what
    they would be asked to do.
    """

    def __init__(self, router: Router) -> None:
        self.state = State()
        self._router = router
        self._endpoints: dict[str, Endpoint] = {
            route.path: route.endpoint
            for route in router.routes
            if isinstance(route, Route) and "{" not in route.path
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        scope["app"] = self
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        began, seen = time.perf_counter(), {"status": 499}

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                message["headers"] = [*message.get("headers", ()), *_SAFE_HEADERS]
            await send(message)

        OPEN_REQUESTS.inc()
        try:
            await self._serve(scope, receive, watch, seen)
        finally:
            OPEN_REQUESTS.dec()
            _note(scope, seen["status"], time.perf_counter() - began)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, seen: dict[str, int]) -> None:
        try:
            _check(scope)
            await self._pass_on(_normalized(scope), receive, send)
        except ApiError as error:
            await error.as_response()(scope, receive, send)
        except HTTPException as missing:
            nothing = ApiError.of(missing.status_code, f"Nothing is served at this path.{_hint(scope)}")
            await nothing.as_response()(scope, receive, send)
        except (NotFound, RowRejected) as refused:
            await refusal_of(refused).as_response()(scope, receive, send)
        except Exception as error:
            if is_outage(error) and seen["status"] == 499:
                log.warning("database", exc_info=True, extra={"facts": {"route": _route(scope)}})
                outage = ApiError.of(503, "The database does not answer. Try again soon.", Retry_After="5")
                await outage.as_response()(scope, receive, send)
                return
            log.exception("request failed", extra={"facts": {"route": _route(scope)}})
            if seen["status"] == 499:
                await ApiError.of(500, "Something went wrong here.").as_response()(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"])
        if endpoint is None:
            await self._router(scope, receive, send)
            return
        response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)


_SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def _check(scope: Scope) -> None:
    if len(scope["path"]) > LONGEST_PATH or len(scope["query_string"]) > LONGEST_QUERY:
        raise ApiError.of(
            400, f"The path or the query is longer than {LONGEST_PATH} or {LONGEST_QUERY} characters."
        )
    if "\0" in scope["path"] or b"%00" in scope["query_string"] or b"\0" in scope["query_string"]:
        raise ApiError.of(400, "The path or the query holds a NUL character.")
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not length.isdigit() or int(length) > LONGEST_BODY:
        raise ApiError.of(413, f"The body is larger than {LONGEST_BODY} bytes.")


def _normalized(scope: Scope) -> Scope:
    """One trailing slash more or less is the same path, without a redirect; an encoded one belongs to an id."""
    path, raw = scope["path"], scope.get("raw_path") or scope["path"].encode()
    if len(path) > 1 and raw.endswith(b"/"):
        scope["path"] = path[:-1]
        scope["raw_path"] = raw[:-1]
    return scope


def _hint(scope: Scope) -> str:
    if not scope["path"].startswith(("/api/", "/client/")):
        return ""
    return " Of Klaviyo's API the part that back-in-stock needs is here; docs/intake.md lists it."


def _route(scope: Scope) -> str:
    """The pattern of the route: a real path may hold a token or an id."""
    return str(scope.get("route_pattern", "unknown"))


def _note(scope: Scope, status: int, seconds: float) -> None:
    route = _route(scope)
    method = scope["method"] if scope["method"] in ("GET", "POST", "PATCH", "DELETE", "OPTIONS") else "OTHER"
    note_request(route, method, status, seconds)
    if route in QUIET_ROUTES and status < 400:
        return
    facts: dict[str, Any] = {
        "route": route,
        "method": method,
        "status": status,
        "ms": round(seconds * 1000, 1),
    }
    if shop := scope.get("shop"):
        facts["shop"] = shop
    log.info("request", extra={"facts": facts})

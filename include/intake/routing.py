"""Routes by method and path pattern; the pattern, not the path, names a request in logs and metrics."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from include.errors import NotFound, RowRejected
from include.intake.access import answer_preflight, name_origin
from include.intake.answers import ApiError, refusal_of

Endpoint = Callable[[Request], Awaitable[Response]]


def at(path: str, **by_method: Endpoint) -> Route:
    """One path with an endpoint per method: `at("/health", GET=tell_health)`."""

    async def serve(request: Request) -> Response:
        request.scope["route_pattern"] = path
        endpoint = by_method.get(request.method) or (
            by_method.get("GET") if request.method == "HEAD" else None
        )
        if endpoint is None:
            raise not_allowed(request.method, by_method)
        return await endpoint(request)

    # Starlette would answer other methods itself, without a document.
    return Route(
        path, serve, methods=["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"]
    )


def not_allowed(method: str, by_method: Mapping[str, Endpoint]) -> ApiError:
    """405 with what is allowed."""
    allowed = ", ".join(sorted(by_method))
    return ApiError.of(405, f"This path takes {allowed}.", code="method_not_allowed", Allow=allowed)


def client_at(path: str, take: Endpoint) -> Route:
    """A path that browsers post to from another site: with preflight, and errors that they may read."""

    async def take_readably(request: Request) -> Response:
        try:
            response = await take(request)
        except ApiError as error:
            response = error.as_response()
        except (NotFound, RowRejected) as refused:
            response = refusal_of(refused).as_response()
        await name_origin(request, response)
        return response

    return at(path, POST=take_readably, OPTIONS=answer_preflight)

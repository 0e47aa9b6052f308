"""What the door answers: nothing, a JSON document, or errors with pointers, as JSON:API has them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.responses import Response

from include.errors import NotFound, RowRejected

JSON_API = "application/vnd.api+json"
_TITLES = {
    400: ("invalid", "Invalid input."),
    401: ("not_authenticated", "Authentication credentials were not provided or are not valid."),
    403: ("permission_denied", "You do not have permission to do this."),
    404: ("not_found", "Not found."),
    405: ("method_not_allowed", "Method not allowed."),
    409: ("duplicate_resource", "Conflict."),
    410: ("gone", "This revision is no longer served."),
    413: ("payload_too_large", "The request is too large."),
    415: ("unsupported_media_type", "Unsupported media type."),
    429: ("throttled", "Too many requests."),
    500: ("internal_error", "Internal error."),
    503: ("unavailable", "Not available now."),
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and where: `pointer` into the body, or the name of a query `parameter`."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    code: str | None = None


@dataclass
class ApiError(Exception):
    """A request that is not served; `detail` repeats nothing that somebody else might read as an address."""

    status: int
    faults: Sequence[Fault]
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        status: int,
        detail: str,
        pointer: str | None = None,
        parameter: str | None = None,
        code: str | None = None,
        **headers: str,
    ) -> "ApiError":
        """An error with one fault; header names are written with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, (Fault(detail, pointer, parameter, code),), named)

    def as_response(self) -> Response:
        """The errors document."""
        return as_json(error_document(self), self.status, dict(self.headers))


def refusal_of(refused: NotFound | RowRejected) -> ApiError:
    """What a service refused, as an answer."""
    return ApiError.of(404 if isinstance(refused, NotFound) else 400, f"{str(refused).rstrip('.')}.")


def error_document(error: ApiError) -> dict[str, Any]:
    """`{"errors": [{id, status, code, title, detail, source, links, meta}]}`."""
    code, title = _TITLES.get(error.status, ("error", "The request was not served."))
    return {
        "errors": [
            {
                "id": str(uuid.uuid4()),
                "status": error.status,
                "code": fault.code or code,
                "title": title,
                "detail": fault.detail,
                "source": _source(fault),
                "links": {},
                "meta": {},
            }
            for fault in error.faults
        ]
    }


def as_json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON:API answer."""
    return Response(msgspec.json.encode(document), status, headers, media_type=JSON_API)


def empty(status: int) -> Response:
    """An answer without a body: 202 and 204."""
    return Response(status_code=status)


def _source(fault: Fault) -> dict[str, str]:
    if fault.parameter is not None:
        return {"parameter": fault.parameter}
    return {"pointer": fault.pointer or "/data"}

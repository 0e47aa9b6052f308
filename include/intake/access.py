"""Who asks: a private key in a header, or a company id in the query; and which browsers may read the answer."""

import time
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from include.intake.answers import ApiError, empty
from include.intake.door import Door
from include.intake.rates import Limit, Rates, address_limit
from include.services.keys import LONGEST_KEY, PRIVATE_PREFIX, Key, KeyKind, find_key

CACHE_SECONDS = 1.0
MOST_CACHED = 10_000
SCHEME = "klaviyo-api-key"
FIRST_REVISION, LAST_REVISION = "2023-09-15", "2026-10-15"
_WRONG_KEY = (
    "Incorrect authentication credentials. Private keys of this API start with pk_ and come from "
    "`restock keys create --kind private`; those of Klaviyo are not known here."
)
_NO_COMPANY = (
    "is missing or not known. Company ids of this API come from `restock keys create --kind public`; "
    "those of Klaviyo are not known here."
)
_PRIVATE_IN_PAGE = (
    "is a private key, or looks like one. It belongs on servers alone: if a page holds it, "
    "`restock keys revoke` it, and use a public one."
)
_ALLOWED_HEADERS = "accept, authorization, content-type, revision, x-klaviyo-user-agent"


class Access:
    """Keys and limits of one process; a key is looked up once a second at most."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.rates = Rates(door)
        self._address_limit = address_limit(door.settings.address_rate)
        self._known: dict[tuple[str, KeyKind], tuple[Key | None, float]] = {}

    async def private(self, request: Request, limit: Limit) -> Key:
        """The key of a server; 401 for none, 429 for one that asks too much."""
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != SCHEME or not presented.strip():
            await self.check_address(request)
            raise ApiError.of(
                401,
                "Missing or invalid header: Authorization: Klaviyo-API-Key pk_…",
                code="not_authenticated",
            )
        if self._is_guess(presented.strip()):
            # Whoever tries keys is stopped before each try costs a look into the database.
            await self.check_address(request)
        key = await self._find(presented.strip(), "private")
        if key is None:
            await self.check_address(request)
            raise ApiError.of(401, _WRONG_KEY, code="authentication_failed")
        return await self._admit(request, key, limit)

    async def company(self, request: Request, limit: Limit) -> Key:
        """The shop of a company id in the query; 400 for none or an unknown one."""
        await self.check_address(request)
        return await self.company_named(request, request.query_params.get("company_id", ""), limit)

    async def company_named(
        self, request: Request, company_id: str, limit: Limit, parameter: str = "company_id"
    ) -> Key:
        """The shop of a company id; see company."""
        key = await self._find(company_id, "public") if company_id else None
        if key is None:
            is_private = company_id.startswith(PRIVATE_PREFIX)
            raise ApiError.of(
                400, f"{parameter} {_PRIVATE_IN_PAGE if is_private else _NO_COMPANY}", parameter=parameter
            )
        origin = request.headers.get("origin")
        if origin is not None and key.origins and origin not in key.origins:
            raise ApiError.of(403, "This origin may not use this company_id.")
        return await self._admit(request, key, limit)

    async def check_address(self, request: Request) -> None:
        """429 for an address that asks too much."""
        address = request.client.host if request.client else "unknown"
        await self.rates.check(self._address_limit, address, is_address=True)

    async def allowed_origin(self, request: Request) -> str | None:
        """The origin to name in a CORS header; None where this browser may not read the answer."""
        origin = request.headers.get("origin")
        company_id = request.query_params.get("company_id", "")
        key = await self._find(company_id, "public") if company_id and origin else None
        if key is None or not key.origins:
            return "*"
        return origin if origin in key.origins else None

    async def _admit(self, request: Request, key: Key, limit: Limit) -> Key:
        request.scope["shop"] = key.shop_id
        check_revision(request.headers)
        await self.rates.check(limit.times(key.rate_factor), f"{key.shop_id}/{key.key_id}")
        return key

    def _is_guess(self, presented: str) -> bool:
        """Neither asked about in this second nor right the last time: who holds a key shares an address unharmed."""
        key, expires = self._known.get((presented, "private"), (None, 0.0))
        return key is None and time.monotonic() >= expires

    async def _find(self, presented: str, kind: KeyKind) -> Key | None:
        if len(presented) > LONGEST_KEY:
            return None
        cached = self._known.get((presented, kind))
        now = time.monotonic()
        if cached is not None and now < cached[1]:
            return cached[0]
        key = await self._door.run(_look_up, self._door, presented, kind)
        if len(self._known) >= MOST_CACHED:
            self._known.clear()
        self._known[presented, kind] = key, now + CACHE_SECONDS
        return key


def _look_up(door: Door, presented: str, kind: KeyKind) -> Key | None:
    with door.engine.connect() as connection:
        return find_key(connection, presented, kind)


def check_revision(headers: Mapping[str, str]) -> None:
    """Any revision from FIRST_REVISION to LAST_REVISION, with or without a suffix such as .pre; none is the newest."""
    revision = headers.get("revision")
    if revision is None:
        return
    day = revision.partition(".")[0]
    shape = day.replace("-", "")
    if (
        len(day) != 10
        or not (shape.isascii() and shape.isdigit())
        or not FIRST_REVISION <= day <= LAST_REVISION
    ):
        raise ApiError.of(
            400,
            f"The header revision is none that is served. Allowed are {FIRST_REVISION} to {LAST_REVISION}.",
            parameter="revision",
        )


async def answer_preflight(request: Request) -> Response:
    """What a browser asks before it posts (CORS)."""
    response = empty(204)
    await name_origin(request, response)
    response.headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
    response.headers["Access-Control-Max-Age"] = "3600"
    return response


async def name_origin(request: Request, response: Response) -> None:
    """Let the asking page read this answer, where its origin may use the company id."""
    origin = await access_of(request).allowed_origin(request)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
    if origin != "*":
        response.headers["Vary"] = "Origin"


def access_of(request: Request) -> Access:
    """The keys and limits of the process that serves a request."""
    access: Access = request.app.state.access
    return access

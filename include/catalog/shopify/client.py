"""Questions to one shop's Admin API: cost, throttling, and errors that say where and how to go on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from include.catalog.http import HttpClient, Reply, shown_url
from include.catalog.shopify.documents import document
from include.errors import ConfigurationError, FeedMissing, RestockError, TemporaryError

TRIES = 6
LONGEST_PAUSE = 60.0
DEAREST_QUESTION = 1000.0
MOST_SHOWN = 300
ONCE = ("submit",)
"""What must not be sent again where the answer was lost: it may have been done."""

T = TypeVar("T")


class _Throttle(msgspec.Struct, rename="camel"):
    maximum_available: float
    currently_available: float
    restore_rate: float


class _Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float | None = None
    throttle_status: _Throttle | None = None


class _Extensions(msgspec.Struct):
    cost: _Cost | None = None


class _ErrorExtensions(msgspec.Struct):
    code: str | None = None


class _Error(msgspec.Struct):
    message: str = ""
    extensions: _ErrorExtensions | None = None


class _Envelope(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_Error] | str | dict[str, Any] | None = None
    extensions: _Extensions | None = None


class Throttled(TemporaryError):
    """The budget of the shop's API is used up for a moment."""


class _Failed(TemporaryError):
    """The answer came, and is an internal error or no whole JSON."""


class TooCostly(ConfigurationError):
    """One question costs more than any may: it has to ask for less."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A reply as it came, and what it says."""

    body: bytes
    data: T


class ShopifyClient:
    """Asks one shop; `shop_id` and the endpoint stand in every error."""

    def __init__(
        self, http: HttpClient, url: str, shop_id: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = http
        self._url = url
        self._shop_id = shop_id
        self._sleep = sleep
        self._budget: _Throttle | None = None
        self._read_at = 0.0
        self._costs: dict[str, float] = {}

    @property
    def place(self) -> str:
        """Which shop is asked, and where."""
        return f"shop {self._shop_id!r} at {shown_url(self._url)}"

    def ask(self, name: str, shape: type[T], step: str, **variables: Any) -> Answer[T]:
        """The answer to `<name>.graphql`; `step` says in errors what was being read."""
        attempts = Retrying(
            retry=retry_if_exception_type(Throttled if name in ONCE else (Throttled, _Failed)),
            stop=stop_after_attempt(TRIES),
            wait=_pause,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return attempts(self._ask_once, name, shape, variables)
        except RestockError as error:
            raise self._placed(error, step) from None

    def _ask_once(self, name: str, shape: type[T], variables: Mapping[str, Any]) -> Answer[T]:
        self._wait_for_budget(name)
        body = msgspec.json.encode({"query": document(name), "variables": variables})
        answered = self._http.fetch(self._url, _read_all, body=body, tries=1 if name in ONCE else None)
        return Answer(answered, self._understand(name, answered, shape))

    def _understand(self, name: str, answered: bytes, shape: type[T]) -> T:
        try:
            envelope = msgspec.json.decode(answered, type=_Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _Failed(f"the reply of {len(answered):,} bytes is not JSON, or was cut off") from None
        self._note_cost(name, envelope.extensions)
        if envelope.errors:
            raise self._error_of(envelope)
        try:
            return msgspec.json.decode(envelope.data, type=shape)
        except msgspec.ValidationError as error:
            raise ConfigurationError(
                f"the reply has another shape than {name}.graphql asks for: {error}. Has the API version changed? "
                "Try another one of those that shopify.api_version allows"
            ) from None

    def _error_of(self, envelope: _Envelope) -> RestockError:
        errors = envelope.errors if isinstance(envelope.errors, list) else [_Error(str(envelope.errors))]
        said = " ".join("; ".join(error.message for error in errors).split())[:MOST_SHOWN]
        codes = {error.extensions.code for error in errors if error.extensions}
        if "THROTTLED" in codes:
            return Throttled("the API's budget is used up", retry_after=self._pause_for(envelope.extensions))
        if "MAX_COST_EXCEEDED" in codes:
            return TooCostly(f"one page costs more than is allowed ({said}). Lower shopify.page_size")
        if "ACCESS_DENIED" in codes:
            return ConfigurationError(
                f"access denied ({said}). Give the app the scopes read_products, read_inventory and read_locations"
            )
        if codes & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
            return _Failed(f"Shopify failed ({said})")
        return ConfigurationError(f"the question is refused ({said}). Check shopify.api_version")

    def _note_cost(self, name: str, extensions: _Extensions | None) -> None:
        cost = extensions.cost if extensions else None
        if cost is None or cost.throttle_status is None:
            return
        self._budget, self._read_at = cost.throttle_status, time.monotonic()
        self._costs[name] = cost.requested_query_cost or 0.0

    def _wait_for_budget(self, name: str) -> None:
        """Wait until the budget, which refills steadily, allows what the last such question cost."""
        if self._budget is None or not self._budget.restore_rate:
            return
        refilled = (time.monotonic() - self._read_at) * self._budget.restore_rate
        short = self._costs.get(name, 0.0) - self._budget.currently_available - refilled
        if short > 0:
            self._sleep(min(short / self._budget.restore_rate, LONGEST_PAUSE))

    def _pause_for(self, extensions: _Extensions | None) -> float:
        cost = extensions.cost if extensions else None
        if cost is None or cost.throttle_status is None or not cost.throttle_status.restore_rate:
            return 1.0
        needed = min(cost.requested_query_cost or DEAREST_QUESTION, cost.throttle_status.maximum_available)
        short = needed - cost.throttle_status.currently_available
        return min(max(short / cost.throttle_status.restore_rate, 0.1), LONGEST_PAUSE)

    def _placed(self, error: RestockError, step: str) -> RestockError:
        text = str(error)
        if isinstance(error, FeedMissing):
            error = ConfigurationError(
                f"{text} Check the shop's domain in its Connection and shopify.api_version."
            )
            text = str(error)
        place = "" if shown_url(self._url) in text else f" at {shown_url(self._url)}"
        go_on = "Trying again starts this pull anew; nothing of it was used."
        error.args = (f"shop {self._shop_id!r}{place}, {step}: {text.rstrip('.')}. {go_on}",)
        return error


def _read_all(reply: Reply) -> bytes:
    return b"".join(reply.unpacked_blocks())


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, TemporaryError) else None
    return told or min(2.0 ** (state.attempt_number - 1), LONGEST_PAUSE)

"""SMS by a Twilio-compatible API: one request per message, over a kept connection."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from include.messaging.senders.base import Envelope, Outcome
from include.messaging.senders.sms_replies import classify

# The provider's clock may differ from ours by this much.
CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True)
class SmsAccount:
    """An account; `sender` is a number, a name, or the id (MG…) of a messaging service."""

    account_sid: str
    sender: str
    password: str = field(repr=False)
    username: str = ""
    url: str = "https://api.twilio.com"
    timeout: float = 30.0

    @property
    def messages_url(self) -> str:
        """Where messages are posted and listed."""
        return f"{self.url.rstrip('/')}/2010-04-01/Accounts/{self.account_sid}/Messages.json"


class SmsSender:
    """Posts each message. A request without an answer is looked up: what the provider lists was sent."""

    channel = "SMS"

    def __init__(self, account: SmsAccount, clock: Callable[[], datetime]) -> None:
        self.leaving: Callable[[Envelope], None] = lambda _: None
        self._account = account
        self._clock = clock
        self._session: requests.Session | None = None

    def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        """Each envelope with its outcome; see Sender."""
        for envelope in batch:
            began_at = self._clock()
            self.leaving(envelope)
            try:
                reply = self._request("POST", data=self._form(envelope))
            except requests.RequestException as error:
                yield envelope, self._without_answer(error, envelope, began_at)
            else:
                yield envelope, self._read(reply)

    def close(self) -> None:
        """End the kept connection; the sender can be used again."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _form(self, envelope: Envelope) -> dict[str, str]:
        sender = self._account.sender
        origin = "MessagingServiceSid" if sender.startswith("MG") else "From"
        return {"To": envelope.recipient, origin: sender, "Body": envelope.content.decode()}

    def _request(self, method: str, **given: Any) -> requests.Response:
        if self._session is None:
            self._session = requests.Session()
            self._session.auth = (self._account.username or self._account.account_sid, self._account.password)
        return self._session.request(
            method,
            self._account.messages_url,
            timeout=self._account.timeout,
            allow_redirects=False,
            **given,
        )

    def _read(self, reply: requests.Response) -> Outcome:
        problem = _json_of(reply)
        code = problem.get("code")
        text = str(problem.get("message") or reply.reason or "")
        return classify(
            reply.status_code, code if isinstance(code, int) else None, text, self._pause_of(reply)
        )

    def _pause_of(self, reply: requests.Response) -> float | None:
        asked = reply.headers.get("Retry-After", "")
        if asked.isdigit():
            return float(asked)
        moment = _time_of(asked)
        return None if moment is None else max(0.0, (moment - self._clock()).total_seconds())

    def _without_answer(
        self, error: requests.RequestException, envelope: Envelope, began_at: datetime
    ) -> Outcome:
        if _never_left(error):
            return Outcome("channel_refused", detail=f"no connection: {type(error).__name__}", is_tried=False)
        if self._is_listed(envelope, began_at - CLOCK_SKEW):
            return Outcome("sent", "listed")
        return Outcome("in_doubt", detail=type(error).__name__)

    def _is_listed(self, envelope: Envelope, since: datetime) -> bool:
        query = {"To": envelope.recipient, "PageSize": "50"}
        try:
            reply = self._request("GET", params=query)
        except requests.RequestException:
            return False
        listed = _json_of(reply).get("messages") or []
        text = envelope.content.decode()
        return reply.ok and any(
            str(entry.get("body")).endswith(text)
            and (created := _time_of(entry.get("date_created"))) is not None
            and created >= since
            for entry in listed
        )


def _never_left(error: requests.RequestException) -> bool:
    if isinstance(
        error, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError
    ):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _json_of(reply: requests.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _time_of(text: Any) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

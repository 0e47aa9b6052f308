"""Asking a shop's platform over HTTP: time limits, patience, redirects, and texts without secrets.

Errors of `requests` and `urllib3` quote whole addresses, so none of their texts is passed on.
"""

import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from include.catalog.addresses import AddressRefused, CheckedAdapter, Resolve, check_host, resolve_name
from include.catalog.reply import Limits, OutOfTime, Reply, shown_url
from include.errors import ConfigurationError, FeedMissing, TemporaryError

MOST_REDIRECTS = 5
LONGEST_RETRY_AFTER = 86_400.0
TEMPORARY_STATUSES = {408, 425, 429}
REDIRECTS = {301, 302, 303, 307, 308}
MISSING = {404, 410}
REFUSED_LOGIN = {401, 403}

T = TypeVar("T")
USUAL_LIMITS = Limits()

# At DEBUG urllib3 writes whole addresses, with the tokens in their queries, into the task's log.
logging.getLogger("urllib3").setLevel(logging.INFO)


class AnswerRefused(ConfigurationError):
    """The server answers that what was asked for is not given, and would again."""


@dataclass(frozen=True)
class Access:
    """What is shown at the door of one host.

    `place` tells a person where it is kept, `shown` what it is, `subject` what is asked for.
    """

    place: str
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    subject: str = "feed"
    shown: str = "login, password and headers"


class HttpClient:
    """Requests of one connector. Credentials go to the first address's host only."""

    def __init__(
        self,
        access: Access,
        limits: Limits = USUAL_LIMITS,
        sleep: Callable[[float], None] = time.sleep,
        resolve: Resolve = resolve_name,
    ) -> None:
        self._access = access
        self._limits = limits
        self._sleep = sleep
        self._resolve = resolve
        self._kept: requests.Session | None = None

    @contextmanager
    def kept_open(self, url: str) -> Iterator[None]:
        """Meanwhile one connection serves all requests to the host of `url`."""
        with self._open_session(url) as session:
            self._kept = session
            try:
                yield
            finally:
                self._kept = None

    def fetch(
        self,
        url: str,
        receive: Callable[["Reply"], T],
        unless: Mapping[str, str] = MappingProxyType({}),
        body: bytes | None = None,
        tries: int | None = None,
    ) -> T:
        """What `receive` makes of the reply to a GET, or to a POST of a JSON `body`.

        It is called again where the reply breaks off. `unless` are headers that let the server answer that nothing
        has changed (see Reply.is_unchanged); `tries` is 1 for what must not be done twice. Raises TemporaryError once
        patience ends, ConfigurationError where trying again can't help.
        """
        ends_at = time.monotonic() + self._limits.total_seconds
        attempts = Retrying(
            retry=retry_if_exception(self._is_worth_waiting),
            stop=stop_after_attempt(tries or self._limits.tries),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )
        return attempts(self._fetch_once, url, receive, unless, body, ends_at)

    def _fetch_once(
        self,
        url: str,
        receive: Callable[["Reply"], T],
        unless: Mapping[str, str],
        body: bytes | None,
        ends_at: float,
    ) -> T:
        _check_address(url)
        with self._session(url) as session, self._follow(session, url, unless, body) as response:
            reply = Reply(response, self._limits, ends_at)
            if response.status_code != HTTPStatus.OK and not (unless and reply.is_unchanged):
                raise self._error_of(response, reply.shown_url)
            return receive(reply)

    @contextmanager
    def _session(self, url: str) -> Iterator[requests.Session]:
        if self._kept is not None:
            yield self._kept
            return
        with self._open_session(url) as session:
            yield session

    def _open_session(self, url: str) -> requests.Session:
        session = requests.Session()
        session.trust_env = not is_loopback(url)
        if not self._limits.allow_private:
            session.mount("http://", CheckedAdapter(self._resolve, self._limits.section))
            session.mount("https://", CheckedAdapter(self._resolve, self._limits.section))
        return session

    def _follow(
        self, session: requests.Session, url: str, unless: Mapping[str, str], body: bytes | None
    ) -> requests.Response:
        target = url
        for _ in range(MOST_REDIRECTS + 1):
            try:
                response = self._ask(session, target, unless, body, with_access=_is_same_door(url, target))
            except AddressRefused as error:
                way = (
                    shown_url(url) if target == url else f"{shown_url(url)} redirects to {shown_url(target)}"
                )
                raise AddressRefused(f"{way}: {error}") from None
            location = response.headers.get("Location")
            if response.status_code not in REDIRECTS or not location:
                return response
            response.close()
            if body is not None:
                raise ConfigurationError(
                    f"{shown_url(url)} redirects to another address; questions are not sent on. Check the "
                    f"{self._access.subject}'s address in {self._access.place}."
                )
            target = self._next_target(target, location)
        raise ConfigurationError(
            f"{shown_url(url)} redirects more than {MOST_REDIRECTS} times. Check the address."
        )

    def _next_target(self, url: str, location: str) -> str:
        try:
            target = urljoin(url, location)
        except ValueError:
            target = ""
        _check_address(target, f"{shown_url(url)} redirects to an address that is not http:// or https://.")
        return target

    def _ask(
        self,
        session: requests.Session,
        url: str,
        unless: Mapping[str, str],
        body: bytes | None,
        *,
        with_access: bool,
    ) -> requests.Response:
        self._check_before_proxy(session, url)
        headers = {"User-Agent": "Restock/0.1", "Accept-Encoding": "gzip", "Accept": "*/*", **unless}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if with_access:
            headers |= self._access.headers
        shown = shown_url(url)
        try:
            return session.request(
                "GET" if body is None else "POST",
                url,
                data=body,
                headers=headers,
                auth=self._sign if with_access else _sign_nothing,
                timeout=(self._limits.connect_seconds, self._limits.read_seconds),
                stream=True,
                allow_redirects=False,
            )
        except requests.exceptions.Timeout:
            raise TemporaryError(f"{shown} did not answer in time.") from None
        except requests.exceptions.SSLError as error:
            raise _tls_error(shown, error) from None
        except ValueError:  # how requests says: an address or header that can't be sent, or a bad redirect
            place = self._access.place
            raise ConfigurationError(
                f"{shown} can't be asked, or redirects to an address that is none: check it and {place}."
            ) from None
        except requests.exceptions.RequestException as error:
            raise TemporaryError(f"{shown} can't be reached ({type(error).__name__}).") from None

    def _check_before_proxy(self, session: requests.Session, url: str) -> None:
        """A proxy resolves names itself, so all that can be judged is what the name says here."""
        proxies = requests.utils.get_environ_proxies(url) if session.trust_env else {}
        if self._limits.allow_private or not requests.utils.select_proxy(url, proxies):
            return
        parts = urlsplit(url)
        with suppress(OSError):
            check_host(parts.hostname or "", _port(parts) or 0, self._resolve, self._limits.section)

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._access.login is None and self._access.password is None:
            return request
        login, password = _as_sent(self._access.login or "", self._access.password or "")
        sign = requests.auth.HTTPBasicAuth(login, password)
        return sign(request)

    def _error_of(self, response: requests.Response, shown: str) -> Exception:
        status = response.status_code
        answered = f"{shown} answered {status} {_phrase(status)}"
        if status in REFUSED_LOGIN:
            return AnswerRefused(
                f"{answered}: the credentials are not accepted. Check {self._access.shown} in {self._access.place}."
            )
        if status in MISSING:
            return FeedMissing(f"{answered}: nothing is there. Check the {self._access.subject}'s address.")
        if status in TEMPORARY_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return TemporaryError(f"{answered}. It may pass.", retry_after=_retry_after(response))
        return AnswerRefused(
            f"{answered}, where 200 is needed. Check the {self._access.subject}'s address and settings."
        )

    def _is_worth_waiting(self, error: BaseException) -> bool:
        if isinstance(error, OutOfTime) or not isinstance(error, TemporaryError):
            return False
        return (error.retry_after or 0) <= self._limits.longest_pause

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        told = error.retry_after if isinstance(error, TemporaryError) else None
        return (
            told if told is not None else min(2.0 ** (state.attempt_number - 1), self._limits.longest_pause)
        )


def _as_sent(login: str, password: str) -> tuple[bytes, bytes]:
    """In the oldest encoding that has all their letters: ISO 8859-1 as servers expect by habit, else UTF-8."""
    try:
        return login.encode("latin-1"), password.encode("latin-1")
    except UnicodeEncodeError:
        return login.encode(), password.encode()


def is_loopback(url: str) -> bool:
    """Whether the address is this machine, where a proxy of the environment must not be asked."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_address(
    url: str, problem: str = "The address is not one of http:// or https:// with a host."
) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError(problem)


def _is_same_door(first: str, second: str) -> bool:
    a, b = urlsplit(first), urlsplit(second)
    if a.hostname != b.hostname:
        return False
    is_upgrade = (a.scheme, b.scheme) == ("http", "https") and a.port in (None, 80) and b.port in (None, 443)
    return is_upgrade or (a.scheme, _port(a)) == (b.scheme, _port(b))


def _port(parts: SplitResult) -> int | None:
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _sign_nothing(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # An auth of our own keeps requests from reading ~/.netrc.
    return request


def _tls_error(shown: str, error: Exception) -> Exception:
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"{shown} shows a certificate that can't be verified. Check it on the server."
        )
    return TemporaryError(f"{shown} broke off the TLS handshake.")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(a status of its own)"


def _retry_after(response: requests.Response) -> float | None:
    told = response.headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit():
        return min(float(told), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(told)
        told_in = (moment - parsedate_to_datetime(response.headers["Date"])).total_seconds()
        return min(max(0.0, told_in), LONGEST_RETRY_AFTER)
    except (ValueError, TypeError, KeyError):
        return None

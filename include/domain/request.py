"""One request to be told, as it comes in from outside (SEMANTICS 3.1, 3.3)."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from include.errors import RowRejected

CHANNELS = ("EMAIL", "SMS", "PUSH", "WHATSAPP")
LONGEST_ID = 200
InStockRequest = Literal["notify", "next_restock"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Request:
    """A checked request; `email` is as given, `email_key` the key by which a person is found."""

    email: str
    email_key: str
    variant_id: str
    subscribed_at: datetime
    channels: tuple[str, ...] = ("EMAIL",)
    wanted_quantity: int = 1
    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None


def fold_email(email: str) -> str:
    """The key under which an address is compared: composed and case-folded (SEMANTICS 3.3)."""
    return unicodedata.normalize("NFC", email.strip()).casefold()


def check_variant_id(text: str) -> str:
    """A variant's id, or RowRejected."""
    variant_id = text.strip()
    if not variant_id or len(variant_id) > LONGEST_ID or _CONTROL.search(variant_id):
        raise RowRejected(
            f"variant_id has {len(variant_id)} characters; allowed are 1 to {LONGEST_ID} printable ones"
        )
    return variant_id


def check_channels(text: str) -> tuple[str, ...]:
    """Channels as 'EMAIL,SMS'; empty means e-mail."""
    names = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",") if name.strip())) or (
        "EMAIL",
    )
    unknown = [name for name in names if name not in CHANNELS]
    if unknown:
        raise RowRejected(f"channel {unknown[0][:20]!r} is not known; allowed are {', '.join(CHANNELS)}")
    return names


def check_quantity(text: str) -> int:
    """Wanted units; empty means 1."""
    if not text.strip():
        return 1
    if not re.fullmatch(r"[0-9]{1,6}", text.strip()) or int(text) < 1:
        raise RowRejected(f"wanted_quantity is {text[:20]!r}; allowed is a whole number from 1 to 999999")
    return int(text)


def check_time(text: str, now: datetime) -> datetime:
    """The moment of the request, ISO 8601, UTC where no zone is given; not in the future."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RowRejected(
            f"subscribed_at is {text[:40]!r}; allowed is ISO 8601 such as 2026-01-31T09:30:00Z"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment > now + timedelta(minutes=5):
        raise RowRejected(
            f"subscribed_at is {moment.isoformat()}, in the future; allowed is a moment up to now"
        )
    return moment

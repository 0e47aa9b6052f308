"""One request to be told, as it comes in from outside (SEMANTICS 3.1, 3.3)."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from include.errors import RowRejected

CHANNELS = ("EMAIL", "SMS", "PUSH", "WHATSAPP")
LONGEST_ID = 200
InStockRequest = Literal["notify", "next_restock", "reject"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A date before is a spreadsheet's or a database's zero, not a shopper's.
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Request:
    """A checked request for a variant, or without one for any variant of a product (SEMANTICS 1.6).

    `email` is as given, `email_key` what it compares by; `phone` is E.164; `external_id` is the shop's own id
    of the person. One of the three says who it is. `proof` is JSON without an address (SEMANTICS 10.1).
    """

    email: str | None
    email_key: str | None
    variant_id: str | None
    subscribed_at: datetime
    channels: tuple[str, ...] = ("EMAIL",)
    wanted_quantity: int = 1
    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None
    product_id: str | None = None
    phone: str | None = None
    external_id: str | None = None
    proof: str | None = None

    def __post_init__(self) -> None:
        if not (self.email_key or self.phone or self.external_id):
            raise RowRejected("nobody is named; an e-mail address, a phone number or both are needed")
        if (self.variant_id is None) == (self.product_id is None):
            raise RowRejected("a request is for one variant or for one product: exactly one id is needed")

    @property
    def has_only_email(self) -> bool:
        """Whether the address alone says who it is."""
        return self.email_key is not None and self.phone is None and self.external_id is None


def fold_email(email: str) -> str:
    """The key under which an address is compared: composed and case-folded (SEMANTICS 3.3)."""
    return unicodedata.normalize("NFC", email.strip()).casefold()


def check_item(variant: str, product: str) -> tuple[str | None, str | None]:
    """(variant_id, product_id), one of them None; raises RowRejected."""
    if variant.strip() and product.strip():
        raise RowRejected(
            "both variant_id and product_id are given; allowed is one: product_id asks for any of its variants"
        )
    if product.strip():
        return None, _check_id(product, "product_id")
    return _check_id(variant, "variant_id"), None


def _check_id(text: str, name: str) -> str:
    item_id = text.strip()
    if not item_id or len(item_id) > LONGEST_ID or _CONTROL.search(item_id):
        raise RowRejected(
            f"{name} has {len(item_id)} characters; allowed are 1 to {LONGEST_ID} printable ones"
        )
    return item_id


def check_channels(text: str, has_email: bool = True) -> tuple[str, ...]:
    """Channels as 'EMAIL,SMS'; empty means e-mail, or SMS for who gave a phone number only."""
    names = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",") if name.strip())) or (
        "EMAIL" if has_email else "SMS",
    )
    unknown = [name for name in names if name not in CHANNELS]
    if unknown:
        raise RowRejected(f"channel {_named(unknown[0], 20)} is not known; allowed are {', '.join(CHANNELS)}")
    return names


def _named(text: str, longest: int) -> str:
    """A wrong text for a reason. Reasons are kept: where columns were mixed up, nobody's address stays in them."""
    is_contact = "@" in text or text.strip().startswith(("+", "00"))
    return "what looks like an address" if is_contact else repr(text[:longest])


def check_quantity(text: str) -> int:
    """Wanted units; empty means 1."""
    if not text.strip():
        return 1
    if not re.fullmatch(r"[0-9]{1,6}", text.strip()) or int(text) < 1:
        raise RowRejected(
            f"wanted_quantity is {_named(text, 20)}; allowed is a whole number from 1 to 999999"
        )
    return int(text)


def check_time(text: str, now: datetime) -> datetime:
    """The moment of the request, ISO 8601, UTC where no zone is given; from 1970 on and not in the future."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RowRejected(
            f"subscribed_at is {_named(text, 40)}; allowed is ISO 8601 such as 2026-01-31T09:30:00Z"
        ) from None
    if moment < _FIRST_MOMENT:
        raise RowRejected(f"subscribed_at is {moment.isoformat()}; allowed is a moment from 1970 on")
    if moment > now + timedelta(minutes=5):
        raise RowRejected(
            f"subscribed_at is {moment.isoformat()}, in the future; allowed is a moment up to now"
        )
    return moment

"""Addresses, phone numbers and requests as people write them; the reason of a refusal never repeats an address."""

import re
from datetime import datetime
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from include.domain.request import Request, check_channels, check_item, check_quantity, fold_email
from include.errors import RowRejected

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")


def check_email(text: str) -> str:
    """The address as written, or RowRejected.

    Whole crowds share a few domains: a domain is checked once, and a plain name before it needs no other look.
    """
    local, sign, domain = text.rpartition("@")
    if sign and len(text) <= 254 and len(local) <= 64 and _PLAIN_NAME.fullmatch(local):
        checked = _check_domain(domain)
        if checked is not None:
            return f"{local}@{checked}"
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise RowRejected(
            "email is no valid address; allowed is one address of the form name@domain"
        ) from None


@lru_cache(maxsize=20_000)
def _check_domain(domain: str) -> str | None:
    """The domain as it is written to, or None where the whole address must be looked at."""
    try:
        return validate_email(
            f"a@{domain}", check_deliverability=False, test_environment=True
        ).normalized.removeprefix("a@")
    except EmailNotValidError:
        return None


def check_phone(text: str) -> str:
    """The number in E.164, or RowRejected: without a country code it could be anybody's (SEMANTICS 3.3)."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise RowRejected(
            "phone is no valid number; allowed is one with its country code such as +49 30 1234567"
        )
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def read_request(
    email: str, phone: str, variant: str, product: str, channels: str, quantity: str, now: datetime
) -> Request:
    """One request of this moment out of its texts, or RowRejected."""
    checked_email = check_email(email) if email.strip() else None
    variant_id, product_id = check_item(variant, product)
    return Request(
        email=checked_email,
        email_key=fold_email(checked_email) if checked_email else None,
        variant_id=variant_id,
        subscribed_at=now,
        channels=check_channels(channels, has_email=checked_email is not None),
        wanted_quantity=check_quantity(quantity),
        product_id=product_id,
        phone=check_phone(phone) if phone.strip() else None,
    )

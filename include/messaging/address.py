"""Mail addresses as they may stand in an envelope or a header."""

import re
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from include.errors import RestockError

LONGEST_ADDRESS = 254

_ATOM = r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f-\x9f]+"
_ADDRESS = re.compile(rf"{_ATOM}@{_ATOM}")


class AddressRefused(RestockError):
    """No mail can carry this address; the text never repeats it."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with the name that people see beside it."""

    address: str
    name: str = ""


def check_address(address: str) -> None:
    """Refuse what could break out of a header or a command, or is no address at all."""
    if len(address) > LONGEST_ADDRESS:
        raise AddressRefused(f"The address has {len(address)} characters; allowed are {LONGEST_ADDRESS}.")
    if not _ADDRESS.fullmatch(address):
        raise AddressRefused(
            "The address is not of the form name@domain without spaces, line breaks, brackets or quotes."
        )


@lru_cache(maxsize=1024)  # the same few addresses are asked for some times on their way out
def ascii_domain_address(address: str) -> str:
    """The address with its domain in IDNA form; the local part may stay outside ASCII (RFC 6531)."""
    check_address(address)
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        parts = validate_email(f"postmaster@{domain}", check_deliverability=False)
    except EmailNotValidError as error:
        raise AddressRefused("The domain of the address can't be written in IDNA form.") from error
    return f"{local}@{parts.ascii_domain}"

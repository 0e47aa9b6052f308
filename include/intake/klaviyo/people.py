"""How Klaviyo's requests say who somebody is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from include.domain.request import fold_email
from include.errors import RowRejected
from include.intake.answers import ApiError
from include.services.contacts import check_email, check_phone

LONGEST_NAME = 200
LONGEST_EMAIL = 320


class ProfileAttributes(msgspec.Struct):
    """Identifiers of a profile, and what else may be said of it."""

    email: str | None = None
    phone_number: str | None = None
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None
    id: str | None = None


class ProfileResource(msgspec.Struct):
    """A profile in a request."""

    type: Literal["profile"]
    id: str | None = None
    attributes: ProfileAttributes = msgspec.field(default_factory=ProfileAttributes)


class ProfileReference(msgspec.Struct):
    """`{"data": profile}`."""

    data: ProfileResource


@dataclass(frozen=True)
class Contact:
    """Who is meant, checked; `profile_id` where nothing but an id was given."""

    email: str | None
    email_key: str | None
    phone: str | None
    external_id: str | None
    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None
    profile_id: int | None = None


def read_contact(profile: ProfileResource, pointer: str, is_server: bool) -> Contact:
    """The checked identifiers of a profile; 400 where there are none, or one is wrong.

    An id of ours means somebody to servers alone: ids are numbers in a row, and whoever reads a page's source
    could go through them.
    """
    given = profile.attributes
    where = f"{pointer}/attributes"
    email = _checked(check_email, given.email, f"{where}/email")
    phone = _checked(check_phone, given.phone_number, f"{where}/phone_number")
    external_id = (given.external_id or "").strip()[:LONGEST_NAME] or None
    profile_id = None
    if not (email or phone or external_id):
        profile_id = _read_profile_id(profile.id or given.id, pointer, is_server)
    return Contact(
        email=email,
        email_key=fold_email(email) if email else None,
        phone=phone,
        external_id=external_id,
        first_name=_name(given.first_name),
        last_name=_name(given.last_name),
        locale=(given.locale or "").strip()[:20] or None,
        profile_id=profile_id,
    )


def _read_profile_id(text: str | None, pointer: str, is_server: bool) -> int:
    if text is None or not is_server:
        named = (
            "email, phone_number, external_id and id" if is_server else "email, phone_number and external_id"
        )
        raise ApiError.of(400, f"One of {named} is needed to say who it is.", pointer=f"{pointer}/attributes")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ApiError.of(400, "A profile with this id does not exist.", pointer=f"{pointer}/id")
    return int(text)


def _checked(check: Callable[[str], str], text: str | None, pointer: str) -> str | None:
    if text is None or not text.strip():
        return None
    if len(text) > LONGEST_EMAIL:
        raise ApiError.of(400, f"This is longer than {LONGEST_EMAIL} characters.", pointer=pointer)
    try:
        return check(text.strip())
    except RowRejected as rejected:
        raise ApiError.of(400, f"Invalid: {rejected}.", pointer=pointer) from None


def _name(text: str | None) -> str | None:
    return (text or "").strip()[:LONGEST_NAME] or None

"""Addresses and phone numbers as they are stored; the reason of a refusal never repeats one."""

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from include.errors import RowRejected


def check_email(text: str) -> str:
    """The address as written, or RowRejected."""
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise RowRejected(
            "email is no valid address; allowed is one address of the form name@domain"
        ) from None


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

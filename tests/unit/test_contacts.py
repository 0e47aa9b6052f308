"""Addresses as people write them."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from include.errors import RowRejected
from include.services.contacts import check_email

LOCAL = st.text("abcXYZ019._+-'\"\\ ü@", max_size=70)
DOMAIN = st.one_of(
    st.sampled_from(
        [
            "example.org",
            "EXAMPLE.org",
            "bücher.example",
            "localhost",
            "a.test",
            "x.local",
            "a..b",
            "-a.org",
            "",
        ]
    ),
    st.text("abc019.-ü", max_size=20),
)


@given(LOCAL, DOMAIN)
def test_looking_at_a_domain_once_judges_as_looking_at_each_address(local: str, domain: str) -> None:
    text = f"{local}@{domain}"
    try:
        expected = validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        expected = None
    try:
        found = check_email(text)
    except RowRejected:
        found = None
    assert found == expected

"""Origins of public keys are stored as browsers send them."""

import pytest

from include.domain.origin import read_origin
from include.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.Example/", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_stored_as_browsers_send_it(given: str, stored: str) -> None:
    assert read_origin(given) == stored


@pytest.mark.parametrize(
    "given",
    [
        "shop.example",
        "*",
        "https://*.shop.example",
        "https://shop.example/path",
        "ftp://shop.example",
        "foo bar",
        "https://",
        "https://user@shop.example",
        "https://shop.example:x",
        "https://shop.example?x=1",
        "",
    ],
)
def test_what_no_browser_sends_is_refused_with_the_form_that_is_allowed(given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"https://shop\.example"):
        read_origin(given)

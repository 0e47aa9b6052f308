import pytest

from include.messaging.address import AddressRefused, ascii_domain_address, check_address


@pytest.mark.parametrize(
    "address", ["ann@mail.example", "o'brien+x@mail.example", "zoë@mail.example", "a@localhost"]
)
def test_an_address_is_taken(address):
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@mail.example",
        "ann@",
        "ann@mail.example\r\nBcc: all@mail.example",
        "ann@mail.example\n",
        "ann smith@mail.example",
        "<ann@mail.example>",
        "ann@mail.example, bob@mail.example",
        "ann@bob@mail.example",
        "ann\x00@mail.example",
        "ann\u2028@mail.example",
        "a" * 250 + "@mail.example",
    ],
)
def test_an_address_that_could_break_out_is_refused_without_repeating_it(address):
    with pytest.raises(AddressRefused) as refusal:
        check_address(address)
    assert address not in str(refusal.value) or not address


def test_a_domain_is_written_in_idna_form():
    assert ascii_domain_address("info@straße.example") == "info@xn--strae-oqa.example"


def test_a_domain_without_idna_form_is_refused():
    with pytest.raises(AddressRefused):
        ascii_domain_address("info@\u2603..example")

from include.messaging.message_id import derive_message_id


def test_the_same_key_gives_the_same_message_id():
    assert derive_message_id("flow:1:mail", "shop.example") == derive_message_id(
        "flow:1:mail", "shop.example"
    )


def test_other_keys_domains_and_installations_give_others():
    ids = {
        derive_message_id("flow:1:mail", "shop.example"),
        derive_message_id("flow:2:mail", "shop.example"),
        derive_message_id("flow:1:mail", "other.example"),
        derive_message_id("flow:1:mail", "shop.example", installation="b2"),
    }
    assert len(ids) == 4


def test_the_key_can_not_be_read_from_it():
    message_id = derive_message_id("flow:1:mail", "shop.example")
    assert message_id.startswith("<")
    assert message_id.endswith("@shop.example>")
    assert "flow" not in message_id

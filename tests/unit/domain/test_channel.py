from include.domain.channel import order_channels, pick_channel


def test_the_first_preferred_channel_that_may_be_used_is_picked():
    both = {"EMAIL", "SMS"}
    assert pick_channel(("SMS", "EMAIL"), both, both, both) == "SMS"
    assert pick_channel(("SMS", "EMAIL"), both, both, {"EMAIL"}) == "EMAIL"
    assert pick_channel(("SMS", "EMAIL"), {"EMAIL"}, both, both) == "EMAIL"
    assert pick_channel(("SMS", "EMAIL"), both, {"EMAIL"}, both) == "EMAIL"


def test_nobody_is_told_on_a_channel_that_was_not_asked_for():
    assert pick_channel(("SMS", "EMAIL"), {"PUSH"}, {"EMAIL", "SMS"}, {"EMAIL", "SMS"}) is None


def test_channels_that_a_shop_does_not_name_come_last():
    assert order_channels(("SMS",)) == ("SMS", "EMAIL")
    assert order_channels(()) == ("EMAIL", "SMS")

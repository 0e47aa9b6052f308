from datetime import UTC, datetime, timedelta
from typing import Any

from include.local.replay.audit import KINDS, Audit, audit
from include.local.replay.evidence import Feed, Mail, Purchase, Request, WalkRules

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


class History:
    """A walk of one article in a few lines: what the shop said, who asked, who was told."""

    def __init__(
        self, min_inventory: int = 1, per_unit: int | None = 1, wait: timedelta = HOUR, **others: Any
    ) -> None:
        self.rules = WalkRules(min_inventory, per_unit, wait, **others)
        self.feeds: list[Feed] = []
        self.requests: list[Request] = []
        self.mails: list[Mail] = []
        self.purchases: list[Purchase] = []

    def feed(self, day: float, units: int, sku: str = "LAMP") -> None:
        self.feeds.append(Feed(START + day * DAY, {sku: units}))

    def asks(self, person: str, day: float, sku: str = "LAMP", wanted: int = 1) -> None:
        self.requests.append(Request(START + day * DAY, START + day * DAY, person, sku, wanted))

    def mail(self, person: str, day: float, sku: str = "LAMP") -> None:
        self.mails.append(Mail(f"{len(self.mails) + 1}.eml", START + day * DAY, person, sku))

    def buys(self, person: str, day: float, sku: str = "LAMP") -> None:
        self.purchases.append(Purchase(START + day * DAY, START + day * DAY, person, sku))

    def judge(self) -> Audit:
        return audit(self.rules, self.feeds, self.requests, self.mails, self.purchases)

    def faults(self) -> dict[str, int]:
        counts = self.judge().counts
        assert set(counts) <= set(KINDS)
        return {kind: count for kind, count in counts.items() if count}


def a_restock(units: int = 2, **rules: object) -> History:
    """Ann, Bob and Cyd wait in this order; on day 2 units come back."""
    history = History(**rules)  # type: ignore[arg-type]
    history.feed(0, 0)
    for place, person in enumerate(("ann", "bob", "cyd")):
        history.asks(person, 0.5 + place / 100)
    history.feed(1, 0)
    history.feed(2, units)
    return history


def test_a_faithful_walk_has_no_fault() -> None:
    history = a_restock(units=2)
    history.mail("ann", 2)
    history.mail("bob", 2)
    history.mail("cyd", 2.5)
    found = history.judge()
    assert not found.counts
    assert (found.told, found.restocks, found.batches, found.full_batches, found.still_waiting) == (
        3,
        1,
        2,
        1,
        0,
    )


def test_a_second_mail_for_one_request_is_told_twice() -> None:
    history = a_restock(units=5)
    for person in ("ann", "bob", "cyd", "bob"):
        history.mail(person, 2)
    assert history.faults() == {"told_twice": 1}


def test_who_asked_again_may_be_told_again_after_a_day() -> None:
    history = a_restock(units=5)
    for person in ("ann", "bob", "cyd"):
        history.mail(person, 2)
    history.asks("ann", 2.2)
    history.feed(3, 5)
    history.mail("ann", 3)
    assert history.faults() == {}


def test_who_asked_again_is_not_told_again_within_a_day() -> None:
    history = a_restock(units=5)
    for person in ("ann", "bob", "cyd"):
        history.mail(person, 2)
    history.asks("ann", 2.2)
    history.mail("ann", 2.9)
    assert history.faults() == {"told_twice": 1}


def test_a_mail_to_somebody_who_never_asked_is_unasked() -> None:
    history = a_restock(units=5)
    for person in ("ann", "bob", "cyd", "eve"):
        history.mail(person, 2)
    assert history.faults() == {"unasked": 1}


def test_a_mail_about_another_article_is_unasked() -> None:
    history = a_restock(units=5)
    for person in ("ann", "bob", "cyd"):
        history.mail(person, 2)
    history.mail("ann", 2, sku="SOFA")
    assert history.faults() == {"unasked": 1}


def test_a_mail_while_the_article_is_sold_out_is_below_the_minimum() -> None:
    history = a_restock(units=0)
    history.mail("ann", 2.1)
    assert history.faults() == {"below_minimum": 1}


def test_a_mail_after_the_feed_that_shows_it_sold_out_is_below_the_minimum() -> None:
    history = a_restock(units=2)
    history.mail("ann", 2)
    history.mail("bob", 2)
    history.feed(3, 0)
    history.mail("cyd", 3)
    assert history.faults() == {"below_minimum": 1}


def test_fewer_units_than_the_minimum_are_below_it() -> None:
    history = a_restock(units=4, min_inventory=5)
    history.mail("ann", 2)
    assert history.faults() == {"below_minimum": 1}


def test_an_article_that_no_feed_names_has_no_units() -> None:
    history = History()
    history.feed(0, 1, sku="SOFA")
    history.asks("ann", 0.5)
    history.mail("ann", 1)
    assert history.faults() == {"below_minimum": 1}


def test_one_mail_more_than_units_allow_is_one_batch_over_its_bound() -> None:
    history = a_restock(units=1, wait=timedelta(hours=5))
    history.mail("ann", 2)
    history.mail("bob", 2)
    history.mail("cyd", 2 + 1 / 24)
    assert history.faults() == {"over_bound": 1}


def test_after_the_wait_a_new_batch_has_its_own_bound() -> None:
    history = a_restock(units=1, wait=timedelta(hours=5))
    for batch, person in enumerate(("ann", "bob", "cyd")):
        history.mail(person, 2 + batch * 5 / 24)
    assert history.faults() == {}


def test_a_restock_during_the_wait_raises_no_bound() -> None:
    history = a_restock(units=1, wait=timedelta(days=2))
    history.mail("ann", 2)
    history.feed(3, 50)
    history.mail("bob", 3)
    assert history.faults() == {"over_bound": 1}


def test_without_customers_per_unit_there_is_no_bound() -> None:
    history = a_restock(units=1, per_unit=None)
    for person in ("ann", "bob", "cyd"):
        history.mail(person, 2)
    assert history.faults() == {}


def test_a_mail_before_an_older_request_is_out_of_order() -> None:
    history = a_restock(units=5)
    for person in ("bob", "ann", "cyd"):
        history.mail(person, 2)
    assert history.faults() == {"out_of_order": 1}


def test_an_older_request_that_is_never_answered_is_overtaken_by_each_later_one() -> None:
    history = a_restock(units=2)
    history.mail("bob", 2)
    history.mail("cyd", 2)
    assert history.faults() == {"out_of_order": 2}


def test_who_was_told_less_than_a_day_ago_may_be_overtaken() -> None:
    history = a_restock(units=9)
    for person in ("ann", "bob", "cyd"):
        history.mail(person, 2)
    history.asks("ann", 2.1)
    history.asks("dan", 2.2)
    history.mail("dan", 2.3)
    history.mail("ann", 3)
    assert history.faults() == {}


def test_a_request_that_was_known_only_later_is_not_overtaken() -> None:
    history = a_restock(units=9)
    for person in ("ann", "bob", "cyd"):
        history.mail(person, 2)
    history.requests.append(Request(START, START + 2.5 * DAY, "old", "LAMP", 1))
    history.mail("old", 2.5)
    assert history.faults() == {}


def test_who_is_owed_an_alert_and_hears_nothing_is_left_out() -> None:
    history = a_restock(units=2)
    history.feed(3, 0)
    found = history.judge()
    assert found.counts == {"left_out": 2}
    assert found.still_waiting == 3


def test_nobody_is_owed_anything_within_the_wait() -> None:
    history = a_restock(units=1, wait=3 * DAY)
    history.mail("ann", 2)
    history.feed(3, 1)
    history.feed(4, 1)
    assert history.faults() == {}


def test_a_second_request_while_one_is_open_keeps_the_first_place() -> None:
    history = a_restock(units=3)
    history.asks("ann", 1.5)
    for person in ("ann", "bob", "cyd"):
        history.mail(person, 2)
    assert history.faults() == {}


def test_an_explanation_names_the_file_and_no_person() -> None:
    history = a_restock(units=0)
    history.mail("ann@customers.example", 2.1)
    history.requests.append(Request(START, START, "ann@customers.example", "LAMP", 1))
    (violation,) = history.judge().violations
    assert violation.explanation == "1.eml about LAMP was sent at 0 units, when the article was not open"


def wishes(*wanted: int, units: int = 5, **rules: Any) -> History:
    """Ann, Bob and Cyd wait in this order for so many units; on day 2 some come back."""
    history = History(sizing="wanted_units", **rules)
    history.feed(0, 0)
    for place, (person, size) in enumerate(zip(("ann", "bob", "cyd"), wanted, strict=True)):
        history.asks(person, 0.5 + place / 100, wanted=size)
    history.feed(2, units)
    return history


def test_wanted_units_fill_a_batch() -> None:
    history = wishes(3, 2, 1)
    history.mail("ann", 2)
    history.mail("bob", 2)
    assert history.faults() == {}
    history.mail("cyd", 2)
    assert history.faults() == {"over_bound": 1}


def test_who_wants_more_than_there_is_is_passed_over() -> None:
    history = wishes(6, 2, 3)
    history.mail("bob", 2)
    history.mail("cyd", 2)
    assert history.faults() == {}
    history.mails.clear()
    history.mail("ann", 2)
    assert history.faults() == {"over_bound": 1, "left_out": 1}


def test_who_no_longer_fits_is_overtaken_only_where_that_is_allowed() -> None:
    for overtaking, faults in ((True, {}), (False, {"out_of_order": 1})):
        history = wishes(4, 3, 1, allow_overtaking=overtaking)
        history.mail("ann", 2)
        history.mail("cyd", 2)
        assert history.faults() == faults


def test_a_wish_that_would_have_fitted_is_not_overtaken() -> None:
    history = wishes(1, 3, 1, allow_overtaking=True)
    history.mail("ann", 2)
    history.mail("cyd", 2)
    history.mail("bob", 2)
    assert history.faults() == {"out_of_order": 1}


def test_a_second_request_brings_its_own_wish() -> None:
    history = wishes(1, 2, 2)
    history.asks("ann", 1, wanted=4)
    history.mail("ann", 2)
    assert history.faults() == {}
    history.mail("bob", 2)
    assert history.faults() == {"over_bound": 1}


def test_the_invited_count_against_the_units_for_their_hours() -> None:
    for moment, faults in ((2.1, {"over_bound": 1}), (2.5, {})):
        history = a_restock(units=2, subtract_invited=timedelta(hours=12))
        for person, day in (("ann", 2), ("bob", 2), ("cyd", moment)):
            history.mail(person, day)
        assert history.faults() == faults


def test_who_was_told_lately_and_has_bought_leaves_the_place_to_others() -> None:
    for bought_on, faults in ((2.1, {}), (1.9, {"over_bound": 1}), (2.6, {"over_bound": 1})):
        history = a_restock(units=2, subtract_invited=timedelta(hours=24))
        history.buys("ann", bought_on)
        for person, day in (("ann", 2), ("bob", 2), ("cyd", 2.5)):
            history.mail(person, day)
        assert history.faults() == faults


def test_by_what_was_added_a_later_batch_has_only_what_came_since() -> None:
    for units, faults in ((2, {"over_bound": 1}), (3, {})):
        history = a_restock(units=2, basis="added")
        history.mail("ann", 2)
        history.mail("bob", 2)
        history.feed(3, units)
        history.mail("cyd", 3)
        assert history.faults() == faults


def test_before_a_return_is_large_enough_or_confirmed_the_article_is_not_open() -> None:
    for rules in ({"min_restock": 3}, {"confirm_pulls": 2}):
        history = a_restock(units=2, **rules)
        history.mail("ann", 2)
        assert history.faults() == {"below_minimum": 1}


def test_a_confirmed_return_opens_at_the_feed_that_confirms_it() -> None:
    history = a_restock(units=2, confirm_pulls=2)
    history.feed(3, 2)
    history.mail("ann", 3)
    history.mail("bob", 3)
    assert history.faults() == {}
    assert history.judge().restocks == 1


def test_in_another_order_than_the_oldest_no_order_is_judged() -> None:
    history = a_restock(units=2, ordering="newest")
    history.mail("cyd", 2)
    history.mail("bob", 2)
    assert history.faults() == {}

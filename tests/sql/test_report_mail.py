"""Reports by mail: who gets which when, and only once (SEMANTICS 9.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import text

from include.domain.report_period import Period
from include.domain.report_wish import ReportWish
from include.errors import ConfigurationError, DataCheckFailed, NotFound
from include.messaging.senders.base import Outcome
from include.services import report_build, report_mail, report_subscriptions
from include.services.report_mail import Store
from include.services.report_subscriptions import (
    adopt_variable,
    edit,
    end,
    list_runs,
    list_subscriptions,
    pause,
    resume,
    subscribe,
    unsubscribe_recipient,
)
from tests.builders import World, a_row

DAY = timedelta(days=1)
# START is 09:00 in Berlin: the mail of that day is due at 07:00 on the next.
NEXT_MORNING = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
FIRST = Period(date(2026, 3, 1), date(2026, 3, 1))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "exports")


def a_wish(**changes: Any) -> ReportWish:
    usual = {"name": "morning", "shop": "demo", "report": "activity", "to": ["crm@shop.example"]}
    return ReportWish.model_validate({**usual, **changes})


def subscribed(world: World, **changes: Any) -> World:
    subscribe(world.engine, a_wish(**changes), world.now)
    return world


def mail(world: World, store: Store, now: datetime = NEXT_MORNING) -> dict[str, int]:
    world.now = now
    return report_mail.mail_newest(world.engine, store, now)


def missed(world: World, store: Store, first: int, before: int) -> dict[str, int]:
    """A run of the Dag over these days of March, which may begin in February."""
    march = datetime(2026, 2, 28, 23, tzinfo=UTC)
    start, end = march + DAY * (first - 1), march + DAY * (before - 1)
    return report_mail.mail_missed(world.engine, store, start, end, world.now)


def received(world: World) -> list[EmailMessage]:
    world.dispatch()
    return [message_from_bytes(one.content, policy=policy.default) for one in world.mail.envelopes]  # type: ignore[misc]


def activity(world: World, day: date, **figures: int) -> None:
    zero = dict.fromkeys(
        [
            "request_count",
            "ended_count",
            "waiting_count",
            "restock_count",
            "restocked_units",
            "batch_count",
            "released_count",
            "notified_count",
            "skipped_count",
            "order_count",
            "ordered_units",
            "revenue",
        ],
        0,
    )
    row = {"shop_id": "demo", "report_on": day, "variant_id": "LAMP", **zero, **figures}
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    with world.engine.begin() as connection:
        connection.execute(text(f"INSERT INTO report_activity ({names}) VALUES ({values})"), row)


def test_the_mail_carries_figures_against_the_day_before_the_chart_and_the_file(
    world: World, store: Store
) -> None:
    activity(world, date(2026, 2, 28), notified_count=10, request_count=4, released_count=1000)
    figures = {"notified_count": 15, "request_count": 4, "skipped_count": 2, "released_count": 1003}
    activity(world, date(2026, 3, 1), **figures)
    assert mail(subscribed(world), store) == {"mailed": 1}
    (message,) = received(world)
    assert message["To"] == "crm@shop.example"
    assert message["Subject"] == "Demo: Back-in-stock activity, 1 March 2026"
    text_part = message.get_body(("plain",)).get_content()
    assert "people told: 15 (before: 10, +50%)" in text_part
    assert "people asked to be told: 4 (before: 4, same)" in text_part
    assert "people skipped: 2 (before: 0, new)" in text_part
    assert "people released: 1,003 (before: 1,000, about the same)" in text_part
    html, pictures = message.get_body(("html",)), list(message.get_body(("related",)).iter_attachments())
    assert pictures[0].get_content_type() == "image/png"
    assert f"cid:{pictures[0]['Content-ID'].strip('<>')}" in html.get_content()
    (file,) = [part for part in message.iter_attachments() if part.get_content_type() == "text/csv"]
    assert file.get_filename() == "activity_2026-03-01.csv"
    assert "LAMP" in file.get_content()


def test_a_retried_run_mails_once(world: World, store: Store) -> None:
    subscribed(world, to=["a@shop.example", "b@shop.example"])
    assert mail(world, store) == {"mailed": 1}
    assert mail(world, store, NEXT_MORNING + timedelta(hours=3)) == {"before": 1}
    assert missed(world, store, 1, 2) == {"before": 1}
    assert sorted(message["To"] for message in received(world)) == ["a@shop.example", "b@shop.example"]
    assert world.value("SELECT count(*) FROM message WHERE purpose = 'report'") == 2


def test_two_runs_at_the_same_moment_mail_once(world: World, store: Store) -> None:
    subscribed(world)
    with world.engine.connect() as connection:
        row = report_subscriptions.find_subscription(connection, "demo", "morning")
    outcomes = [report_mail._mail(world.engine, store, row, FIRST, NEXT_MORNING, "due") for _ in range(2)]
    assert outcomes == ["mailed", "before"]


def test_nothing_is_mailed_before_the_time_of_day(world: World, store: Store) -> None:
    subscribed(world)
    assert mail(world, store, NEXT_MORNING - timedelta(minutes=1)) == {}


def test_a_missed_day_is_sent_once_by_a_backfill_and_says_which_day_it_is(world: World, store: Store) -> None:
    subscribed(world)
    later = NEXT_MORNING + 3 * DAY
    assert mail(world, store, later) == {"mailed": 1}
    assert missed(world, store, -10, 4) == {"mailed": 3}
    assert missed(world, store, -10, 4) == {"before": 3}
    subjects = [message["Subject"] for message in received(world)]
    assert subjects == [
        "Demo: Back-in-stock activity, 4 March 2026",
        *(f"Demo: Back-in-stock activity, {day} March 2026 (sent on 5 March 2026)" for day in (1, 2, 3)),
    ]


def test_a_paused_report_is_silent_and_goes_on_with_the_next_period(world: World, store: Store) -> None:
    subscribed(world)
    pause(world.engine, "demo", "morning")
    assert mail(world, store) == {}
    resume(world.engine, "demo", "morning", NEXT_MORNING)
    assert mail(world, store, NEXT_MORNING + timedelta(hours=1)) == {}
    assert mail(world, store, NEXT_MORNING + DAY) == {"mailed": 1}


def test_a_mail_to_another_time_zone_waits_until_the_shops_day_is_over(world: World, store: Store) -> None:
    subscribed(world, time_zone="Pacific/Auckland")
    before_midnight = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)
    assert mail(world, store, before_midnight) == {"mailed": 1}
    assert report_mail.mail_span(world.engine, store, "demo", "morning", FIRST, world.now) == "mailed"
    assert mail(world, store, before_midnight + DAY) == {"mailed": 1}
    assert [message["Subject"].partition(", ")[2] for message in received(world)] == [
        "28 February 2026",
        "1 March 2026, so far",
        "1 March 2026",
    ]


def test_an_empty_report_can_be_left_out(world: World, store: Store) -> None:
    subscribed(world, skip_empty=True)
    subscribed(world, name="always")
    assert mail(world, store) == {"skipped": 1, "mailed": 1}
    (run,) = list_runs(world.engine, "demo", "morning", 10)
    assert (run.state, run.reason) == ("skipped", "empty")
    assert mail(world, store, NEXT_MORNING + timedelta(hours=1)) == {"before": 2}


@pytest.mark.parametrize(
    ("condition", "outcome"), [("notified_count > 14", "mailed"), ("notified_count > 15", "skipped")]
)
def test_a_condition_on_the_figures_decides(world: World, store: Store, condition: str, outcome: str) -> None:
    activity(world, date(2026, 3, 1), notified_count=15)
    assert mail(subscribed(world, when=condition), store) == {outcome: 1}


def test_the_recipients_link_ends_this_report_for_them_only_even_when_queued(
    world: World, store: Store
) -> None:
    subscribed(world, to=["a@shop.example", "b@shop.example"])
    mail(world, store)
    recipient = world.value("SELECT recipient_id FROM report_recipient WHERE address = 'a@shop.example'")
    token = world.token("unsubscribe_report", recipient)
    assert unsubscribe_recipient(world.engine, token, world.now)
    assert not unsubscribe_recipient(world.engine, token, world.now)
    (message,) = received(world)
    assert message["To"] == "b@shop.example"
    header = unquote(message["List-Unsubscribe"])
    assert "unsubscribe_report" in header
    assert unsubscribe_recipient(world.engine, header.strip("<>").rpartition(" ")[2], world.now)
    edit(world.engine, "demo", "morning", {"to": ["a@shop.example"]}, world.now)
    assert mail(world, store, NEXT_MORNING + DAY) == {"skipped": 1}


def test_a_token_of_a_shopper_is_no_token_of_a_recipient(world: World) -> None:
    with pytest.raises(NotFound):
        unsubscribe_recipient(world.engine, world.token("unsubscribe", 1), world.now)


def test_an_address_that_does_not_exist_gets_no_more_reports(world: World, store: Store) -> None:
    subscribed(world, to=["gone@shop.example", "ok@shop.example"])
    world.mail.answers["gone@shop.example"] = Outcome("address_refused", "5.1.1")
    mail(world, store)
    world.dispatch()
    mail(world, store, NEXT_MORNING + DAY)
    world.dispatch()
    assert world.mail.recipients == ["ok@shop.example", "ok@shop.example"]


def test_a_deleted_report_takes_its_queued_mail_back(world: World, store: Store) -> None:
    subscribed(world)
    mail(world, store)
    end(world.engine, "demo", "morning", world.now)
    assert received(world) == []
    assert list_subscriptions(world.engine) == []
    subscribed(world)


def test_reports_go_to_allowed_domains_only(world: World, store: Store) -> None:
    subscribed(world)
    world.set_rules(report_domains="agency.example")
    with pytest.raises(
        ConfigurationError, match=r"no report may go to shop\.example\. Allowed are agency\.example"
    ) as error:
        subscribe(world.engine, a_wish(name="other"), world.now)
    assert "crm@" not in str(error.value)
    assert mail(world, store) == {"skipped": 1}


def test_a_file_above_the_limit_is_a_link(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    activity(world, date(2026, 3, 1), notified_count=15)
    monkeypatch.setattr(report_mail, "LARGEST_ATTACHMENT", 20)
    mail(subscribed(world), Store(store.root, "https://files.shop.example/exports/"))
    (message,) = received(world)
    assert [part for part in message.walk() if part.get_content_type() == "text/csv"] == []
    place = "mailed/demo/activity_2026-03-01.csv.gz"
    assert f'href="https://files.shop.example/exports/{place}"' in message.get_body(("html",)).get_content()
    assert (store.root / place).exists()


def test_files_of_mails_are_removed_as_other_exports_are(world: World, store: Store) -> None:
    mail(subscribed(world), store)
    file = store.root / "mailed" / "demo" / "activity_2026-03-01.csv"
    assert file.exists()
    mail(world, store, NEXT_MORNING + 200 * DAY)
    assert not file.exists()


def test_a_test_mail_is_marked_and_counts_as_nothing(world: World, store: Store) -> None:
    subscribed(world)
    for _ in range(2):
        assert report_mail.mail_test(world.engine, store, "demo", "morning", world.now) == Period(
            date(2026, 2, 28), date(2026, 2, 28)
        )
    assert mail(world, store) == {"mailed": 1}
    subjects = [message["Subject"] for message in received(world)]
    assert subjects.count("[Test] Demo: Back-in-stock activity, 28 February 2026") == 2
    assert len(subjects) == 3


def test_a_day_that_is_not_over_is_mailed_so_far_and_once_more_when_it_is(world: World, store: Store) -> None:
    subscribed(world)
    assert report_mail.mail_span(world.engine, store, "demo", "morning", FIRST, world.now) == "mailed"
    assert mail(world, store) == {"mailed": 1}
    assert report_mail.mail_span(world.engine, store, "demo", "morning", FIRST, world.now) == "before"
    assert [message["Subject"].partition(", ")[2] for message in received(world)] == [
        "1 March 2026, so far",
        "1 March 2026",
    ]


def test_what_is_wrong_with_one_report_keeps_none_of_the_others(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed(world, name="broken", report="skips")
    subscribed(world, name="sound")
    build = report_build.build_report

    def fail_for_skips(engine: Any, name: str, *given: Any) -> Any:
        if name == "skips":
            raise DataCheckFailed("it does not add up")
        return build(engine, name, *given)

    monkeypatch.setattr(report_build, "build_report", fail_for_skips)
    monkeypatch.setattr(report_mail, "SOURCES", {})
    with pytest.raises(DataCheckFailed):
        mail(world, store)
    assert world.value("SELECT count(*) FROM report_run") == 1


def test_a_repeated_message_is_the_same_mail(world: World, store: Store) -> None:
    activity(world, date(2026, 3, 1), notified_count=15)
    mail(subscribed(world), store)
    world.dispatch()
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE message SET state = 'queued', ended_at = NULL"))
        connection.execute(text("UPDATE report_activity SET notified_count = 99"))
    world.dispatch()
    first, second = world.mail.envelopes
    assert (first.message_id, first.content) == (second.message_id, second.content)


def test_editing_keeps_what_is_not_given(world: World) -> None:
    subscribed(world, every="weekly", at="06:30", when="notified_count > 1")
    wish = edit(world.engine, "demo", "morning", {"every": "monthly"}, world.now)
    assert (wish.every, str(wish.at), str(wish.when)) == ("monthly", "06:30:00", "notified_count > 1")
    (row,) = list_subscriptions(world.engine)
    assert (row.frequency, row.recipient_count) == ("monthly", 1)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"report": "sales"}, "No report is called 'sales'"),
        ({"to": ["ok@shop.example", "not an address"]}, "recipient 2: email is no valid address"),
        ({"when": "profit > 3"}, "no key figure 'profit'"),
        ({"shop": "elsewhere"}, "No shop 'elsewhere'"),
    ],
)
def test_what_can_not_be_mailed_is_refused(world: World, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises((ConfigurationError, NotFound), match=complaint):
        subscribe(world.engine, a_wish(**changes), world.now)


def test_the_variable_adds_changes_and_ends_its_own_and_leaves_the_commands(world: World) -> None:
    subscribed(world, name="by_hand")
    one = '{"name": "%s", "shop": "demo", "report": "activity", "to": ["crm@shop.example"], "every": "%s"}'
    listed = f"[{one % ('a', 'daily')}, {one % ('b', 'daily')}]"
    assert adopt_variable(world.engine, listed, world.now) == {"added": 2, "changed": 0, "ended": 0}
    assert adopt_variable(world.engine, listed, world.now) == {"added": 0, "changed": 0, "ended": 0}
    assert adopt_variable(world.engine, f"[{one % ('a', 'weekly')}]", world.now) == {
        "added": 0,
        "changed": 1,
        "ended": 1,
    }
    fewer = f"[{(one % ('a', 'weekly')).replace('crm@', 'other@')}]"
    assert [adopt_variable(world.engine, fewer, world.now)["changed"] for _ in range(2)] == [1, 0]
    assert [(row.name, row.frequency) for row in list_subscriptions(world.engine)] == [
        ("a", "weekly"),
        ("by_hand", "daily"),
    ]
    with pytest.raises(ConfigurationError, match="comes from the Variable"):
        edit(world.engine, "demo", "a", {"every": "daily"}, world.now)
    with pytest.raises(ConfigurationError, match="that the commands"):
        adopt_variable(world.engine, f"[{one % ('by_hand', 'daily')}]", world.now)
    assert adopt_variable(world.engine, "", world.now) == {"added": 0, "changed": 0, "ended": 1}


def test_shoppers_alerts_go_out_beside_a_report(world: World, store: Store) -> None:
    emails = world.queue_alerts(3)
    mail(subscribed(world), store, world.now + DAY)
    world.sync(a_row("LAMP", 50))
    world.dispatch()
    assert sorted(world.mail.recipients) == sorted([*emails, "crm@shop.example"])


@pytest.mark.parametrize(
    ("report", "figures"),
    [
        ("demand", ["people waiting: 3", "items that they wait for: 2", "units that they want: 3"]),
        ("queue", ["people waiting: 3", "units that they want: 3", "new in this time: 0"]),
    ],
)
def test_what_is_of_the_present_is_headed_by_figures_of_its_own(
    world: World, store: Store, report: str, figures: list[str]
) -> None:
    world.ask_many("LAMP", 2)
    world.ask("c@example.org", "VASE", subscribed_at=world.now - 3 * DAY)
    subscribed(world, report=report, when="waiting_count > 2")
    subscribed(world, name="many", report=report, when="waiting_count > 3")
    assert mail(world, store) == {"mailed": 1, "skipped": 1}
    (message,) = received(world)
    text_part = message.get_body(("plain",)).get_content()
    assert all(figure in text_part for figure in figures)
    assert "lost revenue" not in text_part, "without an order there is no estimate"


def test_a_condition_on_what_nobody_can_estimate_does_not_hold(world: World, store: Store) -> None:
    world.ask("a@example.org", "LAMP")
    subscribed(world, report="demand", when="lost_revenue < 1000")
    assert mail(world, store) == {"skipped": 1}

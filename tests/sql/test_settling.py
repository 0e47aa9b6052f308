"""Who owns what between release and the first message (SEMANTICS 3.9)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from include.domain.flow import Flow
from include.domain.settling import FirstMessage, settle
from include.messaging.senders.base import Outcome
from include.services.housekeeping import tidy
from include.services.settling import settle_requests
from tests.builders import World, a_back_in_stock_flow, a_row

NewWorld = Callable[[], AbstractContextManager[World]]
ANN = "ann@example.org"


def a_flow(name: str, *statuses: str, **changes: str) -> Flow:
    steps = [
        {"id": f"tell{place}", "kind": "send_email", "template": "back_in_stock", "status": status, **changes}
        for place, status in enumerate(statuses)
    ]
    return Flow.model_validate(
        {
            "name": name,
            "title": name,
            "trigger": {"metric": "Subscribed to Back in Stock"},
            "steps": [{"id": "wait_for_stock", "kind": "back_in_stock_delay"}, *steps],
        }
    )


def released(world: World, *flows: Flow) -> None:
    world.use_flow(*flows)
    world.sync(a_row("LAMP", 0))
    world.ask(ANN, "LAMP")
    world.sync(a_row("LAMP", 5))
    world.release()


def request(world: World) -> tuple[str, str | None]:
    return tuple(world.query("SELECT state, reason FROM subscription")[0])


def enrolments(world: World) -> dict[str, str]:
    return dict(world.query("SELECT flow_name, state FROM enrolment ORDER BY enrolment_id"))


def end_message(world: World, flow: str, state: str, reason: str) -> None:
    with world.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE message SET state = :state, reason = :reason, ended_at = :now, lane = NULL,"
                " lease_until = NULL WHERE flow_name = :flow"
            ),
            {"state": state, "reason": reason, "flow": flow, "now": world.now},
        )


def settle_all(world: World) -> None:
    with world.engine.begin() as connection:
        settle_requests(connection, ["demo"], [1], world.now)


def test_3_9_release_enrols_once_in_each_flow_that_tells_something(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"), a_flow("three", "draft"))
    assert enrolments(world) == {"one": "active", "two": "active"}
    assert world.query("SELECT DISTINCT step_id, batch_id, subscription_id FROM enrolment") == [
        ("tell0", 1, 1)
    ]
    world.move("one", "tell0")
    assert world.value("SELECT message_key FROM message") == "flow:1:tell0"


def test_3_9_the_first_message_sent_notifies_and_the_other_flow_goes_on(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.move("one", "tell0")
    world.dispatch()
    assert request(world) == ("notified", None)
    world.move("two", "tell0")
    world.dispatch()
    assert world.mail.recipients == [ANN, ANN]


def test_3_9_one_flow_that_fails_and_one_that_sends_make_a_notified_request(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.move("one", "tell0")
    world.mail.answers[ANN] = Outcome("message_refused", "552", "too big")
    world.dispatch()
    assert request(world) == ("released", None)
    world.mail.answers.clear()
    world.move("two", "tell0")
    world.dispatch()
    assert request(world) == ("notified", None)


def test_3_9_when_all_first_messages_failed_the_request_is_skipped_with_the_reason(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.mail.answers[ANN] = Outcome("message_refused", "552", "too big")
    for flow in ("one", "two"):
        world.move(flow, "tell0")
        world.dispatch()
    assert request(world) == ("skipped", "undeliverable")


def test_3_9_sold_out_again_waits_for_the_other_flows_first_message(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.sync(a_row("LAMP", 0))
    world.move("one", "tell0")
    world.dispatch()
    assert request(world) == ("released", None)
    world.move("two", "tell0")
    world.dispatch()
    assert request(world) == ("waiting", "out_of_stock_again")
    assert enrolments(world) == {"one": "ended", "two": "ended"}


def test_3_9_sold_out_again_in_one_flow_and_failed_in_the_other_waits_again(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.move("one", "tell0")
    world.mail.answers[ANN] = Outcome("message_refused", "552", "too big")
    world.dispatch()
    world.sync(a_row("LAMP", 0))
    world.move("two", "tell0")
    world.dispatch()
    assert request(world) == ("waiting", "out_of_stock_again")


def test_3_9_who_waits_again_stands_in_the_old_place_and_the_timer_stays(world: World) -> None:
    world.set_rules(customers_per_unit=1, wait_minutes=240)
    released(world, a_back_in_stock_flow())
    place = world.value("SELECT subscribed_at FROM subscription")
    timer = world.value("SELECT next_release_at FROM variant_stock")
    assert timer == world.now + timedelta(minutes=240)
    world.ask("ben@example.org", "LAMP")
    world.sync(a_row("LAMP", 0))
    world.move()
    world.dispatch()
    world.sync(a_row("LAMP", 1))
    assert world.query("SELECT subscribed_at, state FROM subscription ORDER BY 1") == [
        (place, "waiting"),
        (place + timedelta(minutes=15), "waiting"),
    ]
    assert world.value("SELECT next_release_at FROM variant_stock") == timer
    assert world.tell() == []
    world.now = timer
    world.window_start = world.now
    world.sync(a_row("LAMP", 1))
    assert world.tell() == [ANN]


def test_3_9_nothing_is_settled_while_a_message_is_in_doubt(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.move("one", "tell0")
    assert len(world.claim("a dead lane", 1)) == 1
    world.mail.answers[ANN] = Outcome("message_refused", "552", "too big")
    world.move("two", "tell0")
    world.dispatch()
    assert request(world) == ("released", None)
    world.mail.answers.clear()
    world.pass_time(minutes=4)
    world.dispatch()
    assert request(world) == ("notified", None)


def test_3_9_nothing_is_settled_while_a_person_decides_about_a_doubt(world: World) -> None:
    world.set_rules(on_doubt="hold")
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.move("one", "tell0")
    world.claim("a dead lane", 1)
    world.pass_time(minutes=4)
    world.mail.answers[ANN] = Outcome("message_refused", "552", "too big")
    world.move("two", "tell0")
    world.dispatch()
    assert request(world) == ("released", None)
    assert dict(world.query("SELECT flow_name, state FROM message")) == {"one": "held", "two": "failed"}


def test_3_9_a_flow_that_became_a_draft_leaves_it_to_the_other(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.use_flow(a_flow("one", "draft"), a_flow("two", "live"))
    world.move("one", "tell0")
    assert request(world) == ("released", None)
    world.mail.answers[ANN] = Outcome("message_refused", "552", "too big")
    world.move("two", "tell0")
    world.dispatch()
    assert request(world) == ("skipped", "undeliverable")


def test_3_9_a_flow_whose_file_is_gone_keeps_nobody(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    world.use_flow(a_flow("two", "live"))
    world.mail.answers[ANN] = Outcome("message_refused", "552", "too big")
    world.move("two", "tell0")
    world.dispatch()
    assert request(world) == ("skipped", "undeliverable")


def test_3_9_later_messages_of_what_waits_again_do_not_leave(world: World) -> None:
    released(world, a_flow("one", "live", "live"))
    world.move("one", "tell0")
    world.move("one", "tell1")
    world.sync(a_row("LAMP", 0))
    world.dispatch()
    assert request(world) == ("waiting", "out_of_stock_again")
    world.sync(a_row("LAMP", 5))
    world.dispatch()
    assert world.mail.recipients == []
    world.release()
    world.move("one", "tell0")
    world.dispatch()
    assert world.mail.recipients == [ANN]


def second_message_without_stock(world: World, **changes: str) -> None:
    released(world, a_flow("one", "live", "live", **changes))
    world.move("one", "tell0")
    world.dispatch()
    world.sync(a_row("LAMP", 0))
    world.move("one", "tell1")
    world.dispatch()


def test_3_9_a_later_message_without_stock_holds_until_there_is_some(world: World) -> None:
    second_message_without_stock(world)
    assert world.query("SELECT state, reason FROM message ORDER BY 1") == [("queued", "hold"), ("sent", None)]
    assert request(world) == ("notified", None)
    world.dispatch()
    assert len(world.mail.envelopes) == 1
    world.sync(a_row("LAMP", 2))
    world.dispatch()
    assert len(world.mail.envelopes) == 2


def test_3_9_a_later_message_without_stock_is_skipped_where_the_step_says_so(world: World) -> None:
    second_message_without_stock(world, without_stock="skip")
    assert world.query("SELECT state, reason FROM message WHERE message_id = 2") == [
        ("skipped", "out_of_stock_again")
    ]
    assert request(world) == ("notified", None)


def test_3_9_a_first_message_never_holds(world: World) -> None:
    released(world, a_flow("one", "live"))
    world.sync(a_row("LAMP", 0))
    world.move("one", "tell0")
    world.dispatch()
    assert world.query("SELECT state, reason FROM message") == [("skipped", "out_of_stock_again")]


def test_3_9_what_two_lanes_left_to_each_other_is_settled_by_housekeeping(world: World) -> None:
    released(world, a_flow("one", "live"), a_flow("two", "live"))
    for flow in ("one", "two"):
        world.move(flow, "tell0")
        end_message(world, flow, "failed", "undeliverable")
    tidy(world.engine, None, world.now)
    assert request(world) == ("released", None)
    world.pass_time(minutes=15)
    assert tidy(world.engine, None, world.now)["settled"] == 1
    assert request(world) == ("skipped", "undeliverable")


message_ends = st.one_of(
    st.tuples(st.sampled_from(["skipped", "failed"]), st.sampled_from(["undeliverable", "suppressed"])),
    st.just(("skipped", "out_of_stock_again")),
    st.just(("skipped", "no_live_message")),
    st.just(("queued", None)),
    st.just(("held", "in_doubt")),
)


@pytest.mark.parametrize("first_message_first", [True, False])
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(ends=st.lists(st.one_of(message_ends, st.just(None)), min_size=1, max_size=3))
def test_3_9_requests_are_settled_as_the_rule_says(
    new_world: NewWorld, ends: list[tuple[str, str | None] | None], first_message_first: bool
) -> None:
    """None: the flow's first message is still to come."""
    with new_world() as world:
        names = [f"flow{place}" for place in range(len(ends))]
        released(world, *[a_flow(name, "live", "live") for name in names])
        for name, end in zip(names, ends, strict=True):
            if end is not None:
                world.move(name, "tell0")
                if first_message_first:
                    world.move(name, "tell1")
                with world.engine.begin() as connection:
                    connection.execute(
                        text(
                            "UPDATE message SET state = :state, reason = :reason, ended_at ="
                            " CASE WHEN :state IN ('skipped', 'failed') THEN CAST(:now AS timestamptz) END"
                            " WHERE flow_name = :flow AND step_id = 'tell0'"
                        ),
                        {"state": end[0], "reason": end[1], "flow": name, "now": world.now},
                    )
        settle_all(world)
        messages = [FirstMessage(*end) for end in ends if end is not None]
        state, reason = settle(messages, has_message_to_come=None in ends, has_fallback=False)
        assert request(world) == (state, reason)
        active = world.value("SELECT count(*) FROM enrolment WHERE state = 'active'")
        assert (active == 0) or state != "waiting"

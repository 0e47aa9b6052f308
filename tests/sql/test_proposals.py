"""Large batches wait for a person (SEMANTICS 4.7)."""

from __future__ import annotations

import pytest

from include.errors import NotFound
from include.services.approval import approve_batch, decline_batch
from include.services.proposals import ask_about, list_unasked
from tests.builders import World, a_row
from tests.sql.test_release import restocked_world


def proposed_world(world: World, units: int = 4, people: int = 30, **rules: object) -> list[str]:
    known = {"customers_per_unit": 5, "approval_above": 10, "wait_minutes": 30, **rules}
    emails = restocked_world(world, units=units, people=people, **known)
    world.release("run-a")
    return emails


def states(world: World) -> list[str]:
    return [row.state for row in world.query("SELECT state FROM batch ORDER BY batch_id")]


def approve(world: World, batch_id: int = 1, run_id: str = "batch_1") -> dict[str, int]:
    return approve_batch(world.engine, "demo", batch_id, run_id, "ann", world.now)


def delivered(world: World) -> list[str]:
    before = len(world.mail.envelopes)
    world.move()
    world.dispatch()
    return world.mail.recipients[before:]


def test_4_7_a_large_batch_is_proposed_and_releases_nobody(world: World) -> None:
    proposed_world(world)
    assert states(world) == ["proposed"]
    assert world.states() == {"waiting": 30}
    assert list_unasked(world.engine) == [{"shop_id": "demo", "batch_id": 1}]
    assert world.value("SELECT hold_reason FROM variant_stock") == "awaiting_approval"


def test_4_7_a_batch_up_to_the_limit_needs_nobody(world: World) -> None:
    proposed_world(world, units=2)
    assert states(world) == ["released"]


def test_4_7_other_variants_go_on_meanwhile(world: World) -> None:
    world.use_flow()
    world.set_rules(customers_per_unit=5, approval_above=10)
    world.sync(a_row("LAMP", 0), a_row("VASE", 0))
    world.ask_many("LAMP", 20, "lamp")
    vases = world.ask_many("VASE", 3, "vase")
    world.sync(a_row("LAMP", 4), a_row("VASE", 4))
    assert world.tell() == vases


def test_4_7_approval_decides_again_on_the_present_stock(world: World) -> None:
    emails = proposed_world(world)
    world.sync(a_row("LAMP", 3))
    assert world.release()["released"] == 0
    assert approve(world)["released"] == 15
    assert delivered(world) == emails[:15]
    assert states(world) == ["approved", "released"]
    assert world.value("SELECT proposal_id FROM batch WHERE state = 'released'") == 1
    assert world.value("SELECT answered_by FROM batch WHERE state = 'approved'") == "ann"


def test_4_7_approval_of_what_is_sold_out_releases_nobody(world: World) -> None:
    proposed_world(world)
    world.sync(a_row("LAMP", 0))
    assert approve(world)["released"] == 0
    assert world.value("SELECT hold_reason FROM variant_stock") == "closed"


def test_4_7_a_repeated_answer_changes_nothing(world: World) -> None:
    proposed_world(world)
    first = approve(world)
    assert approve(world) | {"considered": 1} == first
    assert approve(world, run_id="another")["released"] == 0
    decline_batch(world.engine, "demo", 1, "bob", world.now)
    assert states(world) == ["approved", "released"]
    assert world.states() == {"released": 20, "waiting": 10}


@pytest.mark.parametrize(("answered_by", "state"), [("ann", "declined"), (None, "expired")])
def test_4_7_rejected_or_timed_out_releases_nobody_until_the_wait_has_passed(
    world: World, answered_by: str | None, state: str
) -> None:
    proposed_world(world)
    decline_batch(world.engine, "demo", 1, answered_by, world.now)
    assert states(world) == [state]
    world.sync(a_row("LAMP", 2))
    assert world.release()["released"] == 0
    assert world.value("SELECT hold_reason FROM variant_stock") == "declined"
    world.pass_time(minutes=30)
    world.sync(a_row("LAMP", 2))
    assert world.release()["released"] == 10


def test_4_7_a_proposal_expires_by_itself_when_nobody_asks(world: World) -> None:
    proposed_world(world, approval_hours=0.25)
    world.pass_time(minutes=15)
    world.sync(a_row("LAMP", 4))
    world.release()
    assert states(world) == ["expired"]
    assert world.value("SELECT hold_reason FROM variant_stock") == "declined"


def test_4_7_the_question_has_figures_and_no_address_and_is_asked_once(world: World) -> None:
    proposed_world(world)
    question = ask_about(world.engine, "demo", 1, world.now)
    assert question.subject == "Tell 20 people that 'Title of LAMP' is back?"
    assert "4 units x 5 per unit" in question.body and "example.org" not in question.body
    assert question.time_left.total_seconds() == 24 * 3600
    assert list_unasked(world.engine) == []
    answer_until = world.value("SELECT answer_until FROM batch")
    assert world.value("SELECT next_check_at FROM variant_stock") == answer_until
    with pytest.raises(NotFound, match="no batch 99"):
        ask_about(world.engine, "demo", 99, world.now)


def test_4_7_proposed_people_count_as_in_flight(world: World) -> None:
    proposed_world(world)
    world.sync(a_row("LAMP", 6))
    world.release()
    assert world.value("SELECT in_flight_count FROM release_decision") == 20


def test_4_7_a_lottery_is_not_drawn_again_by_its_approval(world: World) -> None:
    proposed_world(world, ordering="lottery")
    approve(world)
    assert world.value("SELECT count(DISTINCT seed) FROM batch") == 1

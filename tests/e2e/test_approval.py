"""Large batches wait for a person, through the real scheduler and Airflow's REST API (SEMANTICS 4.7, 4.9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.journey import Journey, set_variable, wait_for
from tests.e2e.test_journeys import journey, shopify

pytestmark = pytest.mark.e2e
__all__ = ["journey", "shopify"]


def open_questions(journey: Journey) -> dict[str, dict[str, Any]]:
    """What waits for an answer, by the run that asks."""
    found = journey.api("GET", "/api/v2/dags/~/dagRuns/~/hitlDetails?response_received=false")
    waiting = [one for one in found["hitl_details"] if one["task_instance"]["state"] == "awaiting_input"]
    return {one["task_instance"]["dag_run_id"]: one for one in waiting}


def answer(journey: Journey, run_id: str, option: str) -> None:
    path = f"/api/v2/dags/approve_batch/dagRuns/{run_id}/taskInstances/ask/-1/hitlDetails"
    journey.api("PATCH", path, {"chosen_options": [option]})


def told(journey: Journey) -> list[str]:
    return sorted(
        line.removeprefix("To: ").split("@")[0]
        for mail in journey.mails()
        for line in mail.splitlines()
        if line.startswith("To: ")
    )


def proposal_run(journey: Journey, variant_id: str) -> str:
    statement = "SELECT batch_id FROM batch WHERE variant_id = :variant AND state = 'proposed'"
    return f"batch_{journey.value(statement, variant=variant_id)}"


def test_large_batches_wait_for_a_person_while_other_variants_go_on(journey: Journey) -> None:
    set_up = {"restock_approval_above": "2", "restock_wait_minutes": "30", "restock_customers_per_unit": "5"}
    journey.write_feed(BIG=0, LARGE=0, SMALL=0)
    stocked = "SELECT count(*) FROM variant_stock WHERE shop_id = 'demo'"
    wait_for("the baseline", lambda: journey.value(stocked) == 3)
    variables = "/api/v2/variables?limit=100"
    wait_for("the Variables", lambda: len(journey.api("GET", variables)["variables"]) > 10)
    for name, value in set_up.items():
        set_variable(journey, name, value)
    for variant, count in (("BIG", 3), ("LARGE", 4), ("SMALL", 1)):
        for place in range(count):
            journey.ask(f"{variant.lower()}{place}@example.org", variant)
    journey.write_feed(BIG=7, LARGE=8, SMALL=9)
    wait_for("the mail of the small batch", lambda: told(journey) == ["small0"])
    asked = wait_for("two questions", lambda: len(open_questions(journey)) == 2 and open_questions(journey))
    big, large = proposal_run(journey, "BIG"), proposal_run(journey, "LARGE")
    assert set(asked) == {big, large}
    assert asked[big]["subject"] == "Tell 3 people that 'Title of BIG' is back?"
    assert "7 units x 5 per unit" in asked[big]["body"] and "example.org" not in json.dumps(asked)
    answer(journey, large, "Reject")
    answer(journey, big, "Approve")
    wait_for("the mails of the approved batch", lambda: len(told(journey)) == 4)
    declined = "SELECT hold_reason FROM variant_stock WHERE variant_id = 'LARGE'"
    wait_for("the rejection", lambda: journey.value(declined) == "declined")
    assert told(journey) == ["big0", "big1", "big2", "small0"]
    batches = journey.query(
        "SELECT variant_id, state, released_count FROM batch ORDER BY variant_id, batch_id"
    )
    assert [tuple(batch) for batch in batches] == [
        ("BIG", "approved", 3),
        ("BIG", "released", 3),
        ("LARGE", "declined", 4),
        ("SMALL", "released", 1),
    ]


def test_a_changed_variable_holds_from_the_next_run_and_stands_on_its_batch(journey: Journey) -> None:
    override = {"variant": "SMALL", "rules": {"customers_per_unit": 1, "wait_minutes": 0.01}}
    set_variable(journey, "restock_rule_overrides", json.dumps([override]))
    with journey.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE variant_stock SET next_release_at = NULL WHERE variant_id = 'SMALL'"
        )
    journey.ask("again@example.org", "SMALL")
    wait_for("the mail under the new rule", lambda: "again" in told(journey))
    newest = "FROM batch WHERE variant_id = 'SMALL' ORDER BY batch_id DESC LIMIT 1"
    assert journey.value(f"SELECT customers_per_unit {newest}") == 1
    assert journey.value(f"SELECT rule_origins {newest}") == {
        "customers_per_unit": "variant SMALL",
        "wait_minutes": "variant SMALL",
    }


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(journey: Journey) -> None:
    before = journey.counts()
    body = {"logical_date": None, "conf": {"dry_run": True}}
    run_id = journey.api("POST", "/api/v2/dags/restock_release/dagRuns", body)["dag_run_id"]
    path = f"/api/v2/dags/restock_release/dagRuns/{run_id}"
    wait_for("the dry run", lambda: journey.api("GET", path)["state"] == "success")
    decision = journey.api("GET", f"{path}/taskInstances/decide/xcomEntries/decision?deserialize=true")[
        "value"
    ]
    assert decision["dry_run"] is True and decision["released"] == 0
    assert journey.counts()["batch"] == before["batch"]

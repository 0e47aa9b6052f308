"""`make demo`: the main job from feed to mailbox, on the real parts, told while it happens.

The shop goes on when the effect of the stage before was seen in the database and the mailbox, never by the
clock. Everything that happens in between is done by Airflow's scheduler and the Dags.
"""

from datetime import UTC, date, datetime
from time import monotonic
from typing import Any

from rich.console import Console
from sqlalchemy import Row

from include.errors import NotFound
from include.local.demo.narration import (
    tell_baseline,
    tell_batch,
    tell_nobody_else,
    tell_pull,
    tell_refusal,
    tell_short_stock,
    tell_timer,
)
from include.local.demo.report_mail import mail_report
from include.local.demo.script import CUSTOMERS_PER_UNIT, MIN_INVENTORY, RUNNER, STAGES, Stage
from include.local.demo.shop_client import step
from include.local.demo.show import Show
from include.local.demo.sightings import (
    find_passed_timer,
    find_pull,
    find_refusal,
    find_rules,
    find_told_batch,
)
from include.local.demo.summary import show_summary, write_summary
from include.local.demo.theatre import LONG_AGO, SHOP_ID, DemoFailed, Theatre, demo_settings, open_theatre
from include.local.demo.unsubscribing import unsubscribe_by_mail
from include.services.outbox import set_delivery
from include.services.waiting_list import ImportResult, import_waiting_list
from include.settings import Settings

WAIT_MINUTES = 0.6
RUNS_PER_WAIT = 6
PULL_SECONDS = 180.0
TOLD_SECONDS = 180.0


def run_demo(settings: Settings, wait_minutes: float | None = None, console: Console | None = None) -> None:
    """Play the whole script; raises StackError that says what did not happen. Nothing runs afterwards.

    `wait_minutes` is the rule's wait between two batches; by default it is as long as this machine needs to see
    a change of the shop in the meantime.
    """
    settings, began_at = demo_settings(settings), datetime.now(UTC)
    show = Show(console or Console(), acts=len(STAGES) + 3)
    show.open_act(
        "Start",
        "A shop with 2,000 variants in two locations, 3,000 people waiting, Airflow's real scheduler, a real mail "
        "server. Everything runs on 127.0.0.1 and is stopped at the end.",
    )
    with open_theatre(settings, show) as theatre:
        _set_the_scene(theatre, wait_minutes)
        told_before = 0
        for number, stage in enumerate(STAGES):
            show.open_act(stage.title, stage.story)
            _play(theatre, number, stage, told_before)
            told_before += sum(stage.told.values())
        show.open_act(
            "Reports",
            "The Dag 'reports' writes the day's figures as tables, CSV files and charts; one goes out by mail.",
        )
        _report(theatre, began_at.date())
        _compare_mailbox(theatre, told_before)
        summary = write_summary(theatre)
    show_summary(show, settings, summary)


def _set_the_scene(theatre: Theatre, wait_minutes: float | None) -> None:
    """Rules as a person would edit them under Admin, Variables; mails go out for real, to the local mail server."""
    running, airflow = theatre.running, theatre.airflow
    theatre.show.say(f"Airflow: {running.address} (user {running.user}, password {running.password}).")
    set_delivery(theatre.engine, "live", [])
    rules = {
        "restock_min_inventory": MIN_INVENTORY,
        "restock_customers_per_unit": CUSTOMERS_PER_UNIT,
        "restock_wait_minutes": wait_minutes or WAIT_MINUTES,
    }
    for name, value in rules.items():
        airflow.set_variable(name, f"{value:g}")
    theatre.wait_for("the Dags to be read", lambda: _trigger(theatre, "restock_release"), PULL_SECONDS)
    triggered_at = monotonic()
    theatre.wait_for("the rules to be in force", lambda: find_rules(theatre, rules), PULL_SECONDS)
    if wait_minutes is None:
        rules["restock_wait_minutes"] = suit_wait(monotonic() - triggered_at)
        airflow.set_variable("restock_wait_minutes", f"{rules['restock_wait_minutes']:g}")
    told = ", ".join(f"{name} = {value:g}" for name, value in rules.items())
    theatre.show.say(f"Airflow Variables: {told}.")


def suit_wait(seconds_per_run: float) -> float:
    """A busy machine gets a longer wait: the shop's next change must be pulled before it ends."""
    return max(WAIT_MINUTES, round(RUNS_PER_WAIT * seconds_per_run / 60, 1))


def _trigger(theatre: Theatre, dag_id: str) -> str | None:
    try:
        return theatre.airflow.trigger(dag_id)
    except NotFound:
        return None


def _play(theatre: Theatre, number: int, stage: Stage, told_before: int) -> None:
    since = _step(theatre) if number else LONG_AGO
    if stage.fault != "none":
        tell_refusal(
            theatre, theatre.wait_for("the next pull", lambda: find_refusal(theatre, since), PULL_SECONDS)
        )
        return
    pull = theatre.wait_for("the next pull", lambda: find_pull(theatre, since), PULL_SECONDS)
    if number == 0:
        tell_baseline(theatre, pull, _import_waiting_list(theatre))
        return
    tell_pull(theatre, pull)
    _watch_telling(theatre, stage, pull, since)
    _compare_mailbox(theatre, told_before + sum(stage.told.values()))
    tell_short_stock(theatre, stage)
    if STAGES[number - 1].fault != "none":
        tell_nobody_else(theatre)
    for email in stage.unsubscribes:
        theatre.show.say(unsubscribe_by_mail(theatre, email))


def _step(theatre: Theatre) -> datetime:
    """The shop goes on; only pulls after this moment have seen it."""
    step(theatre.shop_port)
    return datetime.now(UTC)


def _import_waiting_list(theatre: Theatre) -> ImportResult:
    file = theatre.settings.var_folder / "demo_shop" / "waiting_list.csv"
    return import_waiting_list(theatre.engine, SHOP_ID, file, datetime.now(UTC))


def _watch_telling(theatre: Theatre, stage: Stage, pull: Row[Any], since: datetime) -> None:
    missing = dict(stage.told)
    while missing:
        people = " + ".join(map(str, missing.values()))
        batch = theatre.wait_for(
            f"{people} mails", lambda: find_told_batch(theatre, since, stage, missing), TOLD_SECONDS
        )
        del missing[batch.variant_id]
        tell_batch(theatre, batch, pull.detected_at, since)


def _compare_mailbox(theatre: Theatre, expected: int) -> None:
    found = theatre.count_mails()
    if found != expected:
        raise DemoFailed(f"{theatre.mailbox} holds {found} mails, by the script it had to be {expected}.")


def _report(theatre: Theatre, first_on: date) -> None:
    timer = theatre.wait_for(
        "the end of the shoe's wait", lambda: find_passed_timer(theatre, RUNNER), TOLD_SECONDS
    )
    tell_timer(theatre, RUNNER, timer)
    run_id = theatre.airflow.trigger("reports")

    def finished() -> str | None:
        state = theatre.airflow.run_state("reports", run_id)
        return state if state in ("success", "failed") else None

    state = theatre.wait_for("the reports", finished, PULL_SECONDS)
    if state == "failed":
        raise DemoFailed(
            f"The run {run_id} of Dag reports failed. Logs: {theatre.settings.var_folder / 'logs'}."
        )
    mail_report(theatre, first_on)

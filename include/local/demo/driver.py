"""`make demo`: the main job from feed to mailbox, on the real parts, told while it happens.

The shop goes on when the effect of the stage before was seen in the database and the mailbox, never by the
clock. Everything that happens in between is done by Airflow's scheduler and the Dags.
"""

from datetime import UTC, datetime
from time import monotonic
from typing import Any

from rich.console import Console
from sqlalchemy import Row

from include.errors import NotFound
from include.local.demo.narration import tell_baseline, tell_batch, tell_refusal, tell_short_stock
from include.local.demo.script import CUSTOMERS_PER_UNIT, MIN_INVENTORY, RUNNER, STAGES, Stage
from include.local.demo.shop_client import step
from include.local.demo.show import Show
from include.local.demo.sightings import find_pull, find_refusal, find_rules, find_told_batch, timer_of
from include.local.demo.summary import show_summary, write_summary
from include.local.demo.theatre import LONG_AGO, SHOP_ID, DemoFailed, Theatre, demo_settings, open_theatre
from include.local.demo.unsubscribing import unsubscribe_by_mail
from include.local.demo.walk import title_of
from include.services.outbox import set_delivery
from include.services.waiting_list import ImportResult, import_waiting_list
from include.settings import Settings

WAIT_MINUTES = 0.6
PULL_SECONDS = 120.0
TOLD_SECONDS = 180.0


def run_demo(settings: Settings, wait_minutes: float = WAIT_MINUTES, console: Console | None = None) -> None:
    """Play the whole script; raises StackError that says what did not happen. Nothing runs afterwards."""
    settings = demo_settings(settings)
    show = Show(console or Console(), acts=len(STAGES) + 3)
    began = monotonic()
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
        show.open_act("Reports", "The Dag 'reports' writes the day's figures as tables and CSV files.")
        _report(theatre)
        summary = write_summary(theatre, monotonic() - began)
    show_summary(show, settings, summary)


def _set_the_scene(theatre: Theatre, wait_minutes: float) -> None:
    """Rules as a person would edit them under Admin, Variables; mails go out for real, to the local mail server."""
    rules = {
        "restock_min_inventory": MIN_INVENTORY,
        "restock_customers_per_unit": CUSTOMERS_PER_UNIT,
        "restock_wait_minutes": wait_minutes,
    }
    for name, value in rules.items():
        theatre.airflow.set_variable(name, f"{value:g}")
    set_delivery(theatre.engine, "live", [])
    theatre.show.say(
        f"Airflow: {theatre.running.address} (user {theatre.running.user}, password {theatre.running.password})."
    )
    theatre.show.say(
        f"Airflow Variables: {', '.join(f'{name} = {value:g}' for name, value in rules.items())}."
    )
    theatre.wait_for("the Dags to be read", lambda: _trigger(theatre, "restock_release"), PULL_SECONDS)
    theatre.wait_for("the rules to be in force", lambda: find_rules(theatre, rules), PULL_SECONDS)


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
    theatre.show.say(
        f"Pulled: {pull.changed_count} quantities changed, {pull.event_count} variants are back."
    )
    _watch_telling(theatre, stage, pull, since)
    _compare_mailbox(theatre, told_before + sum(stage.told.values()))
    tell_short_stock(theatre, stage)
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
        what = " and ".join(f"{count} mails for '{title_of(name)}'" for name, count in missing.items())
        batch = theatre.wait_for(what, lambda: find_told_batch(theatre, since, stage, missing), TOLD_SECONDS)
        del missing[batch.variant_id]
        tell_batch(theatre, batch, pull.detected_at, since)


def _compare_mailbox(theatre: Theatre, expected: int) -> None:
    found = theatre.count_mails()
    if found != expected:
        raise DemoFailed(f"{theatre.mailbox} holds {found} mails, by the script it had to be {expected}.")


def _report(theatre: Theatre) -> None:
    timer = timer_of(theatre, RUNNER)
    theatre.wait_for(
        "the end of the shoe's wait",
        lambda: True if timer is None or timer < datetime.now(UTC) else None,
        TOLD_SECONDS,
    )
    run_id = theatre.airflow.trigger("reports")

    def finished() -> str | None:
        state = theatre.airflow.run_state("reports", run_id)
        return state if state in ("success", "failed") else None

    state = theatre.wait_for("the reports", finished, PULL_SECONDS)
    if state == "failed":
        raise DemoFailed(
            f"The run {run_id} of Dag reports failed. Logs: {theatre.settings.var_folder / 'logs'}."
        )

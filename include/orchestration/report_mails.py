"""What `housekeeping` and `reports` do for reports that go out by mail."""

from datetime import UTC, date, datetime
from typing import Any

from airflow.sdk import ObjectStoragePath, Variable

from include.domain.report_wish import VARIABLE
from include.orchestration.connections import open_database
from include.settings import load_settings

DESCRIPTION = (
    "Reports that go out by mail, as a JSON list; those made by `restock reports subscribe` are beside it. "
    "See docs/reports.md."
)


def mail_what_is_due() -> dict[str, Any]:
    """Make the Variable's subscriptions what it says, and mail what is due; counts."""
    from include.services.report_mail import mail_newest, mail_store
    from include.services.report_subscriptions import adopt_variable

    settings, now = load_settings(), datetime.now(UTC)
    with open_database() as engine:
        adopted = adopt_variable(engine, _read_variable(), now)
        store = mail_store(settings, ObjectStoragePath(settings.artefact_url))
        return {**adopted, **mail_newest(engine, store, now)}


def mail_what_was_missed(first_on: date, last_on: date) -> dict[str, Any]:
    """Mail the periods that ended on these days and were not mailed; counts."""
    from include.services.report_mail import mail_missed, mail_store

    settings, now = load_settings(), datetime.now(UTC)
    with open_database() as engine:
        store = mail_store(settings, ObjectStoragePath(settings.artefact_url))
        return mail_missed(engine, store, first_on, last_on, now)


def _read_variable() -> str:
    """Missing is not empty: only a Variable that exists may end subscriptions."""
    if VARIABLE not in Variable.keys(prefix=VARIABLE):
        Variable.set(VARIABLE, "[]", description=DESCRIPTION)
        return "[]"
    return str(Variable.get(VARIABLE))

"""What `housekeeping` and `reports` do for reports that go out by mail."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Variable

from include.domain.report_wish import VARIABLE
from include.errors import RestockError
from include.orchestration.connections import open_database
from include.orchestration.reports import artefact_root, run_span
from include.settings import load_settings

DESCRIPTION = (
    "Reports that go out by mail, as a JSON list; those made by `restock reports subscribe` are beside it. "
    "See docs/reports.md."
)


def mail_what_is_due() -> dict[str, Any]:
    """Make the Variable's subscriptions what it says, and mail what is due; counts.

    A wrong Variable changes nothing and fails in the end: what is subscribed already is mailed.
    """
    from include.services.report_mail import mail_newest, mail_store
    from include.services.report_subscriptions import adopt_variable

    settings, now = load_settings(), datetime.now(UTC)
    with open_database() as engine:
        adopted, problem = {}, None
        try:
            adopted = adopt_variable(engine, _read_variable(), now)
        except RestockError as error:
            problem = error
        mailed = mail_newest(engine, mail_store(settings, artefact_root()), now)
        if problem is not None:
            raise problem
        return {**adopted, **mailed}


def mail_what_was_missed() -> dict[str, int]:
    """Mail the periods that ended in the run's interval and were not mailed; counts."""
    from include.services.report_mail import mail_missed, mail_store

    settings, now = load_settings(), datetime.now(UTC)
    with open_database() as engine:
        return mail_missed(engine, mail_store(settings, artefact_root()), *run_span(), now)


def draw_charts() -> dict[str, int]:
    """Draw the days that ended in the run's interval; counts."""
    from include.services.report_charts import write_charts_of_interval

    now = datetime.now(UTC)
    with open_database() as engine:
        return write_charts_of_interval(engine, *run_span(), artefact_root(), now)


def _read_variable() -> str:
    """Missing is not empty: only a Variable that exists may end subscriptions."""
    if VARIABLE not in Variable.keys(prefix=VARIABLE):
        Variable.set(VARIABLE, "[]", description=DESCRIPTION)
        return "[]"
    return str(Variable.get(VARIABLE))

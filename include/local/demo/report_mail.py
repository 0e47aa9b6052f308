"""The demo's last mail: the report of its day, to the shop's own people."""

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from pathlib import Path

from include.domain.report_period import Period
from include.domain.report_wish import parse_wish
from include.local.demo.theatre import SHOP_ID, DemoFailed, Theatre
from include.services.report_mail import mail_span, mail_store
from include.services.report_subscriptions import subscribe

NAME = "daily"
WISH = {"name": NAME, "shop": SHOP_ID, "report": "batches", "to": ["crm@shop.example"]}
MAIL_SECONDS = 120.0


def mail_report(theatre: Theatre, first_on: date) -> None:
    """Subscribe somebody as `restock reports subscribe` does, send the days from the demo's first one to today."""
    now = datetime.now(UTC)
    period = Period(first_on, now.date())
    subscribe(theatre.engine, parse_wish(WISH, "the demo"), now)
    store = mail_store(theatre.settings, Path(theatre.settings.artefact_url))
    outcome = mail_span(theatre.engine, store, SHOP_ID, NAME, period, now)
    if outcome != "mailed":
        raise DemoFailed(f"The report mail of {period} was not queued: {outcome}.")
    path = theatre.wait_for("the report mail", lambda: next(iter(theatre.report_mails()), None), MAIL_SECONDS)
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    kinds = {part.get_content_type() for part in mail.walk()}
    if not {"image/png", "text/csv"} <= kinds:
        raise DemoFailed(f"{path} lacks its picture or its file.")
    theatre.show.say(
        f"'{mail['Subject']}' went to {WISH['to'][0]}, with the chart inside and the CSV attached: {path}."
    )

"""A report's row of the outbox as the bytes that leave (SEMANTICS 6.4, 9.3)."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine

from include.db.queries import run_query
from include.messaging.address import Mailbox
from include.messaging.message_id import derive_message_id
from include.messaging.render.library import TemplateLibrary
from include.messaging.render.report_mime import Part, build_report_message
from include.messaging.senders.base import Envelope
from include.services.links import Links


class _Content(NamedTuple):
    mail: dict[str, Any]
    parts: dict[str, Part]


class ReportComposer:
    """Builds report mails out of what was decided when they were queued."""

    def __init__(
        self, engine: Engine, identity: str, mailbox: Mailbox, templates: TemplateLibrary, links: Links
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._mailbox = mailbox
        self._templates = templates
        self._links = links
        self._domain = mailbox.address.rpartition("@")[2]
        self._last: tuple[tuple[str, int], _Content] | None = None

    def compose(self, row: Any, now: datetime) -> Envelope:
        """See Composer."""
        key = f"{row.shop_id}/{row.message_key}"
        content = self._read(row.shop_id, row.report_run_id)
        message_id = derive_message_id(key, self._domain, self._identity)
        picture_id = f"chart.{message_id.strip('<>')}"
        unsubscribe_url = self._links.link_for("unsubscribe_report", row.shop_id, row.recipient_id)
        context = content.mail | {
            "unsubscribe_url": unsubscribe_url,
            "chart_cid": picture_id,
            "has_chart": "chart" in content.parts,
        }
        message = build_report_message(
            self._templates.render_email(row.template, row.locale, context),
            key=row.message_key,
            message_id=message_id,
            sender=self._mailbox,
            recipient=row.address,
            date=now,
            list_unsubscribe=self._links.ways_to_unsubscribe(
                row.shop_id, row.recipient_id, "unsubscribe_report"
            ),
            picture=content.parts.get("chart"),
            picture_id=picture_id,
            file=content.parts.get("csv"),
        )
        return Envelope(key, message_id, self._mailbox.address, row.address, message, is_crlf=True)

    def _read(self, shop_id: str, run_id: int) -> _Content:
        """Recipients of one run follow each other: it is read once for them."""
        if self._last is None or self._last[0] != (shop_id, run_id):
            here = {"shop_id": shop_id, "report_run_id": run_id}
            with self._engine.connect() as connection:
                mail = run_query(connection, "report_mail.find_run", **here).scalar_one()
                parts = {
                    row.kind: Part(row.file_name, bytes(row.content))
                    for row in run_query(connection, "report_mail.list_parts", **here)
                }
            self._last = (shop_id, run_id), _Content(mail, parts)
        return self._last[1]

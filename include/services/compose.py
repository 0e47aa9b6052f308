"""A checked message as the bytes that leave (SEMANTICS 6.4, 8)."""

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Engine

from include.messaging.address import Mailbox
from include.messaging.message_id import derive_message_id
from include.messaging.render.library import TemplateLibrary
from include.messaging.render.mime import build_message
from include.messaging.senders.base import Envelope
from include.messaging.sms_segments import MOST_SEGMENTS, SmsTooLong, count_segments
from include.services.links import Links, Purpose
from include.services.outbox import Delivery
from include.services.report_compose import ReportComposer

ACTIONS: dict[str, Purpose] = {"confirm_request": "confirm", "keep_request": "keep"}


class Composer(Protocol):
    """Renders and builds the messages of one lane."""

    def compose(self, row: Any, now: datetime) -> Envelope:
        """The message for a row of `check.read_facts`; raises TemplateError, AddressRefused or SmsTooLong."""


def composer_for(
    channel: str,
    delivery: Delivery,
    mailbox: Mailbox,
    templates: TemplateLibrary,
    engine: Engine,
    intake_url: str | None = None,
) -> Composer:
    """The composer of a channel; for SMS the mailbox's address is the number that they come from."""
    if channel == "SMS":
        return SmsComposer(delivery, mailbox, templates)
    return MailComposer(delivery, mailbox, templates, engine, intake_url)


class SmsComposer:
    """Renders SMS; who wants no more of them answers STOP to the provider."""

    def __init__(self, delivery: Delivery, mailbox: Mailbox, templates: TemplateLibrary) -> None:
        self._sender = mailbox.address
        self._templates = templates
        self._identity = delivery.identity

    def compose(self, row: Any, now: datetime) -> Envelope:
        """See Composer."""
        key = f"{row.shop_id}/{row.message_key}"
        text = self._templates.render_sms(row.template, row.locale, _context(row))
        if count_segments(text) > MOST_SEGMENTS:
            raise SmsTooLong
        message_id = derive_message_id(key, "sms.invalid", self._identity)
        return Envelope(key, message_id, self._sender, row.address, text.encode())


class MailComposer:
    """Renders and builds mails; their links lead to the door where there is one."""

    def __init__(
        self,
        delivery: Delivery,
        mailbox: Mailbox,
        templates: TemplateLibrary,
        engine: Engine,
        intake_url: str | None = None,
    ) -> None:
        self._mailbox = mailbox
        self._templates = templates
        self._identity = delivery.identity
        self._domain = mailbox.address.rpartition("@")[2]
        self._links = Links(delivery.link_secret, mailbox.address, intake_url)
        self._reports = ReportComposer(engine, delivery.identity, mailbox, templates, self._links)

    def compose(self, row: Any, now: datetime) -> Envelope:
        """See Composer."""
        if row.purpose == "report":
            return self._reports.compose(row, now)
        key = f"{row.shop_id}/{row.message_key}"
        unsubscribe_url = self._links.link_for("unsubscribe", row.shop_id, row.profile_id)
        context = _context(row) | {"unsubscribe_url": unsubscribe_url} | self._links_of_request(row)
        rendered = self._templates.render_email(row.template, row.locale, context)
        message_id = derive_message_id(key, self._domain, self._identity)
        content = build_message(
            rendered,
            key=row.message_key,
            message_id=message_id,
            sender=self._mailbox,
            recipient=row.address,
            date=now,
            list_unsubscribe=self._ways_to_unsubscribe(row),
        )
        return Envelope(key, message_id, self._mailbox.address, row.address, content, is_crlf=True)

    def _ways_to_unsubscribe(self, row: Any) -> tuple[str, ...]:
        if row.purpose == "transactional":
            return ()
        return self._links.ways_to_unsubscribe(row.shop_id, row.profile_id)

    def _links_of_request(self, row: Any) -> dict[str, str]:
        if row.subscription_id is None:
            return {}
        links = {"cancel_url": self._links.link_for("cancel", row.shop_id, row.subscription_id)}
        if action := ACTIONS.get(row.purpose):
            links["action_url"] = self._links.link_for(action, row.shop_id, row.subscription_id)
        return links


def _context(row: Any) -> dict[str, Any]:
    return {
        "first_name": row.first_name,
        "last_name": row.last_name,
        "shop": {"name": row.shop_name, "url": row.shop_url},
        "item": {
            "id": row.variant_id,
            "title": row.title or row.variant_id,
            "url": row.url,
            "image_url": row.image_url,
            "price": row.price,
            "currency": row.currency,
        },
    }

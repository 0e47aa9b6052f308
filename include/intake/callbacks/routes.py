"""`POST /callbacks/ses/<secret>` (through Amazon SNS) and `POST /callbacks/sendgrid/<secret>`."""

import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from include.domain.request import fold_email
from include.intake.access import access_of
from include.intake.answers import ApiError, empty
from include.intake.body import decode, read_bytes
from include.intake.callbacks import signatures
from include.intake.door import Door, door_of
from include.intake.routing import at
from include.services.feedback import Feedback, FeedbackKind, take_feedback

MOST_BYTES = 2_000_000
MOST_TOLD = 5_000
LONGEST_ADDRESS = 320
SENDGRID_KINDS: dict[str, FeedbackKind] = {
    "delivered": "delivered",
    "bounce": "bounced",
    "deferred": "deferred",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
# What mail programs report in the same form, though nobody minded the mail.
NO_COMPLAINTS = ("not-spam", "auth-failure")
# SendGrid hands nothing over to an address of its own suppression lists, and says why.
DROPPED_KINDS: dict[str, FeedbackKind] = {
    "bounced address": "bounced",
    "invalid": "bounced",
    "spam reporting address": "complained",
    "unsubscribed address": "unsubscribed",
}


async def take_from_ses(request: Request) -> Response:
    """A notification of Amazon SNS, or its question whether we want them."""
    message = decode(await _read(request), dict[str, Any])
    texts = {name: value for name, value in message.items() if isinstance(value, str)}
    door = door_of(request)
    if not await door.run(signatures.is_signed_by_sns, texts):
        raise ApiError.of(
            403, "Amazon SNS did not sign this. Raw message delivery has no signature: turn it off."
        )
    if texts["Type"] == "SubscriptionConfirmation":
        if not signatures.is_sns_address(texts.get("SubscribeURL", "")):
            raise ApiError.of(403, "SubscribeURL is no address of Amazon SNS.")
        await door.run(signatures.fetch, texts["SubscribeURL"])
        return empty(200)
    return await _take(door, list(_read_ses(_notification_in(texts.get("Message", "")), door.clock())))


def _notification_in(text: str) -> dict[str, Any]:
    """What SES tells; nothing in texts for people, such as the test of a new topic or the end of a subscription."""
    try:
        return decode(text.encode(), dict[str, Any])
    except ApiError:
        return {}


async def take_from_sendgrid(request: Request) -> Response:
    """A list of events."""
    raw = await _read(request)
    door = door_of(request)
    public_key = door.settings.sendgrid_public_key
    if public_key:
        signature = request.headers.get("x-twilio-email-event-webhook-signature", "")
        timestamp = request.headers.get("x-twilio-email-event-webhook-timestamp", "")
        if not signatures.is_signed_by_sendgrid(public_key, signature, timestamp, raw):
            raise ApiError.of(403, "SendGrid did not sign this.")
    events = decode(raw, list[dict[str, Any]])
    return await _take(door, [each for event in events for each in _read_sendgrid(event, door.clock())])


async def _read(request: Request) -> bytes:
    """The body, for who knows the secret; everybody else finds nothing here."""
    secret = door_of(request).settings.callback_secret
    given = request.path_params["secret"]
    if not secret or not hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace")):
        await access_of(request).check_address(request)
        raise ApiError.of(404, "Nothing is served at this path.")
    return await read_bytes(request, MOST_BYTES)


async def _take(door: Door, told: list[Feedback]) -> Response:
    if len(told) > MOST_TOLD:
        raise ApiError.of(413, f"More than {MOST_TOLD} events at once.")
    await door.run(take_feedback, door.engine, told, door.clock())
    return empty(200)


def _read_ses(notification: dict[str, Any], now: datetime) -> Iterator[Feedback]:
    kind = notification.get("notificationType") or notification.get("eventType")
    message_id = _message_id_of(notification.get("mail"))
    if kind == "Bounce":
        bounce = _object(notification.get("bounce"))
        is_hard = bounce.get("bounceType") == "Permanent"
        for recipient in _objects(bounce.get("bouncedRecipients")):
            yield from _feedback(
                "bounced" if is_hard else "deferred",
                recipient.get("emailAddress"),
                bounce.get("timestamp"),
                message_id,
                recipient.get("status"),
                now,
            )
    if kind == "Complaint":
        complaint = _object(notification.get("complaint"))
        code = complaint.get("complaintFeedbackType")
        is_meant = code not in NO_COMPLAINTS
        for recipient in _objects(complaint.get("complainedRecipients")) if is_meant else []:
            address, at = recipient.get("emailAddress"), complaint.get("timestamp")
            yield from _feedback("complained", address, at, message_id, code, now)
    if kind == "DeliveryDelay":
        delay = _object(notification.get("deliveryDelay"))
        for recipient in _objects(delay.get("delayedRecipients")):
            address, at = recipient.get("emailAddress"), delay.get("timestamp")
            yield from _feedback("deferred", address, at, message_id, recipient.get("status"), now)
    if kind == "Delivery":
        delivery = _object(notification.get("delivery"))
        addresses = delivery.get("recipients")
        for address in addresses if isinstance(addresses, list) else []:
            yield from _feedback("delivered", address, delivery.get("timestamp"), message_id, None, now)


def _message_id_of(mail: object) -> str | None:
    """Our Message-ID, where the topic includes original headers; SES's own id is not it."""
    for header in _objects(_object(mail).get("headers")):
        if str(header.get("name", "")).lower() == "message-id" and isinstance(header.get("value"), str):
            return str(header["value"])
    found = _object(_object(mail).get("commonHeaders")).get("messageId")
    return found if isinstance(found, str) and found != _object(mail).get("messageId") else None


def _read_sendgrid(event: dict[str, Any], now: datetime) -> Iterator[Feedback]:
    kind = SENDGRID_KINDS.get(str(event.get("event", "")))
    if kind == "bounced" and event.get("type") == "blocked":
        kind = "deferred"
    if event.get("event") == "dropped":
        kind = DROPPED_KINDS.get(str(event.get("reason", "")).strip().lower())
    if kind is None:
        return
    message_id = event.get("smtp-id")
    code = event.get("status")
    yield from _feedback(
        kind,
        event.get("email"),
        event.get("timestamp"),
        message_id if isinstance(message_id, str) else None,
        code,
        now,
    )


def _feedback(
    kind: FeedbackKind, address: object, told_at: object, message_id: str | None, code: object, now: datetime
) -> Iterator[Feedback]:
    if isinstance(address, str) and 3 <= len(address) <= LONGEST_ADDRESS and "@" in address:
        key = fold_email(address.rpartition("<")[2].strip(">"))
        shown = str(code)[:40] if isinstance(code, str | int) and "@" not in str(code) else None
        yield Feedback(kind, key, _moment(told_at, now), message_id, shown)


def _moment(value: object, now: datetime) -> datetime:
    try:
        if isinstance(value, int | float):
            return min(datetime.fromtimestamp(value, UTC), now)
        moment = datetime.fromisoformat(str(value))
        return min(moment.replace(tzinfo=moment.tzinfo or UTC), now)
    except (ValueError, OverflowError, OSError):
        return now


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


ROUTES = [
    at("/callbacks/ses/{secret}", POST=take_from_ses),
    at("/callbacks/sendgrid/{secret}", POST=take_from_sendgrid),
]

"""What mail providers tell later: believed when it is theirs, applied to what we sent, and to nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from include.intake.callbacks import signatures
from tests.builders import World
from tests.intake.conftest import Visitor, visiting

SECRET = "a-secret-of-the-provider"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(RSA_KEY.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(RSA_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def public_key() -> str:
    octets = EC_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(octets).decode()


@pytest.fixture
def provider(
    world: World, database_url: str, tmp_path: Path, http: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Visitor]:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return certificate()

    monkeypatch.setattr(signatures, "fetch", fetch)
    signatures._certificate.cache_clear()
    settings = {"RESTOCK_CALLBACK_SECRET": SECRET, "RESTOCK_SENDGRID_PUBLIC_KEY": public_key()}
    with visiting(world, database_url, tmp_path, http, **settings) as visitor:
        visitor.fetched = fetched  # type: ignore[attr-defined]
        yield visitor


def sns(message: Any, kind: str = "Notification", **more: str) -> dict[str, str]:
    envelope = {
        "Type": kind,
        "MessageId": "m-1",
        "TopicArn": "arn:aws:sns:eu-west-1:1:bounces",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-03-01T08:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        **more,
    }
    names = signatures._SIGNED[kind]
    text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
    signed = RSA_KEY.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return {**envelope, "Signature": base64.b64encode(signed).decode()}


def bounce(email: str, message_id: str | None = None, kind: str = "Permanent") -> dict[str, Any]:
    headers = [{"name": "Message-ID", "value": message_id}] if message_id else []
    recipients = [{"emailAddress": email, "status": "5.1.1"}]
    told = {"bounceType": kind, "bouncedRecipients": recipients, "timestamp": "2026-03-01T08:40:00Z"}
    return {"notificationType": "Bounce", "mail": {"messageId": "ses-1", "headers": headers}, "bounce": told}


def post_ses(visitor: Visitor, message: dict[str, Any]) -> int:
    return visitor.session.post(
        f"{visitor.address}/callbacks/ses/{SECRET}", data=json.dumps(message)
    ).status_code


def post_sendgrid(visitor: Visitor, *events: dict[str, Any], forge: bool = False) -> int:
    body = json.dumps(events).encode()
    signed = EC_KEY.sign(b"1" + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signed).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": "2" if forge else "1",
    }
    url = f"{visitor.address}/callbacks/sendgrid/{SECRET}"
    return visitor.session.post(url, data=body, headers=headers).status_code


def sent(visitor: Visitor, people: int = 2) -> list[tuple[str, str]]:
    emails = visitor.world.queue_alerts(people=people)
    visitor.world.dispatch()
    ids = [str(message_from_bytes(each.content)["Message-ID"]) for each in visitor.world.mail.envelopes]
    return list(zip(emails, ids, strict=True))


def suppressions(visitor: Visitor) -> list[Any]:
    return visitor.world.query("SELECT address_key, reason FROM suppression ORDER BY address_key")


def test_a_hard_bounce_suppresses_and_a_soft_one_is_noted(provider: Visitor) -> None:
    (first, first_id), (second, second_id) = sent(provider)
    assert post_ses(provider, sns(bounce(first.upper(), first_id))) == 200
    assert post_ses(provider, sns(bounce(second, second_id, "Transient"))) == 200
    assert post_ses(provider, sns(bounce(first, first_id))) == 200
    assert suppressions(provider) == [(first, "invalid_address")]
    feedback = provider.world.query("SELECT kind, code FROM message_feedback ORDER BY message_id")
    assert feedback == [("bounced", "5.1.1"), ("deferred", "5.1.1")]


def test_a_complaint_suppresses_and_withdraws_consent(provider: Visitor) -> None:
    [(email, message_id)] = sent(provider, people=1)
    told = {"complainedRecipients": [{"emailAddress": email}], "complaintFeedbackType": "abuse"}
    notification = {
        "notificationType": "Complaint",
        "mail": {"commonHeaders": {"messageId": message_id}},
        "complaint": told,
    }
    assert post_ses(provider, sns(notification)) == 200
    assert suppressions(provider) == [(email, "complaint")]
    assert provider.world.query("SELECT channel, purpose, state FROM consent") == [
        ("EMAIL", "marketing", "withdrawn")
    ]


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_a_report_that_is_no_complaint_suppresses_nobody(provider: Visitor, kind: str) -> None:
    [(email, message_id)] = sent(provider, people=1)
    notification = {
        "notificationType": "Complaint",
        "mail": {"commonHeaders": {"messageId": message_id}},
        "complaint": {"complainedRecipients": [{"emailAddress": email}], "complaintFeedbackType": kind},
    }
    assert post_ses(provider, sns(notification)) == 200
    assert suppressions(provider) == []


def test_sendgrid_tells_in_lists(provider: Visitor) -> None:
    people = sent(provider, people=4)
    kinds = ["bounce", "spamreport", "unsubscribe", "delivered"]
    events = [
        {"event": kind, "email": email, "smtp-id": message_id, "timestamp": 1772352000, "status": "5.0.0"}
        for kind, (email, message_id) in zip(kinds, people, strict=True)
    ]
    blocked = {"event": "bounce", "type": "blocked", "email": people[3][0], "smtp-id": people[3][1]}
    assert post_sendgrid(provider, *events, blocked, {"event": "open", "email": "x@y.z"}, {}) == 200
    reasons = ["invalid_address", "complaint", "unsubscribed"]
    assert suppressions(provider) == [
        (email, why) for (email, _), why in zip(people[:3], reasons, strict=True)
    ]


def test_who_was_never_written_to_is_not_touched(provider: Visitor) -> None:
    sent(provider, people=1)
    provider.world.ask("stranger@example.org", "LAMP")
    assert post_ses(provider, sns(bounce("stranger@example.org"))) == 200
    assert post_ses(provider, sns(bounce("p0000@example.org", "<other@elsewhere.example>"))) == 200
    assert suppressions(provider) == []


def test_only_what_the_provider_signed_is_believed(provider: Visitor) -> None:
    [(email, message_id)] = sent(provider, people=1)
    good = sns(bounce(email, message_id))
    assert post_ses(provider, {**good, "Message": json.dumps(bounce("p0001@example.org"))}) == 403
    assert post_ses(provider, {**good, "Signature": "AAAA"}) == 403
    for url in (
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/?sns.eu-west-1.amazonaws.com",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
    ):
        assert post_ses(provider, {**good, "SigningCertURL": url}) == 403
    assert post_sendgrid(provider, {"event": "bounce", "email": email}, forge=True) == 403
    for path in ("/callbacks/ses/wrong", "/callbacks/sendgrid/wrong"):
        assert provider.session.post(provider.address + path, data=json.dumps(good)).status_code == 404
    assert suppressions(provider) == []
    assert set(provider.fetched) <= {CERTIFICATE_URL}  # type: ignore[attr-defined]


def test_a_subscription_is_confirmed_with_amazon_alone(provider: Visitor) -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
    question = {"kind": "SubscriptionConfirmation", "Token": "t"}
    assert post_ses(provider, sns("hello", SubscribeURL=url, **question)) == 200
    assert url in provider.fetched  # type: ignore[attr-defined]
    assert post_ses(provider, sns("hello", SubscribeURL="https://evil.example/", **question)) == 403
    assert "https://evil.example/" not in provider.fetched  # type: ignore[attr-defined]


def test_what_amazon_tells_people_in_words_is_taken_and_means_nothing(provider: Visitor) -> None:
    words = "Successfully validated SNS topic for Amazon SES event publishing."
    assert post_ses(provider, sns(words)) == 200
    address = {"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Confirm", "Token": "t"}
    assert post_ses(provider, sns("It was deactivated", "UnsubscribeConfirmation", **address)) == 200
    assert suppressions(provider) == []


def test_what_sendgrid_dropped_for_its_own_lists_is_suppressed_here_too(provider: Visitor) -> None:
    reasons = ["Bounced Address", "Spam Reporting Address", "Unsubscribed Address", "Content was blocked"]
    people = sent(provider, people=4)
    events = [
        {"event": "dropped", "reason": reason, "email": email, "smtp-id": message_id, "timestamp": 1}
        for (email, message_id), reason in zip(people, reasons, strict=True)
    ]
    assert post_sendgrid(provider, *events) == 200
    assert [reason for _, reason in suppressions(provider)] == [
        "invalid_address",
        "complaint",
        "unsubscribed",
    ]


def test_sess_own_id_is_not_taken_for_ours(provider: Visitor) -> None:
    [(email, _)] = sent(provider, people=1)
    told = bounce(email)
    told["mail"]["commonHeaders"] = {"messageId": told["mail"]["messageId"]}
    assert post_ses(provider, sns(told)) == 200
    assert suppressions(provider) == [(email, "invalid_address")]


def test_a_delay_is_noted(provider: Visitor) -> None:
    [(email, _)] = sent(provider, people=1)
    delay = {"delayedRecipients": [{"emailAddress": email, "status": "4.4.1"}], "delayType": "General"}
    assert post_ses(provider, sns({"eventType": "DeliveryDelay", "mail": {}, "deliveryDelay": delay})) == 200
    assert provider.world.query("SELECT kind, code FROM message_feedback") == [("deferred", "4.4.1")]

"""Whether a callback is the provider's: Amazon SNS signs with a certificate, SendGrid with a key of its own."""

import base64
import re
import urllib.request
from functools import lru_cache
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

FETCH_SECONDS = 5.0
LARGEST_CERTIFICATE = 20_000
_SNS_HOST = re.compile(r"sns\.[a-z0-9-]{1,30}\.amazonaws\.com(\.cn)?")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
    "UnsubscribeConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}


def is_sns_address(url: str) -> bool:
    """Whether this is an https address of Amazon SNS, and nothing that looks like one."""
    parts = urlsplit(url)
    return (
        parts.scheme == "https" and parts.netloc == parts.hostname and bool(_SNS_HOST.fullmatch(parts.netloc))
    )


def is_signed_by_sns(message: dict[str, str]) -> bool:
    """Whether Amazon SNS signed a message; its certificate is fetched from Amazon alone, and kept."""
    names = _SIGNED.get(message.get("Type", ""))
    url = message.get("SigningCertURL", "")
    if names is None or not is_sns_address(url):
        return False
    text = "".join(f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None)
    digest = hashes.SHA256() if message.get("SignatureVersion") == "2" else hashes.SHA1()  # noqa: S303
    try:
        key = _certificate(url).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(base64.b64decode(message.get("Signature", "")), text.encode(), padding.PKCS1v15(), digest)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, AssertionError, OSError):
        return False
    return True


def is_signed_by_sendgrid(public_key: str, signature: str, timestamp: str, body: bytes) -> bool:
    """Whether SendGrid signed the timestamp and the body; `public_key` is the one that its pages show."""
    try:
        key = serialization.load_der_public_key(base64.b64decode(public_key))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        key.verify(base64.b64decode(signature), timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, AssertionError):
        return False
    return True


@lru_cache(maxsize=8)
def _certificate(url: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(fetch(url))


def fetch(url: str) -> bytes:
    """A small document of Amazon SNS."""
    with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - is_sns_address was asked
        content: bytes = answer.read(LARGEST_CERTIFICATE)
    return content

"""Signed links of messages: each token is bound to one purpose and holds no address (SEMANTICS 3.6, 10.2)."""

import base64
import hmac
import json
from typing import Literal

from itsdangerous import BadSignature, Signer, URLSafeSerializer
from sqlalchemy import Connection

from include.db.queries import run_query
from include.errors import NotFound

Purpose = Literal["unsubscribe", "cancel", "confirm", "keep", "unsubscribe_report"]
LINK_PATH = "/l"
PURPOSES: tuple[Purpose, ...] = ("unsubscribe", "cancel", "confirm", "keep", "unsubscribe_report")


def sign_token(link_secret: str, purpose: Purpose, shop_id: str, target_id: int) -> str:
    """A token for a person (unsubscribe), a recipient of reports (unsubscribe_report) or a request (all others)."""
    return str(URLSafeSerializer(link_secret, salt=purpose).dumps([shop_id, target_id]))


def read_token(connection: Connection, purpose: Purpose, token: str) -> tuple[str, int]:
    """The shop and the id for which a token was signed; raises NotFound for one of another purpose or database."""
    secret = run_query(connection, "outbox.find_delivery").one().link_secret
    try:
        shop_id, target_id = URLSafeSerializer(secret, salt=purpose).loads(token)
    except BadSignature:
        raise NotFound(
            f"The {purpose.removesuffix('_report')} token is not one of this database. Copy it whole from the message."
        ) from None
    return str(shop_id), int(target_id)


class Links:
    """Signs what `read_token` reads as fast as a lane needs it; keys are derived once, not per message."""

    def __init__(self, link_secret: str, mailbox_address: str, intake_url: str | None = None) -> None:
        # Copies of keyed digests: hmac.digest looks its algorithm up and lets go of the interpreter each time.
        self._keyed = {
            purpose: hmac.new(Signer(link_secret, salt=purpose).derive_key(), digestmod="sha1")
            for purpose in PURPOSES
        }
        self._mailto = f"mailto:{mailbox_address}?subject="
        self._door = f"{intake_url}{LINK_PATH}/" if intake_url else None

    def link_for(self, purpose: Purpose, shop_id: str, target_id: int) -> str:
        """The link of one purpose: to the door where there is one, else a mailto: link."""
        token = self.sign(purpose, shop_id, target_id)
        return f"{self._door}{purpose}/{token}" if self._door else f"{self._mailto}{purpose}%20{token}"

    def ways_to_unsubscribe(
        self, shop_id: str, target_id: int, purpose: Purpose = "unsubscribe"
    ) -> tuple[str, ...]:
        """What List-Unsubscribe holds: the door's link first, and always an address to write to."""
        mailto = f"{self._mailto}{purpose}%20{self.sign(purpose, shop_id, target_id)}"
        return (self.link_for(purpose, shop_id, target_id), mailto) if self._door else (mailto,)

    def sign(self, purpose: Purpose, shop_id: str, target_id: int) -> str:
        """The token."""
        payload = _url_safe(f"[{json.dumps(shop_id)},{target_id}]".encode())
        signature = self._keyed[purpose].copy()
        signature.update(payload.encode())
        return f"{payload}.{_url_safe(signature.digest())}"


def _url_safe(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

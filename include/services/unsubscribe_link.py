"""Unsubscribe links as fast as a lane needs them."""

import base64
import hmac
import json

from itsdangerous import Signer

from include.services.requests import UNSUBSCRIBE_SALT


class UnsubscribeLinks:
    """Signs what `requests.unsubscribe` takes; the key is derived once, not per message as itsdangerous does."""

    def __init__(self, link_secret: str, mailbox_address: str) -> None:
        # A copy of a keyed digest: hmac.digest looks its algorithm up and lets go of the interpreter each time.
        self._keyed = hmac.new(Signer(link_secret, salt=UNSUBSCRIBE_SALT).derive_key(), digestmod="sha1")
        self._start = f"mailto:{mailbox_address}?subject=unsubscribe%20"

    def link_for(self, shop_id: str, profile_id: int) -> str:
        """The mailto: link of one person of one shop."""
        return self._start + self.sign(shop_id, profile_id)

    def sign(self, shop_id: str, profile_id: int) -> str:
        """The token: no address, bound to its purpose."""
        payload = _url_safe(f"[{json.dumps(shop_id)},{profile_id}]".encode())
        signature = self._keyed.copy()
        signature.update(payload.encode())
        return f"{payload}.{_url_safe(signature.digest())}"


def _url_safe(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

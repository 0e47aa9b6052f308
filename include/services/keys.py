"""Keys of the door: company ids for browsers, private keys for servers, each of one shop."""

import hashlib
import hmac
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row

from include.db.queries import run_query
from include.errors import NotFound
from include.services.shops import require_shop

KeyKind = Literal["public", "private"]
PRIVATE_PREFIX = "pk_"
LONGEST_KEY = 100
_ALPHABET = string.ascii_letters + string.digits
_PUBLIC_LENGTH, _PRIVATE_LENGTH = 12, 43
_HINT_LENGTH = 7


@dataclass(frozen=True)
class Key:
    """Whose key somebody holds, and what it may do."""

    shop_id: str
    key_id: int
    kind: KeyKind
    origins: tuple[str, ...]
    rate_factor: float


def create_key(
    engine: Engine,
    shop_id: str,
    kind: KeyKind,
    now: datetime,
    origins: Sequence[str] = (),
    rate_factor: float = 1.0,
) -> str:
    """A new key; it is stored as a digest, so this is the only time that it is seen."""
    length = _PUBLIC_LENGTH if kind == "public" else _PRIVATE_LENGTH
    key = "".join(secrets.choice(_ALPHABET) for _ in range(length))
    key = key if kind == "public" else PRIVATE_PREFIX + key
    with engine.begin() as connection:
        require_shop(connection, shop_id)
        run_query(
            connection,
            "key.insert_key",
            shop_id=shop_id,
            kind=kind,
            key_digest=digest_key(key),
            hint=key[:_HINT_LENGTH] if kind == "private" else key,
            origins=list(origins),
            rate_factor=rate_factor,
            now=now,
        )
    return key


def list_keys(engine: Engine, shop_id: str | None) -> Sequence[Row[Any]]:
    """The keys of a shop, or of all, revoked ones too; raises NotFound."""
    with engine.connect() as connection:
        if shop_id is not None:
            require_shop(connection, shop_id)
        return run_query(connection, "key.list_keys", shop_id=shop_id).all()


def revoke_key(engine: Engine, shop_id: str, key_id: int, now: datetime) -> None:
    """End a key; processes of the door notice within a second. Raises NotFound."""
    with engine.begin() as connection:
        gone = run_query(connection, "key.revoke_key", shop_id=shop_id, key_id=key_id, now=now).one_or_none()
    if gone is None:
        raise NotFound(
            f"Shop '{shop_id}' has no key {key_id} that is in use. `restock keys list` shows them."
        )


def find_key(connection: Connection, presented: str, kind: KeyKind) -> Key | None:
    """Whose key this is; None for one that is unknown, revoked, cut short or of the other kind.

    Only digests are compared: how far a guess agrees with a key tells in no answer's time.
    """
    digest = digest_key(presented)
    row = run_query(connection, "key.find_key", key_digest=digest).one_or_none()
    if row is None or not hmac.compare_digest(bytes(row.key_digest), digest) or row.kind != kind:
        return None
    return Key(row.shop_id, row.key_id, row.kind, tuple(row.origins), row.rate_factor)


def digest_key(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()

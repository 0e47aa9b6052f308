"""Message-IDs that follow from the message's key."""

import hashlib


def derive_message_id(key: str, domain: str, installation: str = "") -> str:
    """The same key gives the same Message-ID, so that a mailbox can drop a repeated copy (SEMANTICS 6.3, 6.4).

    `installation` (the database's identity) keeps two installations with one domain and equal keys apart.
    """
    digest = hashlib.sha256(f"{installation}\n{key}".encode()).hexdigest()
    return f"<{digest[:40]}@{domain}>"

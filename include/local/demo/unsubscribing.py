"""Somebody of the script follows the unsubscribe link of the mail that came, as a mail program does."""

import urllib.request
from email import message_from_bytes, policy
from email.message import EmailMessage

from include.local.demo.theatre import DemoFailed, Theatre


def unsubscribe_by_mail(theatre: Theatre, email: str) -> str:
    """Post to the link in the List-Unsubscribe header of the person's mail: one click (RFC 8058)."""
    for path in sorted(theatre.mailbox.glob("*.eml")):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        if mail["To"] == email:
            _click(_link_of(mail))
            return (
                f"The reader of {path.name} unsubscribes by its link; another request of hers is still open."
            )
    raise DemoFailed(f"No mail to the reader who unsubscribes is in {theatre.mailbox}.")


def _click(link: str) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(urllib.request.Request(link, b"List-Unsubscribe=One-Click"), timeout=20):  # noqa: S310
        pass


def _link_of(mail: EmailMessage) -> str:
    return str(mail["List-Unsubscribe"]).split(",")[0].strip().strip("<>")

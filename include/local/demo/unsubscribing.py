"""Somebody of the script follows the unsubscribe link of the mail that came."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from urllib.parse import parse_qs, urlsplit

from include.local.demo.theatre import DemoFailed, Theatre
from include.services.requests import unsubscribe


def unsubscribe_by_mail(theatre: Theatre, email: str) -> str:
    """Honour the List-Unsubscribe header of the person's mail, as `restock unsubscribe TOKEN` does."""
    for path in sorted(theatre.mailbox.glob("*.eml")):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        if mail["To"] == email:
            unsubscribe(theatre.engine, _token_of(mail), datetime.now(UTC))
            return (
                f"The reader of {path.name} unsubscribes by its link; another request of hers is still open."
            )
    raise DemoFailed(f"No mail to the reader who unsubscribes is in {theatre.mailbox}.")


def _token_of(mail: EmailMessage) -> str:
    link = urlsplit(str(mail["List-Unsubscribe"]).split(",")[0].strip().strip("<>"))
    return parse_qs(link.query)["subject"][0].removeprefix("unsubscribe ")

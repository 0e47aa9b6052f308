"""A report mail as the bytes that leave: text and HTML, a picture inside, a file attached."""

from collections.abc import Sequence
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from typing import NamedTuple

from include.messaging.address import Mailbox, ascii_domain_address
from include.messaging.render.library import RenderedEmail

# Reports are few: the standard library builds them, the skeleton of mime.py is for masses.
_POLICY = policy.SMTP.clone(max_line_length=78)


class Part(NamedTuple):
    """A picture or file of a mail."""

    file_name: str
    content: bytes


def build_report_message(
    rendered: RenderedEmail,
    *,
    key: str,
    message_id: str,
    sender: Mailbox,
    recipient: str,
    date: datetime,
    list_unsubscribe: Sequence[str],
    picture: Part | None,
    picture_id: str,
    file: Part | None,
) -> bytes:
    """The whole message with CRLF line ends; the same arguments give the same bytes. Raises AddressRefused."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = Address(sender.name, addr_spec=ascii_domain_address(sender.address))
    mail["To"] = Address(addr_spec=ascii_domain_address(recipient))
    mail["Subject"] = rendered.subject
    mail["Date"] = date
    mail["Message-ID"] = message_id
    mail["X-Restock-Message"] = key
    mail["Auto-Submitted"] = "auto-generated"
    mail["List-Unsubscribe"] = ", ".join(f"<{link}>" for link in list_unsubscribe)
    if any(link.startswith("https:") for link in list_unsubscribe):
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(rendered.text)
    mail.add_alternative(rendered.html, subtype="html")
    if picture is not None:
        body = mail.get_body(("html",))
        assert isinstance(body, EmailMessage)
        body.add_related(
            picture.content,
            maintype="image",
            subtype="png",
            cid=f"<{picture_id}>",
            filename=picture.file_name,
            disposition="inline",
        )
    if file is not None:
        mail.add_attachment(file.content, maintype="text", subtype="csv", filename=file.file_name)
    _name_boundaries(mail)
    return mail.as_bytes()


def _name_boundaries(mail: EmailMessage) -> None:
    """By place instead of by chance."""
    for number, part in enumerate(mail.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_restock_report_{number}")

"""What one lane of `dispatch_messages` is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import get_current_context

from include.errors import ConfigurationError
from include.orchestration.connections import SMS, open_database, sms_account, smtp_settings
from include.settings import load_settings

if TYPE_CHECKING:
    from include.services.dispatch import Lane


@contextmanager
def open_email_lane(number: int) -> Iterator["Lane"]:
    """A lane with an SMTP connection of its own, for the running task.

    Its name is new for every attempt: what a killed attempt had claimed is not this one's.
    """
    from include.messaging.render.library import built_in_library
    from include.messaging.senders.file import FileSender
    from include.messaging.senders.smtp import SmtpSender
    from include.services.dispatch import Lane

    settings = load_settings()
    account = smtp_settings()
    with open_database() as engine:
        yield Lane(
            engine=engine,
            name=_lane_name("lane", number),
            sender=SmtpSender(account),
            recorder=FileSender(settings.var_folder / "recorded"),
            mailbox=account.mailbox,
            templates=built_in_library(),
            clock=_now,
            journals=settings.journals_folder,
            intake_url=settings.intake_url,
        )


@contextmanager
def open_sms_lane(number: int) -> Iterator["Lane | None"]:
    """A lane with the SMS provider's account; None where there is no account and no SMS waits.

    Raises ConfigurationError where SMS wait for an account that does not exist.
    """
    from include.messaging.address import Mailbox
    from include.messaging.render.library import built_in_library
    from include.messaging.senders.file import FileSender
    from include.messaging.senders.sms import SmsSender
    from include.services.channels import count_due
    from include.services.dispatch import Lane

    settings, account = load_settings(), sms_account()
    with open_database() as engine:
        if account is None:
            if waiting := count_due(engine, "SMS", _now()):
                raise ConfigurationError(
                    f"{waiting} SMS wait, and there is no Connection {SMS}. Create it under Admin > Connections, or "
                    "set the flows' send_sms steps to draft."
                )
            yield None
            return
        yield Lane(
            engine=engine,
            name=_lane_name("SMS lane", number),
            sender=SmsSender(account, _now),
            recorder=FileSender(settings.var_folder / "recorded", ".sms.txt"),
            mailbox=Mailbox(account.sender),
            templates=built_in_library(),
            clock=_now,
            channel="SMS",
            journals=settings.journals_folder,
        )


def _lane_name(kind: str, number: int) -> str:
    task_instance = get_current_context()["ti"]
    return f"{task_instance.run_id}, {kind} {number}, try {task_instance.try_number}"


def _now() -> datetime:
    return datetime.now(UTC)

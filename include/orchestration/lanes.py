"""What one lane of `dispatch_messages` is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import get_current_context

from include.orchestration.connections import open_database, smtp_settings
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

    task_instance, settings = get_current_context()["ti"], load_settings()
    account = smtp_settings()
    with open_database() as engine:
        yield Lane(
            engine=engine,
            name=f"{task_instance.run_id}, lane {number}, try {task_instance.try_number}",
            sender=SmtpSender(account),
            recorder=FileSender(settings.var_folder / "recorded"),
            mailbox=account.mailbox,
            templates=built_in_library(),
            clock=lambda: datetime.now(UTC),
            journals=settings.journals_folder,
        )

"""What one lane of the dispatch works with."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from include.messaging.address import Mailbox
from include.messaging.render.library import TemplateLibrary
from include.messaging.senders.base import Sender

COUNTED = ("sent", "recorded", "failed", "skipped", "later", "in_doubt")


@dataclass
class Lane:
    """One worker's way out; `recorder` takes what must not be handed to the provider (SEMANTICS 6.6).

    `journals` is the folder of journals on this machine; None works without: then `marks_every` alone bounds
    what a kill leaves in doubt (SEMANTICS 6.3). `pause` waits for a rate limit.
    `intake_url` is where the links of mails lead; without it they are addresses to write to.
    """

    engine: Engine
    name: str
    sender: Sender
    recorder: Sender
    mailbox: Mailbox
    templates: TemplateLibrary
    clock: Callable[[], datetime]
    channel: str = "EMAIL"
    journals: Path | None = None
    marks_every: timedelta = timedelta(milliseconds=50)
    pause: Callable[[float], None] = time.sleep
    intake_url: str | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def summary(self) -> dict[str, int]:
        """Messages by outcome so far."""
        return {name: self.counts[name] for name in COUNTED}

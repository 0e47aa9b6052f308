"""That operators are told of a failure once in a while, and not only in vain."""

from __future__ import annotations

import socket
from datetime import timedelta

from include.services.notices import may_notify
from include.services.operators import Notice, Operators, tell
from tests.builders import World

NOTICE = Notice("failed:reports", "failed:reports:1", "reports.plan failed", ["It failed."])


def test_a_notice_that_reached_nobody_does_not_silence_the_next(world: World, database_url: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        slack = f"http://127.0.0.1:{nobody.getsockname()[1]}/hook"
        operators = Operators(slack_url=slack, database_url=database_url)
        assert tell(operators, NOTICE, world.now) == []
    assert may_notify(world.engine, NOTICE.subject, world.now + timedelta(minutes=1))
    assert not may_notify(world.engine, NOTICE.subject, world.now + timedelta(minutes=2))

from collections.abc import Iterator

import pytest

from tests.fixtures.smtp_server import ScriptedSmtpServer


@pytest.fixture(params=["pipelining", "one by one"])
def server(request) -> Iterator[ScriptedSmtpServer]:
    extensions = ("PIPELINING", "SIZE 100000000", "8BITMIME") if request.param == "pipelining" else ()
    with ScriptedSmtpServer(extensions) as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []

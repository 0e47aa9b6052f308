"""What this process writes together, per kind."""

from collections.abc import Sequence

from starlette.requests import Request

from include.domain.webhook import Delivery
from include.intake.door import Door
from include.intake.together import Together
from include.services.asking import Asked, Outcome, ask_together
from include.services.events import Event, record_events
from include.services.webhooks import keep_deliveries


class Writers:
    """One gathering per kind of writing."""

    def __init__(self, door: Door) -> None:
        self.requests: Together[Asked, Outcome] = Together(
            door, "requests", lambda shop_id, asked: ask_together(door.engine, shop_id, asked, door.clock())
        )
        self.webhooks: Together[Delivery, bool] = Together(
            door, "webhooks", lambda shop_id, told: keep_deliveries(door.engine, shop_id, told, door.clock())
        )
        self.events: Together[Event, None] = Together(
            door, "events", lambda shop_id, events: _record(door, shop_id, events)
        )


def _record(door: Door, shop_id: str, events: Sequence[Event]) -> list[None]:
    with door.engine.begin() as connection:
        record_events(connection, shop_id, events, door.clock())
    return [None] * len(events)


def writers_of(request: Request) -> Writers:
    """The writers of the process that serves a request."""
    writers: Writers = request.app.state.writers
    return writers

"""What this process writes together, per kind."""

from starlette.requests import Request

from include.domain.webhook import Delivery
from include.intake.door import Door
from include.intake.together import Together
from include.services.asking import Answer, Asked, ask_together
from include.services.webhooks import keep_deliveries


class Writers:
    """One gathering per kind of writing."""

    def __init__(self, door: Door) -> None:
        self.requests: Together[Asked, Answer] = Together(
            door, "requests", lambda shop_id, asked: ask_together(door.engine, shop_id, asked, door.clock())
        )
        self.webhooks: Together[Delivery, bool] = Together(
            door, "webhooks", lambda shop_id, told: keep_deliveries(door.engine, shop_id, told, door.clock())
        )


def writers_of(request: Request) -> Writers:
    """The writers of the process that serves a request."""
    writers: Writers = request.app.state.writers
    return writers

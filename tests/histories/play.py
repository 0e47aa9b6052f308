"""Plays a story on the real services and on the model, and compares them after every tick."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any
from unittest.mock import patch

from include.domain.request import Request, fold_email
from include.domain.rules import RuleSet
from include.domain.variant_rules import VariantRules
from include.domain.window import Window
from include.errors import SnapshotRefused
from include.messaging.senders.base import Envelope, Outcome
from include.services import catalog
from include.services.requests import cancel_request, take_requests
from tests.builders import Mailbin, RowsConnector, World, a_row
from tests.histories.model import Model, Shelf
from tests.histories.story import Ask, Story, Tick


class Killed(Exception):
    """The process died here."""


class Play:
    """One story on one database."""

    def __init__(self, world: World, story: Story, rules: RuleSet, others: Sequence[VariantRules]) -> None:
        self.world = world
        self.story = story
        self.model = Model(rules, world.value("SELECT max_stock_age FROM shop"))
        own = dict(zip(story.variants, cycle([rules, *others]), strict=False))
        self.model.shelves = {variant: Shelf(own[variant]) for variant in story.variants}
        self.late: list[tuple[Window, RowsConnector, Tick, datetime]] = []
        world.use_flow()
        overrides = [
            {"variant": variant, "rules": rule_values(their)}
            for variant, their in own.items()
            if their is not rules
        ]
        world.set_rules(**rules.model_dump() | {"rule_overrides": overrides})

    def run(self) -> None:
        """All ticks, then one in which everything that is late arrives."""
        for number, tick in enumerate(self.story.ticks):
            self._play(tick, number)
            self._compare(f"tick {number} of story {self.story.seed}")
        self._read_late()
        self.world.pass_time(minutes=1)  # whom those in flight held up is looked at again after a minute
        self.world.release()
        self.world.move()
        self.model.release(self.world.now)
        self._compare(f"after the late pulls of story {self.story.seed}")

    def _play(self, tick: Tick, number: int) -> None:
        world, model = self.world, self.model
        self._pull(tick)
        world.pass_time(seconds=1)
        self._take(tick)
        with self._dying("include.services.release.wake", tick.crash == "release"):
            world.release(f"tick {number}")
        world.release(f"tick {number}")
        model.release(world.now)
        with self._dying("include.services.flows.wake", tick.crash == "move"):
            world.move()
        world.move()
        if tick.crash == "dead lane" or tick.is_outage:
            if tick.crash == "dead lane":
                world.claim(f"dead lane {number}", tick.crash_after + 1)
        else:
            self._send(tick)
        world.pass_time(minutes=tick.quiet_minutes)

    def _send(self, tick: Tick) -> None:
        # One claim takes all that is due: what is skipped in one claim makes room in the next.
        with patch("include.services.dispatch.FIRST_CLAIM", 10_000):
            self._send_all(tick)

    def _send_all(self, tick: Tick) -> None:
        world = self.world
        before = len(world.mail.envelopes)
        world.mail.answers = {person: Outcome("temporary", "450", "later") for person in tick.temporary}
        if tick.crash == "dispatch":
            usual, world.mail = world.mail, DyingMailbin(world.mail, tick.crash_after)
            with contextlib.suppress(Killed):
                world.dispatch("lane that dies")
            world.mail = usual
        world.dispatch()
        expected = Counter(self.model.dispatch(tick.temporary, world.now))
        assert Counter(world.mail.recipients[before:]) == expected

    def _pull(self, tick: Tick) -> None:
        window = self.world.next_window()
        rows = [a_row(variant, level) for variant, level in tick.levels.items()]
        if tick.pull == "late":
            connector = RowsConnector(rows)
            given = (self.world.engine, self.world.shop, connector, self.world.folder, window)
            catalog.pull_window(*given, self.world.now)
            self.late.append((window, connector, tick, self.world.now))
        elif tick.pull == "refused":
            variant = self.story.variants[0]
            with contextlib.suppress(SnapshotRefused):
                self.world.sync(*rows, a_row(variant, 1), a_row(variant, 2), window=window)
                raise AssertionError("taken although two rows contradict each other")
            self.model.refused_at = self.world.now
        elif tick.pull == "good":
            with self._dying("include.services.changes.wake", tick.crash == "detect"):
                self.world.sync(*rows, window=window)
            self.world.sync(*rows, window=window)
            self.model.observe(tick.levels, self.world.now)

    def _take(self, tick: Tick) -> None:
        for email, variant_id in tick.cancelled:
            self.model.cancel(email, variant_id)
            self._cancel(email, variant_id)
        self.model.suppressed.update(tick.unsubscribed)
        for email in tick.unsubscribed:
            self._suppress(email)
        for needs_restock in (False, True):
            asks = [ask for ask in tick.asks if ask.needs_restock is needs_restock]
            for ask in asks:
                self.model.ask(ask, self._asked_at(ask), self.world.now)
            with self.world.engine.begin() as connection:
                source, in_stock = ("import", "next_restock") if needs_restock else ("api", "notify")
                take_requests(
                    connection,
                    self.world.shop.id,
                    [self._request(a) for a in asks],
                    source,
                    in_stock,
                    self.world.now,
                )

    def _asked_at(self, ask: Ask) -> datetime:
        return self.world.now - timedelta(seconds=1) + timedelta(microseconds=ask.position)

    def _request(self, ask: Ask) -> Request:
        return Request(ask.email, fold_email(ask.email), ask.variant_id, self._asked_at(ask))

    def _cancel(self, email: str, variant_id: str) -> None:
        for (subscription_id,) in self.world.query(
            "SELECT subscription_id FROM subscription JOIN profile USING (shop_id, profile_id)"
            " WHERE email = :email AND variant_id = :variant AND state IN ('waiting', 'released')",
            email=email,
            variant=variant_id,
        ):
            cancel_request(self.world.engine, self.world.shop.id, subscription_id, self.world.now)

    def _suppress(self, email: str) -> None:
        with self.world.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO suppression VALUES (%s, 'EMAIL', %s, 'unsubscribed', %s) ON CONFLICT DO NOTHING",
                (self.world.shop.id, fold_email(email), self.world.now),
            )

    @contextlib.contextmanager
    def _dying(self, place: str, is_dying: bool) -> Iterator[None]:
        """Where it dies, everything of its transaction is gone; then it is done again."""
        if not is_dying:
            yield
            return
        with patch(place, side_effect=Killed), contextlib.suppress(Killed):
            yield

    def _read_late(self) -> None:
        for window, connector, tick, observed_at in reversed(self.late):
            given = (self.world.engine, self.world.shop, connector, self.world.folder, window)
            loaded = catalog.load_snapshot(*given, self.world.now)
            catalog.detect_changes(*given, loaded["snapshot_id"], self.world.now)
            self.model.observe(tick.levels, observed_at)

    def _compare(self, moment: str) -> None:
        shelves = {
            row.variant_id: (row.is_open, row.units, row.next_release_at, row.cycle)
            for row in self.world.query(
                "SELECT variant_id, is_open, units, next_release_at, cycle FROM variant_stock"
            )
        }
        expected = {
            variant: (shelf.is_open, shelf.units, shelf.next_release_at, shelf.event_count)
            for variant, shelf in self.model.shelves.items()
        }
        _expect_none(differences(shelves, expected), moment)
        states = {
            (row.email, row.variant_id, row.subscribed_at): row.state
            for row in self.world.query(
                "SELECT email, variant_id, subscribed_at, state"
                " FROM subscription JOIN profile USING (shop_id, profile_id)"
            )
        }
        wanted = {(want.email, want.variant_id, want.asked_at): want.state for want in self.model.wants}
        _expect_none(differences(states, wanted), moment)


class DyingMailbin(Mailbin):
    """Hands over some messages to another bin, then its process dies with one in its hands."""

    def __init__(self, bin: Mailbin, left: int) -> None:
        super().__init__(bin.answers)
        self.envelopes = bin.envelopes
        self.left = left

    def send(self, batch: Iterable[Envelope]) -> Iterator[tuple[Envelope, Outcome]]:
        """See Mailbin."""
        for envelope in batch:
            if self.left == 0:
                self.leaving(envelope)
                raise Killed
            self.left -= 1
            yield from super().send([envelope])


def rule_values(rules: VariantRules) -> dict[str, Any]:
    """The rules that were given, also those that are the default."""
    return rules.model_dump(mode="json", exclude_unset=True)


def differences(actual: dict[Any, Any], expected: dict[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """What is not as expected: key -> (actual, expected); the first ten."""
    keys = [key for key in {**expected, **actual} if actual.get(key) != expected.get(key)]
    return {key: (actual.get(key), expected.get(key)) for key in keys[:10]}


def _expect_none(found: dict[Any, tuple[Any, Any]], moment: str) -> None:
    lines = "".join(f"\n{key}: is {actual}, expected {expected}" for key, (actual, expected) in found.items())
    assert not found, f"{moment}, which the reference model sees otherwise: {lines}"

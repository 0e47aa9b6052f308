"""Random stories of a shop: what its stock does, who asks, and what goes wrong. No rule stands here."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

VARIANT_COUNT = 100
TICK_COUNT = 14
PEOPLE = [f"person{number:02}@example.org" for number in range(14)]


@dataclass
class Ask:
    """Somebody asks to be told about a variant; `needs_restock` means the next restock only."""

    email: str
    variant_id: str
    needs_restock: bool
    position: int


@dataclass
class Tick:
    """One interval of the shop."""

    pull: str  # good | refused | missed | late: archived in time, read only in the end
    levels: dict[str, float]
    asks: list[Ask]
    cancelled: list[tuple[str, str]]
    unsubscribed: list[str]
    is_outage: bool
    crash: str | None  # detect | release | move | dispatch | dead lane
    crash_after: int
    temporary: set[str]
    quiet_minutes: int


@dataclass
class Story:
    """All ticks; a variant that a tick's levels lack is absent from that pull."""

    seed: int
    variants: list[str]
    ticks: list[Tick] = field(default_factory=list)


def tell_story(seed: int, variant_count: int = VARIANT_COUNT, tick_count: int = TICK_COUNT) -> Story:
    """The same seed tells the same story."""
    chance = Random(seed)
    story = Story(seed, [f"V{number:03}" for number in range(variant_count)])
    levels: dict[str, float] = dict.fromkeys(story.variants, 0)
    for number in range(tick_count):
        levels = {variant: _next_level(chance, level) for variant, level in levels.items()}
        story.ticks.append(_tick(chance, story.variants, levels, is_first=number == 0))
    dead_lanes = [tick for tick in story.ticks if tick.crash == "dead lane"]
    for tick in dead_lanes[1:]:  # in doubt again and again, a message is held for a person
        tick.crash = None
    return story


def _next_level(chance: Random, level: float) -> float:
    draw = chance.random()
    if draw < 0.5:
        return level
    if draw < 0.65:
        return chance.choice([0, 0, 0, -2, 0.5])
    if draw < 0.9:
        return max(0, level - chance.randint(0, 2))
    return level + chance.choice([1, 1, 2, 3, 5, 0.5])


def _tick(chance: Random, variants: list[str], levels: dict[str, float], is_first: bool) -> Tick:
    pull = "good" if is_first else chance.choices(["good", "refused", "missed", "late"], [80, 6, 7, 7])[0]
    seen = {variant: level for variant, level in levels.items() if is_first or chance.random() > 0.04}
    asks = [
        Ask(chance.choice(PEOPLE), chance.choice(variants), chance.random() < 0.15, position)
        for position in range(chance.randint(0, 4 * len(variants)))
    ]
    return Tick(
        pull=pull,
        levels=seen,
        asks=asks,
        cancelled=[(chance.choice(PEOPLE), chance.choice(variants)) for _ in range(chance.randint(0, 10))],
        unsubscribed=[chance.choice(PEOPLE)] if chance.random() < 0.1 else [],
        is_outage=chance.random() < 0.15,
        crash=chance.choice([None, None, "detect", "release", "move", "dispatch", "dead lane"]),
        crash_after=chance.randint(0, 40),
        temporary={person for person in PEOPLE if chance.random() < 0.05},
        quiet_minutes=chance.choice([0, 0, 0, 0, 15, 30, 90, 720]),
    )

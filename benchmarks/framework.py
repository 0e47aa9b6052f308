"""Measures ours against a floor in the same run, in turns, and keeps the figures.

A benchmark is registered when its module is imported; `python -m benchmarks [NAME …]` runs them:

    register("render", ours, floor, target_ratio=1.4, unit="s", about="One mail, whole, against its template.")

`ours` and `floor` do the work once and answer with its seconds (`unit="s"`, the ratio should stay below the
target) or its rate (any unit that ends in "/s", the ratio should stay above), or with a tuple of that and more
facts, `(1.9, {"peak_mb": 38})`. What they share is opened by `prepare`, a context manager whose value they are
given then. A missing tool is told by raising Skipped.
"""

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

Figure = float | tuple[float, Mapping[str, float]]
Side = Callable[..., Figure]
ROUNDS = 5


class Skipped(Exception):
    """This benchmark can't run here; the text says what is missing and how to get it."""


@dataclass(frozen=True)
class Benchmark:
    """Two callables to compare and the ratio that is asked of them."""

    name: str
    ours: Side
    floor: Side
    target_ratio: float
    unit: str
    about: str = ""
    prepare: Callable[[], AbstractContextManager[Any]] | None = None
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_rate(self) -> bool:
        return self.unit.endswith("/s")


benchmarks: dict[str, Benchmark] = {}


def register(
    name: str,
    ours: Side,
    floor: Side,
    target_ratio: float,
    unit: str,
    *,
    about: str = "",
    prepare: Callable[[], AbstractContextManager[Any]] | None = None,
    limits: Mapping[str, float] | None = None,
) -> None:
    """Make a benchmark known; `about` is its paragraph in docs/performance.md, `limits` bounds facts of ours."""
    if name in benchmarks:
        raise ValueError(f"Two benchmarks are called '{name}'.")
    benchmarks[name] = Benchmark(name, ours, floor, target_ratio, unit, about, prepare, limits or {})


def measure(
    benchmark: Benchmark, rounds: int = ROUNDS, tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """Run both sides in turns; who begins changes with each round, so that neither always meets warm caches."""
    if benchmark.prepare is None:
        return _measure(benchmark, (), rounds, tell)
    with benchmark.prepare() as prepared:
        return _measure(benchmark, (prepared,), rounds, tell)


def _measure(
    benchmark: Benchmark, given: tuple[Any, ...], rounds: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    ours: list[float] = []
    floor: list[float] = []
    facts: dict[str, list[float]] = {}
    loads = [os.getloadavg()[0]]
    for number in range(rounds):
        sides = [(benchmark.ours, ours, facts), (benchmark.floor, floor, {})]
        for side, figures, known in sides if number % 2 == 0 else reversed(sides):
            value, more = _split(side(*given))
            figures.append(value)
            for name, fact in more.items():
                known.setdefault(name, []).append(fact)
        loads.append(os.getloadavg()[0])
        tell(
            f"{benchmark.name} {number + 1}/{rounds}: ours {ours[-1]:,.6g} {benchmark.unit}, "
            f"floor {floor[-1]:,.6g} {benchmark.unit}, ratio {ours[-1] / floor[-1]:.2f}"
        )
    return _summarize(benchmark, ours, floor, facts) | {"load_average": _spread(loads)}


def _split(figure: Figure) -> tuple[float, Mapping[str, float]]:
    return figure if isinstance(figure, tuple) else (figure, {})


def _summarize(
    benchmark: Benchmark, ours: Sequence[float], floor: Sequence[float], facts: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    ratios = _spread([mine / least for mine, least in zip(ours, floor, strict=True)])
    known = {name: _spread(values) for name, values in sorted(facts.items())}
    missed = [name for name, limit in benchmark.limits.items() if known[name]["max"] > limit]
    is_fast = (
        ratios["median"] >= benchmark.target_ratio
        if benchmark.is_rate
        else ratios["median"] <= benchmark.target_ratio
    )
    return {
        "unit": benchmark.unit,
        "target_ratio": benchmark.target_ratio,
        "rounds": len(ours),
        "ours": _spread(ours),
        "floor": _spread(floor),
        "ratio": ratios,
        "facts": known,
        "limits": dict(benchmark.limits),
        "is_met": is_fast and not missed,
        "about": benchmark.about,
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}",
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: float(f"{value:.6g}") for name, value in figures.items()}

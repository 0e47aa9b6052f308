from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import debian_tools, results
from benchmarks.debian_tools import find_tool
from benchmarks.framework import Benchmark, Skipped, benchmarks, measure, register
from benchmarks.results import PAGE, page_of, read_notes, read_results


def silent(_: str) -> None:
    pass


def a_benchmark(ours: Any, floor: Any, **changes: Any) -> Benchmark:
    known = {"name": "made_up", "target_ratio": 2.0, "unit": "s", "about": "Two made-up sides."}
    return Benchmark(ours=ours, floor=floor, **{**known, **changes})


def answers(*figures: Any) -> Any:
    given = iter(figures)
    return lambda: next(given)


def test_seconds_meet_their_target_from_below() -> None:
    assert measure(a_benchmark(lambda: 3.9, lambda: 2.0), 1, silent)["is_met"]
    assert not measure(a_benchmark(lambda: 4.1, lambda: 2.0), 1, silent)["is_met"]


def test_rates_meet_their_target_from_above() -> None:
    fast = a_benchmark(lambda: 700.0, lambda: 1000.0, unit="mails/s", target_ratio=0.6)
    slow = a_benchmark(lambda: 500.0, lambda: 1000.0, unit="mails/s", target_ratio=0.6)
    assert measure(fast, 1, silent)["is_met"]
    assert not measure(slow, 1, silent)["is_met"]


def test_the_ratio_is_that_of_the_same_round_and_its_median_counts() -> None:
    result = measure(a_benchmark(answers(1.0, 30.0, 2.0), answers(1.0, 10.0, 1.0)), 3, silent)
    assert result["ratio"] == {"median": 2.0, "min": 1.0, "max": 3.0}
    assert result["ours"] == {"median": 2.0, "min": 1.0, "max": 30.0}
    assert result["is_met"]


def test_a_limit_that_one_round_breaks_is_missed_whatever_the_ratio() -> None:
    ours = answers((1.0, {"peak_mb": 90}), (1.0, {"peak_mb": 101}), (1.0, {"peak_mb": 80}))
    result = measure(a_benchmark(ours, lambda: 1.0, limits={"peak_mb": 100}), 3, silent)
    assert result["facts"]["peak_mb"] == {"median": 90, "min": 80, "max": 101}
    assert not result["is_met"]


def test_sides_take_turns_in_beginning_and_share_what_was_prepared() -> None:
    seen: list[str] = []

    @contextmanager
    def prepare() -> Iterator[str]:
        seen.append("open")
        yield "place"
        seen.append("close")

    def side(name: str) -> Any:
        return lambda place: seen.append(f"{name} {place}") or 1.0

    measure(a_benchmark(side("ours"), side("floor"), prepare=prepare), 2, silent)
    assert seen == ["open", "ours place", "floor place", "floor place", "ours place", "close"]


def test_two_benchmarks_of_one_name_are_refused() -> None:
    command.register_all()
    with pytest.raises(ValueError, match="render"):
        register("render", lambda: 1.0, lambda: 1.0, 1.0, "s")


def test_a_skipped_benchmark_is_told_loudly_and_leaves_the_known_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def skip() -> float:
        raise Skipped("smtp-source is missing. Install postfix.")

    monkeypatch.setitem(benchmarks, "made_up", a_benchmark(skip, lambda: 1.0))
    monkeypatch.setattr(command, "store", lambda found: pytest.fail("nothing was measured"))
    assert command.run("made_up", 1) == 2
    assert capsys.readouterr().err == "SKIPPED made_up: smtp-source is missing. Install postfix.\n"


def test_a_missing_tool_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESTOCK_VAR", str(tmp_path))
    monkeypatch.setattr(debian_tools, "PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Skipped, match="Install postfix, or let `apt-get download postfix` work"):
        find_tool("smtp-source", "postfix")


def test_a_tool_of_this_machine_is_taken_before_a_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "smtp-source").touch()
    monkeypatch.setattr(debian_tools, "PLACES", (str(tmp_path),))
    assert find_tool("smtp-source", "postfix").path == tmp_path / "smtp-source"


def test_the_page_shows_figures_target_verdict_and_note() -> None:
    rate = a_benchmark(lambda: (500.0, {"cpu_us": 20}), lambda: 1000.0, unit="mails/s", target_ratio=0.6)
    page = page_of({"made_up": measure(rate, 1, silent)}, {"made_up": "Rendering takes half of it."})
    assert (
        "| made_up | 500 mails/s [500-500] | 1,000 mails/s [1,000-1,000] | 0.5 [0.5-0.5] | ≥ 0.6 | **no** |"
        in page
    )
    assert "## made_up\n\nTwo made-up sides.\nAlso measured: cpu_us 20 [20-20].\n" in page
    assert page.endswith("\n\nRendering takes half of it.\n")


def test_new_figures_join_the_known_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(results, "PAGE", tmp_path / "docs" / "performance.md")
    for name in ("second", "first"):
        results.store({name: measure(a_benchmark(lambda: 1.0, lambda: 1.0), 1, silent)})
    assert list(read_results()) == ["first", "second"]
    page = (tmp_path / "docs" / "performance.md").read_text()
    assert "## first" in page and "## second" in page


def test_every_benchmark_has_figures_of_at_least_five_rounds() -> None:
    command.register_all()
    known = read_results()
    assert set(known) == set(benchmarks)
    for name, result in known.items():
        assert result["rounds"] >= 5, name
        assert (result["target_ratio"], result["unit"]) == (
            benchmarks[name].target_ratio,
            benchmarks[name].unit,
        )
        assert result["about"] == benchmarks[name].about, f"{name} is described otherwise: measure it again"


def test_the_page_says_what_the_figures_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_of(read_results(), read_notes())


def test_what_misses_its_target_is_explained() -> None:
    missed = {name for name, result in read_results().items() if not result["is_met"]}
    assert missed <= set(read_notes())


def test_the_command_lists_every_benchmark_with_what_it_measures() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"], capture_output=True, text=True, check=True
    )
    assert {line.partition(":")[0] for line in listed.stdout.splitlines()} == set(read_results())

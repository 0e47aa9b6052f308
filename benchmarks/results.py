"""The measured figures: results.json, and docs/performance.md written from it."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
NOTES = FOLDER / "notes"
PAGE = FOLDER.parent / "docs" / "performance.md"
_HEAD = """# Performance

Each figure is ours against a *floor*: the least that must happen, done by the fastest tool for it, measured in
the same run, in turns. Medians, with the smallest and the largest in brackets. A ratio does not depend on the
machine as seconds do; compare ratios.

`make bench` measures again (`make bench ARGS="dispatch render"` some of it) and writes this page from
`benchmarks/results.json` and, where the time goes, from `benchmarks/notes`. It needs no root; where a tool of a
floor is missing, it says so and skips. The load average tells how much else the machine was doing: other work takes
most from what uses both cores.

| what | ours | floor | ratio | asked | met |
| --- | --- | --- | --- | --- | --- |
"""


def store(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Merge new figures into those known, and write the page anew; two runs at once do not lose any."""
    lock = os.open(FOLDER, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        results = read_results() | found
        _replace(RESULTS, json.dumps(dict(sorted(results.items())), indent=2, ensure_ascii=False) + "\n")
        PAGE.parent.mkdir(exist_ok=True)
        _replace(PAGE, page_of(dict(sorted(results.items())), read_notes()))
    finally:
        os.close(lock)


def page_of(results: Mapping[str, Mapping[str, Any]], notes: Mapping[str, str]) -> str:
    """docs/performance.md; `notes` say where a benchmark's time goes."""
    rows = "".join(_row(name, result) for name, result in results.items())
    sections = (_paragraph(name, result) + _note(notes.get(name)) for name, result in results.items())
    return _HEAD + rows + "".join(sections)


def read_results() -> dict[str, Any]:
    """The figures of each benchmark's last run."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def read_notes() -> dict[str, str]:
    """What was found about a benchmark, by its name."""
    return {path.stem: path.read_text(encoding="utf-8").strip() for path in NOTES.glob("*.md")}


def _row(name: str, result: Mapping[str, Any]) -> str:
    sign = "≥" if result["unit"].endswith("/s") else "≤"
    met = "yes" if result["is_met"] else "**no**"
    return (
        f"| {name} | {_spread(result['ours'], result['unit'])} | {_spread(result['floor'], result['unit'])} "
        f"| {_spread(result['ratio'])} | {sign} {result['target_ratio']:g} | {met} |\n"
    )


def _paragraph(name: str, result: Mapping[str, Any]) -> str:
    facts = "; ".join(f"{key} {_spread(value)}" for key, value in result["facts"].items())
    limits = "; ".join(f"{key} ≤ {limit:g}" for key, limit in result["limits"].items())
    lines = [
        result["about"],
        f"Also measured: {facts}." if facts else "",
        f"Limits: {limits}." if limits else "",
        f"{result['rounds']} rounds; {result['machine']}; load average {_spread(result['load_average'])}.",
    ]
    return f"\n## {name}\n\n" + "\n".join(line for line in lines if line) + "\n"


def _note(text: str | None) -> str:
    return f"\n{text}\n" if text else ""


def _spread(figures: Mapping[str, float], unit: str = "") -> str:
    median, least, most = (_short(figures[key]) for key in ("median", "min", "max"))
    return f"{median} {unit} [{least}-{most}]".replace("  ", " ")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _replace(path: Path, content: str) -> None:
    unfinished = path.with_suffix(f".unfinished-{os.getpid()}")
    unfinished.write_text(content, encoding="utf-8")
    unfinished.replace(path)

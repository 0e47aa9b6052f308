"""Whether a full snapshot may be believed (SEMANTICS 2.3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from include.domain.rules import RuleSet


@dataclass(frozen=True)
class SnapshotFigures:
    """What the gates look at.

    `risen_count` are variants that stood at zero and now do not; `first_reject` says which row was the first
    that could not be read, and why.
    """

    row_count: int
    reject_count: int
    variant_count: int
    zero_count: int
    risen_count: int = 0
    conflicting_key: str | None = None
    dated_at: datetime | None = None
    first_reject: str | None = None


def find_refusals(
    figures: SnapshotFigures, baseline: SnapshotFigures | None, rules: RuleSet, is_full: bool = True
) -> list[str]:
    """Every gate that the snapshot fails, each with the observed and the allowed number; empty: believe it.

    A partial one is judged by itself: it says nothing of the rest, so it may be small, and all of it may be sold out.
    """
    reasons = [_conflict(figures), _rejected_share(figures, rules, is_full)]
    if baseline is not None and is_full:
        reasons.append(_dated_before(figures, baseline, rules))
        if baseline.row_count >= rules.gates_from_rows:
            reasons += [
                _missing_rows(figures, baseline, rules),
                _sudden_zeros(figures, baseline, rules),
                _sudden_rises(figures, rules),
            ]
    return [reason for reason in reasons if reason]


def name_conflict(variant_id: str, location_id: str, first_line: int, last_line: int) -> str:
    """A variant and location that stands twice with different quantities, as reasons name it."""
    place = f" at location '{location_id}'" if location_id else ""
    return f"variant '{variant_id}'{place} (lines {first_line} and {last_line})"


def _conflict(figures: SnapshotFigures) -> str | None:
    if figures.conflicting_key is None:
        return None
    return (
        f"{figures.conflicting_key} stands twice with different quantities; allowed is one quantity per variant "
        "and location. Mend the feed, or map its location field."
    )


def _rejected_share(figures: SnapshotFigures, rules: RuleSet, is_full: bool) -> str | None:
    total = figures.row_count + figures.reject_count
    first = f" The first: {figures.first_reject}." if figures.first_reject else ""
    if figures.row_count == 0 and is_full:
        return f"no readable row; a full pull of a shop has at least one. Mend the feed.{first}"
    share = _percent(figures.reject_count, total)
    if total < rules.gates_from_rows or share <= rules.max_rejected_percent:
        return None
    return (
        f"{figures.reject_count} of {total} rows are unreadable ({share:.1f} %); allowed are "
        f"{rules.max_rejected_percent:g} % (restock_max_rejected_percent).{first}"
    )


def _dated_before(figures: SnapshotFigures, baseline: SnapshotFigures, rules: RuleSet) -> str | None:
    if figures.dated_at is None or baseline.dated_at is None:
        return None
    earlier = baseline.dated_at - figures.dated_at
    if earlier <= timedelta(minutes=rules.max_backdate_minutes):
        return None
    return (
        f"the feed is dated {figures.dated_at.isoformat()}, {earlier / timedelta(minutes=1):.1f} minutes before the "
        f"last complete one ({baseline.dated_at.isoformat()}); allowed are {rules.max_backdate_minutes:g} "
        "(restock_max_backdate_minutes)."
    )


def _missing_rows(figures: SnapshotFigures, baseline: SnapshotFigures, rules: RuleSet) -> str | None:
    share = _percent(figures.row_count, baseline.row_count)
    if share >= rules.min_rows_percent:
        return None
    return (
        f"{figures.row_count} rows are {share:.1f} % of the {baseline.row_count} of the last complete pull; "
        f"allowed are at least {rules.min_rows_percent:g} % (restock_min_rows_percent)."
    )


def _sudden_zeros(figures: SnapshotFigures, baseline: SnapshotFigures, rules: RuleSet) -> str | None:
    now = _percent(figures.zero_count, figures.variant_count)
    before = _percent(baseline.zero_count, baseline.variant_count)
    if now - before <= rules.max_zero_rise_points:
        return None
    return (
        f"{now:.1f} % of the variants are sold out, {before:.1f} % were in the last complete pull; allowed is a rise "
        f"of {rules.max_zero_rise_points:g} points (restock_max_zero_rise_points)."
    )


def _sudden_rises(figures: SnapshotFigures, rules: RuleSet) -> str | None:
    share = _percent(figures.risen_count, figures.variant_count)
    if share <= rules.max_risen_points:
        return None
    return (
        f"{figures.risen_count} of {figures.variant_count} variants rise from zero at once ({share:.1f} %); allowed "
        f"are {rules.max_risen_points:g} % (restock_max_risen_points)."
    )


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0

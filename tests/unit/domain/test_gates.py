"""Gates that no connector reaches yet (SEMANTICS 2.3)."""

from __future__ import annotations

from include.domain.gates import SnapshotFigures, find_refusals
from include.domain.rules import RuleSet

WHOLE_SHOP = SnapshotFigures(row_count=1000, reject_count=0, variant_count=1000, zero_count=0)
SOLD_OUT = SnapshotFigures(row_count=60, reject_count=0, variant_count=60, zero_count=60)
UNREADABLE = SnapshotFigures(row_count=50, reject_count=50, variant_count=50, zero_count=0)


def test_2_3_a_partial_snapshot_may_be_small_and_sold_out_and_is_judged_by_itself() -> None:
    assert len(find_refusals(SOLD_OUT, WHOLE_SHOP, RuleSet())) == 2
    assert find_refusals(SOLD_OUT, WHOLE_SHOP, RuleSet(), is_full=False) == []
    assert "50 of 100 rows are unreadable" in find_refusals(UNREADABLE, None, RuleSet(), is_full=False)[0]

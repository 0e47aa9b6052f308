from __future__ import annotations

import pytest

from include.errors import ConfigurationError
from include.local.tune.grid import OTHERS, Ranges, other_paces, own_paces


def test_every_combination_is_a_setting_and_everyone_at_once_is_one() -> None:
    paces = own_paces(
        Ranges(per_unit="all,1", wait="15,60", min_inventory="1,3", invited_hours="0,4", sizing="people")
    )
    assert [pace.name for pace in paces] == [
        "restock all",
        "restock 1/15 people",
        "restock 1/15 people, held 4 h",
        "restock 1/60 people",
        "restock 1/60 people, held 4 h",
        "restock all, from 3 units",
        "restock 1/15 people, from 3 units",
        "restock 1/15 people, held 4 h, from 3 units",
        "restock 1/60 people, from 3 units",
        "restock 1/60 people, held 4 h, from 3 units",
    ]
    assert paces[-1].rules.min_inventory == 3
    assert paces[-1].subtract_invited_hours == 4


def test_other_tools_follow_their_documented_rules() -> None:
    known = {pace.name: pace for pace in other_paces(OTHERS)}
    assert known["klaviyo"].rules.people_allowed() is None
    assert known["klaviyo:5/60"].rules.people_allowed() == 5
    assert (known["braze:1000/10"].fixed_count, known["braze:1000/10"].rules.wait_minutes) == (1000, 10)
    assert known["magento"].daily_at is not None
    assert other_paces("") == []


@pytest.mark.parametrize(
    ("ranges", "named"),
    [
        (Ranges(per_unit="0"), "restock_customers_per_unit"),
        (Ranges(per_unit="1,,2"), "--per-unit"),
        (Ranges(wait="soon"), "restock_wait_minutes"),
        (Ranges(invited_hours="-1"), "--invited-hours"),
        (Ranges(invited_hours="nan"), "--invited-hours"),
        (Ranges(sizing="weight"), "--sizing"),
        (Ranges(overtaking="maybe"), "--overtaking"),
    ],
)
def test_a_bad_range_is_refused_with_what_is_allowed(ranges: Ranges, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        own_paces(ranges)


@pytest.mark.parametrize("name", ["shopify", "braze", "braze:0/10", "klaviyo:5", "magento:1/2"])
def test_an_unknown_way_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigurationError, match="klaviyo:PER-UNIT/MINUTES"):
        other_paces(name)

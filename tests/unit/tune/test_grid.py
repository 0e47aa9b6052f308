from __future__ import annotations

import pytest

from include.errors import ConfigurationError
from include.local.tune.grid import OTHERS, Ranges, other_paces, own_paces


def test_every_combination_is_a_setting_and_everyone_at_once_is_one() -> None:
    rules = {"subtract_invited_hours": "0,4", "sizing": "people"}
    paces = own_paces(Ranges(per_unit="all,1", wait="15,60", min_inventory="1,3", rules=rules))
    assert [pace.name for pace in paces] == [
        "restock all",
        "restock 1/15",
        "restock 1/15, held 4 h",
        "restock 1/60",
        "restock 1/60, held 4 h",
        "restock all, from 3 units",
        "restock 1/15, from 3 units",
        "restock 1/15, held 4 h, from 3 units",
        "restock 1/60, from 3 units",
        "restock 1/60, held 4 h, from 3 units",
    ]
    assert paces[-1].rules.min_inventory == 3
    assert paces[-1].rules.subtract_invited_hours == 4


def test_other_rules_are_named_in_the_setting() -> None:
    rules = {
        "sizing": "wanted_units",
        "allow_overtaking": "true",
        "subtract_invited_hours": "0",
        "ordering": "lottery",
    }
    (pace,) = own_paces(Ranges(per_unit="2", wait="60", rules=rules))
    assert pace.name == "restock 2/60 by wanted units, overtaking, lottery first"


def test_everyone_by_wanted_units_is_a_setting_of_its_own_since_too_large_wishes_wait() -> None:
    paces = own_paces(Ranges(per_unit="all"))
    assert [pace.name for pace in paces] == ["restock all", "restock all by wanted units"]


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
        (Ranges(per_unit="0"), "customers_per_unit is '0'; allowed is 'all' or a whole number from 1"),
        (Ranges(per_unit="1,,2"), "customers_per_unit"),
        (Ranges(wait="soon"), "wait_minutes is 'soon'; allowed is"),
        (Ranges(rules={"subtract_invited_hours": "-1"}), "^subtract_invited_hours is"),
        (Ranges(rules={"sizing": "weight"}), "^sizing is"),
        (Ranges(rules={"approval_above": "5"}), "does not walk this; allowed are min_inventory"),
    ],
)
def test_a_bad_range_is_refused_with_what_is_allowed(ranges: Ranges, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        own_paces(ranges)


@pytest.mark.parametrize("name", ["shopify", "braze", "braze:0/10", "klaviyo:5", "magento:1/2"])
def test_an_unknown_way_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigurationError, match="klaviyo:PER-UNIT/MINUTES"):
        other_paces(name)

from hypothesis import given
from hypothesis import strategies as st

from include.domain.text import FORMULA_STARTS, neutralize_formula, restore_formula


@given(st.text())
def test_no_cell_starts_a_formula(text: str) -> None:
    assert not neutralize_formula(text).startswith(FORMULA_STARTS)


@given(st.text() | st.text(alphabet="'=+x"))
def test_a_neutral_cell_can_be_read_back(text: str) -> None:
    assert restore_formula(neutralize_formula(text)) == text

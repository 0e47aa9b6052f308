"""Every numbered rule has a test, and docs/rules.md names it."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from include.settings import PROJECT_HOME

PAGE = PROJECT_HOME / "docs" / "rules.md"
RULES = [
    *(f"1.{number}" for number in range(1, 7)),
    *(f"2.{number}" for number in range(1, 10)),
    *(f"3.{number}" for number in range(1, 10)),
    *(f"4.{number}" for number in range(1, 11)),
    "5",
    *(f"6.{number}" for number in range(1, 7)),
]
ROW = re.compile(r"^\| (\d(?:\.\d+)?) \| (.+?) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    return {
        number: (text, TEST.findall(proofs))
        for number, text, proofs in ROW.findall(PAGE.read_text(encoding="utf-8"))
    }


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((PROJECT_HOME / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_page_has_every_rule_once_and_in_order() -> None:
    assert list(rows()) == RULES
    assert len(ROW.findall(PAGE.read_text(encoding="utf-8"))) == len(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_proven_by_tests_that_exist(rule: str) -> None:
    text, proofs = rows()[rule]
    assert text and proofs
    assert [f"{path}::{name}" for path, name in proofs if name not in functions_of(path)] == []

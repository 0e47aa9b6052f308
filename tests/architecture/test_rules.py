"""Every numbered rule and every reason has a test that docs/rules.md names; no page names a test that is not there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from include.settings import PROJECT_HOME

PAGE = PROJECT_HOME / "docs" / "rules.md"
PAGES = [PROJECT_HOME / "README.md", *sorted((PROJECT_HOME / "docs").glob("*.md"))]
RULES = [
    *(f"1.{number}" for number in range(1, 7)),
    *(f"2.{number}" for number in range(1, 10)),
    *(f"3.{number}" for number in range(1, 10)),
    *(f"4.{number}" for number in range(1, 11)),
    "5",
    *(f"6.{number}" for number in range(1, 7)),
]
RULE_ROW = re.compile(r"^\| (\d(?:\.\d+)?) \| (.+?) \| (.+) \|$", re.MULTILINE)
REASON_ROW = re.compile(
    r"^\| `(\w+)` \| (?:skip|wait|wait or skip|held|failed) \| .+? \| (.+) \|$", re.MULTILINE
)
VERDICT = re.compile(r'Verdict\(\s*"(\w+)"')
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMED = re.compile(r"`[^`\n]*?(tests/[\w/]+\.py|\btest_\w+)(?:::(\w+))?[^`\n]*`")


def rules() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    return {number: (says, TEST.findall(proofs)) for number, says, proofs in RULE_ROW.findall(read(PAGE))}


def reasons() -> dict[str, list[tuple[str, str]]]:
    return {reason: TEST.findall(proofs) for reason, proofs in REASON_ROW.findall(read(PAGE))}


@cache
def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def functions_of(path: str) -> set[str]:
    file = PROJECT_HOME / path
    tree = ast.parse(read(file) if file.is_file() else "")
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_page_has_every_rule_once_and_in_order() -> None:
    assert [number for number, _, _ in RULE_ROW.findall(read(PAGE))] == RULES


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_proven_by_tests_that_exist(rule: str) -> None:
    says, proofs = rules()[rule]
    assert says and proofs
    assert [f"{path}::{name}" for path, name in proofs if name not in functions_of(path)] == []


def test_every_reason_before_a_message_leaves_is_proven() -> None:
    judged = set(VERDICT.findall(read(PROJECT_HOME / "include" / "domain" / "checks.py")))
    assert len(judged) > 10
    assert judged - reasons().keys() == set()
    assert [reason for reason, proofs in reasons().items() if not proofs] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_test_that_a_page_names_exists(page: Path) -> None:
    missing = [
        f"{path}::{name}"
        for path, name in NAMED.findall(read(page))
        if not (PROJECT_HOME / path).is_file() or (name and name not in functions_of(path))
    ]
    assert missing == []

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from include.settings import PROJECT_HOME

SOURCES = sorted(
    path for folder in ("include", "dags", "benchmarks") for path in (PROJECT_HOME / folder).rglob("*.py")
)
SQL_TEXT = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\b", re.DOTALL
)
EMPTY_NAMES = {"utils", "helpers", "common", "manager", "misc", "util", "helper"}


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT_HOME))


def imported_modules(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }


def code_strings(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_imports_go_one_way() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    checked = subprocess.run([lint], cwd=PROJECT_HOME, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_dags_and_orchestration_know_airflow(path: Path) -> None:
    if relative(path).startswith(("dags/", "include/orchestration/")):
        return
    assert not {name for name in imported_modules(path) if name.split(".")[0] == "airflow"}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_sql_text_lives_in_sql(path: Path) -> None:
    assert [text[:80] for text in code_strings(path) if SQL_TEXT.search(text)] == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_settings_read_the_environment(path: Path) -> None:
    if path.name != "settings.py":
        assert not re.search(
            r"\bos\.(environ|getenv)\b|from os import .*\b(environ|getenv)\b", path.read_text()
        )


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_are_small_and_their_names_explain_themselves(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert not EMPTY_NAMES & {path.stem, *path.relative_to(PROJECT_HOME).parts[:-1]}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_module_and_public_name_says_what_it_means(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_dag_file = relative(path).startswith("dags/")
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not is_dag_file
    ]
    assert silent == []
    assert not tree.body or ast.get_docstring(tree) is not None


def test_every_direct_dependency_is_declared() -> None:
    declared = {
        re.split(r"[\[<>=~ ]", line)[0].lower().replace("-", "_")
        for line in (PROJECT_HOME / "requirements.in").read_text().splitlines()
        if line and not line.startswith("#")
    }
    import_names = {
        "vl_convert_python": "vl_convert",
        "pyyaml": "yaml",
        "universal_pathlib": "upath",
        "apache_airflow": "airflow",
    }
    known = {import_names.get(name, name) for name in declared} | {"include", "benchmarks", "dags"}
    used = {
        name.split(".")[0]
        for path in SOURCES
        if relative(path).startswith(("include/", "dags/"))
        for name in imported_modules(path)
    }
    assert {name for name in used if name not in sys.stdlib_module_names} <= known | {"dateutil"}

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.settings import PROJECT_HOME

LOCKS = ["requirements-setup.txt", "requirements.txt", "requirements-dev.txt", "pyproject.toml"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The Makefile with a stand-in for .venv: no test installs anything."""
    for name in ["Makefile", *LOCKS]:
        shutil.copy(PROJECT_HOME / name, tmp_path)
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *words], cwd=folder, env=environment, capture_output=True, text=True)


def test_help_is_the_default_and_lists_every_target_in_a_sentence(clone: Path) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (clone / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^make (\w+) +[A-Z].*\.$", make(clone).stdout, re.MULTILINE)
    assert phony is not None
    assert sorted(listed) == sorted(phony[1].split())


def test_a_missing_python_is_a_clear_error_and_leaves_no_stamp(clone: Path) -> None:
    done = make(clone, "setup", "PYTHON=/nowhere/python")
    assert done.returncode != 0
    assert "'/nowhere/python' is not Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (clone / ".venv").exists()


def test_setup_runs_again_only_when_a_lock_or_the_project_file_is_newer(clone: Path) -> None:
    (clone / ".venv").mkdir()
    stamp = clone / ".venv" / ".restock-installed"
    stamp.touch()
    assert make(clone, "--question", "setup").returncode == 0
    for name in LOCKS:
        newer = stamp.stat().st_mtime + 10
        os.utime(clone / name, (newer, newer))
        assert make(clone, "--question", "setup").returncode == 1
        os.utime(clone / name, (0, 0))
    assert make(clone, "--question", "setup").returncode == 0


def test_an_interrupted_installation_leaves_no_stamp(clone: Path) -> None:
    (clone / "requirements-setup.txt").write_text("no-such-file-for-pip @ file:///nowhere\n")
    done = make(clone, "setup", f"PYTHON={sys.executable}")
    assert done.returncode != 0
    assert not (clone / ".venv" / ".restock-installed").exists()

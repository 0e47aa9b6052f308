"""`.ci/install_tools`: what is missing is installed where that is allowed, and nothing that goes wrong is a failure."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from include.settings import PROJECT_HOME

APT = 'echo "$@" >> "$LOG"; case "$*" in *{fails}*) exit 100;; esac'
PACKAGES = ["docker-compose", "fonts-liberation", "chromium", "libreoffice-calc-nogui"]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder that is all of PATH: a root's machine with neither the programs nor apt-get."""
    for name in ("bash", "env", "mktemp", "rm", "true"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    put(tmp_path, "id", "echo 0")
    return tmp_path


def put(machine: Path, name: str, script: str = "") -> None:
    (machine / name).write_text(f"#!{machine}/bash\n{script}\n")
    (machine / name).chmod(0o755)


def install(machine: Path) -> tuple[list[str], str]:
    """What apt-get was asked to install, and what was said."""
    log = machine / "log"
    log.touch()
    command = [machine / "bash", PROJECT_HOME / ".ci" / "install_tools"]
    done = subprocess.run(
        command, env={"PATH": str(machine), "LOG": str(log)}, capture_output=True, text=True, check=True
    )
    asked = [line.split()[-1] for line in log.read_text().splitlines() if " install " in line]
    return asked, done.stderr


def test_what_is_missing_is_installed(machine: Path) -> None:
    put(machine, "apt-get", APT.format(fails="nothing"))
    assert install(machine) == (PACKAGES, "")


def test_what_is_there_is_left_alone(machine: Path) -> None:
    put(machine, "apt-get", APT.format(fails="nothing"))
    put(machine, "docker-compose")
    put(machine, "chromium")
    put(machine, "soffice", 'echo > "${!#%.csv}.fods"')
    assert install(machine) == ([], "")


def test_an_office_without_its_spreadsheet_is_completed(machine: Path) -> None:
    put(machine, "apt-get", APT.format(fails="nothing"))
    for name in ("docker-compose", "chromium", "soffice"):
        put(machine, name)
    assert install(machine) == (["libreoffice-calc-nogui"], "")


def test_a_mirror_that_does_not_answer_is_no_failure(machine: Path) -> None:
    put(machine, "apt-get", APT.format(fails=""))
    asked, said = install(machine)
    assert asked == PACKAGES
    assert said.count("could not be installed: its tests will skip.") == len(PACKAGES)


def test_a_package_that_is_not_there_takes_no_other_with_it(machine: Path) -> None:
    put(machine, "apt-get", APT.format(fails="chromium"))
    asked, said = install(machine)
    assert asked == PACKAGES and said.count("could not be installed") == 1


def test_without_apt_or_rights_it_says_what_will_be_skipped(machine: Path) -> None:
    assert "no apt-get or not root: tests that need docker-compose" in install(machine)[1]
    put(machine, "id", "echo 1000")
    put(machine, "sudo", "exit 1")
    put(machine, "apt-get", APT.format(fails="nothing"))
    asked, said = install(machine)
    assert asked == [] and "not root" in said
    put(machine, "sudo", 'shift; exec "$@"')
    assert install(machine) == (PACKAGES, "")

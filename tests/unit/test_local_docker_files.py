import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from include.local.airflow import COMMANDS
from include.settings import PROJECT_HOME

SECRETS = [
    "POSTGRES_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_FERNET_KEY",
]


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((PROJECT_HOME / "docker-compose.yml").read_text())


def test_compose_runs_the_same_airflow_processes_as_the_local_stack(compose: dict) -> None:
    assert {"postgres", *COMMANDS} <= set(compose["services"])
    for name, words in COMMANDS.items():
        assert compose["services"][name]["command"] == ["airflow", *words]


def test_every_lasting_service_has_a_health_check(compose: dict) -> None:
    lasting = {name for name, service in compose["services"].items() if service.get("restart") != "no"}
    assert lasting == {"postgres", "intake", *COMMANDS}
    assert all("healthcheck" in compose["services"][name] for name in lasting)


def test_only_the_pages_and_the_door_are_published_and_on_127_0_0_1(compose: dict) -> None:
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }
    assert set(published) == {"api-server", "intake"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_has_a_default(secret: str) -> None:
    text = (PROJECT_HOME / "docker-compose.yml").read_text()
    uses = re.findall(rf"(?<!\$)\$\{{{secret}([^}}]*)\}}", text)
    assert uses
    assert all(use.startswith(":?") for use in uses)
    assert re.search(rf"^{secret}=$", (PROJECT_HOME / ".env.example").read_text(), re.MULTILINE)


def test_the_dockerfile_copies_only_what_exists_and_is_let_through() -> None:
    lines = (PROJECT_HOME / "Dockerfile").read_text().splitlines()
    sources = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    let_through = (PROJECT_HOME / ".dockerignore").read_text().splitlines()
    assert sources
    assert all((PROJECT_HOME / source).exists() for source in sources)
    assert all(f"!{source}" in let_through for source in sources)


def test_the_image_differs_from_the_lock_only_where_its_auth_manager_asks_for_it() -> None:
    def versions(name: str) -> dict[str, str]:
        text = (PROJECT_HOME / name).read_text()
        return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))

    ours, image = versions("requirements.txt"), versions("requirements-docker.txt")
    assert {name for name in ours if image.get(name) != ours[name]} == {"python-dateutil"}


def compose_tool() -> list[str]:
    for tool in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(tool[0]) and subprocess.run([*tool, "version"], capture_output=True).returncode == 0:
            return tool
    pytest.skip(
        "neither `docker compose` nor `docker-compose` is installed: docker-compose.yml is NOT checked by it"
    )


def check(tool: list[str], folder: Path, secrets: dict[str, str]) -> subprocess.CompletedProcess[str]:
    shutil.copy(PROJECT_HOME / "docker-compose.yml", folder)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    return subprocess.run([*tool, "config"], cwd=folder, capture_output=True, text=True)


def test_the_tool_accepts_the_file(tmp_path: Path) -> None:
    done = check(compose_tool(), tmp_path, dict.fromkeys(SECRETS, "secret"))
    assert done.returncode == 0, done.stderr
    assert set(COMMANDS) <= set(yaml.safe_load(done.stdout)["services"])


def test_the_tool_refuses_a_missing_secret(tmp_path: Path) -> None:
    done = check(
        compose_tool(), tmp_path, {name: "secret" for name in SECRETS if name != "POSTGRES_PASSWORD"}
    )
    assert done.returncode != 0
    assert "is missing in .env" in done.stderr

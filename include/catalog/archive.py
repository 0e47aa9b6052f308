"""What a platform answered for a window, kept as it came: a folder of gzip parts and one manifest.

`<root>/<shop>/<window>/` holds `<attempt>-00001.gz …` and `manifest.json`. The manifest is written last and
lists its parts, so a killed pull leaves nothing that is mistaken for an archive, and two pulls of the same
window never mix: each has part names of its own, and the first manifest stands. Only calls that a folder and
an object store both know are used; neither needs a rename.
"""

import hashlib
import re
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, BinaryIO, Protocol, Self

import msgspec

from include.catalog.gunzip import GZIP_MAGIC, GZIP_WINDOW, GunzipReader
from include.domain.window import Window
from include.errors import NotFound

MANIFEST = "manifest.json"
FAST = 1


class StorePath(Protocol):
    """What pathlib's Path, universal-pathlib's UPath and Airflow's ObjectStoragePath have in common."""

    def __truediv__(self, name: str) -> Self: ...
    def open(self, mode: str) -> Any: ...
    def mkdir(self, *, parents: bool, exist_ok: bool) -> None: ...
    def iterdir(self) -> Iterator[Self]: ...
    def unlink(self) -> None: ...
    def rmdir(self) -> None: ...


class Part(msgspec.Struct, frozen=True):
    """One page as it was received; `sha256` and `byte_count` are those of the received bytes."""

    name: str
    byte_count: int
    stored_byte_count: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was pulled, when, and where it lies. `source` is an address without login and query."""

    observed_at: datetime
    source: str
    parts: tuple[Part, ...]
    content_type: str | None = None
    content_encoding: str | None = None
    last_modified: datetime | None = None
    etag: str | None = None


class Archive:
    """The archive of one window of one shop (SEMANTICS 2.8); `key` is its place below the root."""

    def __init__(self, root: StorePath, shop_id: str, window: Window) -> None:
        self.key = f"{shop_id}/{_folder_name(window.key)}"
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

    @contextmanager
    def open_part(self, part: Part) -> Iterator[GunzipReader]:
        """The part's content; where the source itself was gzip, that is its unpacked content."""
        try:
            stream = (self._folder / part.name).open("rb")
        except FileNotFoundError:
            raise NotFound(
                f"The archive {self.key} has lost its part {part.name}. Delete the archive's folder, "
                "then clear the pull if its window may still be pulled."
            ) from None
        with stream:
            yield GunzipReader(stream)

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

    @contextmanager
    def open_part(self) -> Iterator["PartWriter"]:
        """A new part to write received bytes to; it is forgotten where the block raises."""
        name = f"{self._attempt}-{len(self._parts) + 1:05}.gz"
        try:
            with (self._folder / name).open("wb") as stream:
                part = PartWriter(stream)
                yield part
                part.finish()
        except BaseException:
            self._remove(name)
            raise
        self._parts.append(
            Part(name, part.byte_count, part.stored_byte_count, part.digest.hexdigest()),
        )

    def finish(
        self,
        *,
        content_type: str | None = None,
        content_encoding: str | None = None,
        last_modified: datetime | None = None,
        etag: str | None = None,
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
            )
        )
        self._is_finished = True

    def discard_unless_finished(self) -> None:
        """Remove what this attempt wrote, where it did not become the archive."""
        if not self._is_finished:
            for part in self._parts:
                self._remove(part.name)

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


def _folder_name(key: str) -> str:
    """`key` itself where every file system and object store takes it, else a cleaned name and a hash."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}", key):
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', key)[:80]}-{digest}"

import gzip
import hashlib
import json
import os
from functools import partial

import pytest
from upath import UPath

from include.catalog.archive import Archive
from include.catalog.gunzip import BrokenGzip, GunzipReader
from include.domain.window import Window
from include.errors import NotFound
from tests.unit.catalog.conftest import NOW, WINDOW


@pytest.fixture(params=["folder", "object store"])
def root(request, tmp_path):
    return tmp_path if request.param == "folder" else UPath(f"memory://{tmp_path.name}")


def make_archive(root, key="window-1"):
    return Archive(root, "elegant_lamp", Window(key))


def store(archive, *blocks, source="https://shop.example/feed", **about):
    with archive.start(NOW, source) as writer:
        with writer.open_part() as part:
            for block in blocks:
                part.write(block)
        writer.finish(**about)


def content_of(archive):
    with archive.open_part(archive.manifest.parts[0]) as part:
        return b"".join(iter(lambda: part.read(7), b""))


def names_in(root, archive):
    return sorted(path.name for path in (root / archive.key).iterdir())


def test_what_was_received_is_read_again(root):
    archive = make_archive(root)
    assert not archive.exists()
    store(archive, b"elegant ", b"lamp", content_type="text/csv", etag='"1"')
    assert archive.exists()
    assert content_of(archive) == b"elegant lamp"
    assert archive.key == "elegant_lamp/window-1"


def test_the_manifest_says_when_where_how_much_and_what(root):
    archive = make_archive(root)
    store(archive, b"elegant lamp", content_type="text/csv")
    manifest = archive.manifest
    (part,) = manifest.parts
    assert (manifest.observed_at, manifest.source) == (NOW, "https://shop.example/feed")
    assert (part.byte_count, part.sha256) == (12, hashlib.sha256(b"elegant lamp").hexdigest())
    assert manifest.content_type == "text/csv"


def test_what_is_gzip_already_is_stored_as_it_came(tmp_path):
    archive = make_archive(tmp_path)
    packed = gzip.compress(b"elegant lamp" * 100)
    store(archive, packed[:1], packed[1:])
    (part,) = archive.manifest.parts
    assert (tmp_path / archive.key / part.name).read_bytes() == packed
    assert part.byte_count == part.stored_byte_count == len(packed)
    assert content_of(archive) == b"elegant lamp" * 100


def test_an_empty_body_is_an_archive_of_nothing(root):
    archive = make_archive(root)
    store(archive)
    assert content_of(archive) == b""
    assert archive.manifest.parts[0].byte_count == 0


def test_a_pull_that_breaks_off_leaves_nothing(root):
    archive = make_archive(root)
    with pytest.raises(ConnectionError), archive.start(NOW, "x") as writer, writer.open_part() as part:
        part.write(b"elegant")
        raise ConnectionError
    assert not archive.exists()
    assert names_in(root, archive) == []


def test_a_pull_that_is_not_finished_is_no_archive(root):
    archive = make_archive(root)
    with archive.start(NOW, "x") as writer, writer.open_part() as part:
        part.write(b"elegant")
    assert not archive.exists()
    assert names_in(root, archive) == []
    with pytest.raises(NotFound, match="Nothing is archived for the window elegant_lamp/window-1"):
        _ = archive.manifest


@pytest.mark.parametrize("left_behind", ["", '{"observed_at": "2026-'])
def test_a_manifest_that_a_kill_cut_off_is_no_archive(tmp_path, left_behind):
    archive = make_archive(tmp_path)
    folder = tmp_path / archive.key
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(left_behind)
    assert not archive.exists()
    store(archive, b"elegant lamp")
    assert content_of(archive) == b"elegant lamp"


def test_two_pulls_of_a_window_never_mix_and_the_first_one_stands(root):
    archive = make_archive(root)
    with archive.start(NOW, "first") as first, archive.start(NOW, "second") as second:
        with first.open_part() as one, second.open_part() as two:
            one.write(b"elegant ")
            two.write(b"plain ")
            one.write(b"lamp")
            two.write(b"chair")
        second.finish()
        first.finish()
    assert archive.manifest.source == "second"
    assert content_of(archive) == b"plain chair"
    assert len(names_in(root, archive)) == 2


def test_parts_of_killed_pulls_are_removed_by_the_next_one_of_the_window(root):
    archive = make_archive(root)
    folder = root / archive.key
    folder.mkdir(parents=True)
    (folder / "0badbeef-00001.gz").write_bytes(b"killed")
    store(archive, b"elegant lamp")
    assert content_of(archive) == b"elegant lamp"
    assert names_in(root, archive) == sorted(["manifest.json", archive.manifest.parts[0].name])


def test_a_part_that_another_pull_still_writes_is_left_alone(tmp_path):
    archive = make_archive(tmp_path)
    with archive.start(NOW, "slow") as slow, slow.open_part() as growing:
        growing.write(os.urandom(100_000))
        with archive.start(NOW, "fast") as fast:
            with fast.open_part() as part:
                part.write(b"elegant lamp")
            growing.write(os.urandom(100_000))
            fast.finish()
        assert len(names_in(tmp_path, archive)) == 3
    assert content_of(archive) == b"elegant lamp"


def test_the_newest_archive_of_a_shop_is_found_from_any_window(root):
    first, second = make_archive(root, "window-1"), make_archive(root, "manual--2026-03-01T12:00:00+00:00")
    assert first.find_newest() is None
    store(first, b"elegant lamp")
    store(second, b"plain chair")
    found = make_archive(root, "window-3").find_newest()
    assert found is not None
    assert (found.key, content_of(found)) == (second.key, b"plain chair")
    second.delete()
    assert first.find_newest() is None


def test_parts_are_copied_as_they_are_stored(root):
    first, second = make_archive(root, "window-1"), make_archive(root, "window-2")
    store(first, b"elegant lamp")
    with second.start(NOW, "again") as writer:
        writer.copy_parts(first)
        writer.finish()
    first.delete()
    assert content_of(second) == b"elegant lamp"


def test_a_deleted_archive_is_gone(root):
    archive = make_archive(root)
    store(archive, b"elegant lamp")
    archive.delete()
    assert not archive.exists()
    archive.delete()


def test_a_lost_part_says_what_to_do(tmp_path):
    archive = make_archive(tmp_path)
    store(archive, b"elegant lamp")
    (tmp_path / archive.key / archive.manifest.parts[0].name).unlink()
    with pytest.raises(NotFound, match="has lost its part"):
        content_of(archive)


def test_a_window_of_any_name_has_a_folder_of_its_own(tmp_path):
    keys = [
        "manual--2026-03-01T12:00:00+00:00",
        "manual--2026-03-01T12_00_00_00_00",
        "../../etc",
        ".",
        "x" * 250,
    ]
    archives = [make_archive(tmp_path, key) for key in keys]
    assert len({archive.key for archive in archives}) == len(keys)
    for archive in archives:
        store(archive, b"x")
    assert sum(path.is_dir() for path in (tmp_path / "elegant_lamp").iterdir()) == len(keys)


def test_a_scheduled_window_keeps_its_readable_key(tmp_path):
    key = Window.scheduled(NOW, NOW.replace(hour=13)).key
    assert make_archive(tmp_path, key).key == f"elegant_lamp/{key}"


def test_the_manifest_is_plain_json(tmp_path):
    archive = make_archive(tmp_path)
    store(archive, b"x")
    manifest = json.loads((tmp_path / archive.key / "manifest.json").read_text())
    assert manifest["observed_at"] == "2026-03-01T12:00:00Z"
    assert WINDOW.key == "manual--test"


# The same bytes each time: they are part of a test's name.
pack = partial(gzip.compress, mtime=0)


class Bytes:
    def __init__(self, content, step):
        self.content, self.step = content, step

    def read(self, size):
        taken, self.content = self.content[: min(size, self.step)], self.content[min(size, self.step) :]
        return taken


@pytest.mark.parametrize("step", [1, 3, 100_000])
def test_members_and_padding_of_a_gzip_file_are_one_stream(step):
    packed = gzip.compress(b"elegant ") + gzip.compress(b"lamp") + b"\0" * 20
    stream = GunzipReader(Bytes(packed, step))
    assert b"".join(iter(lambda: stream.read(5), b"")) == b"elegant lamp"


@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        (pack(b"lamp" * 1000)[:-9], "cut off"),
        (pack(b"lamp") + b"tail", "followed by other content"),
        (pack(b"lamp")[:-6] + b"\1\2" + pack(b"lamp")[-4:], "damaged"),
    ],
)
def test_a_broken_gzip_file_is_told_from_a_whole_one(packed, problem):
    stream = GunzipReader(Bytes(packed, 100_000))
    with pytest.raises(BrokenGzip, match=problem):
        while stream.read(100):
            pass


def test_a_gzip_bomb_is_unpacked_in_small_pieces():
    stream = GunzipReader(Bytes(gzip.compress(bytes(20_000_000)), 100_000))
    assert max(map(len, iter(lambda: stream.read(1000), b""))) <= 1000

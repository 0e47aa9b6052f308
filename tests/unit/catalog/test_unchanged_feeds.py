"""A feed that has not changed is not sent again; its content is archived again, observed now."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from upath import UPath

from include.catalog.archive import Archive
from include.catalog.feed.connector import FeedConnector
from include.domain.window import Window
from include.errors import ConfigurationError, TemporaryError
from tests.unit.catalog.conftest import NOW, Reading, make_shop
from tests.unit.catalog.feed_server import Answer

LAMP = b'{"id": "ELEGANT-LAMP", "quantity": 20}\n'
CHAIR = b'{"id": "PLAIN-CHAIR", "quantity": 3}\n'
OLD = "Sun, 01 Mar 2026 11:30:00 GMT"
SAME = Answer(status=304)


class Puller:
    """Pulls one window after the other."""

    def __init__(self, reader, url, **feed) -> None:
        self.reader, self.now, self.count = reader, NOW, 0
        self.shop = make_shop(url=url, **feed)
        self.open_store = None

    def pull(self) -> Archive:
        self.count += 1
        self.now += timedelta(minutes=15)
        archive = self.reader.archive(f"window-{self.count}")
        self.connector().pull(Window.manual(f"window-{self.count}"), archive, self.now)
        assert archive.manifest.observed_at == self.now
        return archive

    def connector(self) -> FeedConnector:
        if self.open_store is None:
            return self.reader.connector(self.shop)
        return FeedConnector(self.shop, None, self.reader.folder, open_store=self.open_store)

    def quantities(self) -> dict[str, str]:
        return Reading(self.connector().read(self.pull())).quantities


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({"ETag": '"17"'}, {"If-None-Match": '"17"'}),
        ({"ETag": 'W/"17"'}, {"If-None-Match": 'W/"17"'}),
        ({"Last-Modified": OLD}, {"If-Modified-Since": OLD}),
        ({"ETag": '"17"', "Last-Modified": OLD}, {"If-None-Match": '"17"'}),
    ],
)
def test_the_last_archive_is_taken_again_where_the_server_says_that_nothing_changed(
    feeds, reader, told, asked
):
    puller = Puller(
        reader, feeds.offer("/feed", Answer(LAMP, headers={**told, "Content-Type": "text/x"}), SAME)
    )
    first = puller.pull()
    for _ in range(2):
        again = puller.pull()
        assert Reading(puller.connector().read(again)).quantities == {"ELEGANT-LAMP": "20"}
        assert again.manifest.content_type == "text/x"
        assert again.manifest.parts[0].sha256 == first.manifest.parts[0].sha256
        assert again.manifest.parts[0].name != first.manifest.parts[0].name
    for _, headers in feeds.asked[1:]:
        assert {name: headers[name] for name in asked} == asked
    first.delete()
    assert Reading(puller.connector().read(again)).quantities == {"ELEGANT-LAMP": "20"}


def test_a_feed_that_changed_is_taken_anew(feeds, reader):
    answers = Answer(LAMP, headers={"ETag": '"1"'}), Answer(CHAIR, headers={"ETag": '"2"'}), SAME
    puller = Puller(reader, feeds.offer("/feed", *answers))
    assert [list(puller.quantities()) for _ in range(3)] == [
        ["ELEGANT-LAMP"],
        ["PLAIN-CHAIR"],
        ["PLAIN-CHAIR"],
    ]
    assert [headers["If-None-Match"] for _, headers in feeds.asked] == [None, '"1"', '"2"']


@pytest.mark.parametrize("tag", ["17", '"a', '"a b"', "", '"\xe9"', "W/17"])
def test_a_tag_that_is_none_is_not_sent_back(feeds, reader, tag):
    puller = Puller(reader, feeds.offer("/feed", Answer(LAMP, headers={"ETag": tag})))
    puller.pull()
    puller.pull()
    assert feeds.asked[-1][1]["If-None-Match"] is None


def test_a_time_of_change_just_before_the_pull_tells_no_versions_apart(feeds, reader):
    just_now = "Sun, 01 Mar 2026 12:14:30 GMT"
    puller = Puller(reader, feeds.offer("/feed", Answer(LAMP, headers={"Last-Modified": just_now})))
    puller.pull()
    puller.pull()
    assert feeds.asked[-1][1]["If-Modified-Since"] is None


def test_another_address_is_never_compared(feeds, reader):
    url = feeds.offer("/feed", Answer(LAMP, headers={"ETag": '"1"'}))
    puller = Puller(reader, f"{url}?shop=1")
    puller.pull()
    puller.shop = make_shop(url=f"{url}?shop=2")
    puller.pull()
    assert feeds.asked[-1][1]["If-None-Match"] is None


def test_nothing_changed_is_no_answer_to_who_did_not_ask(feeds, reader):
    with pytest.raises(ConfigurationError, match="answered 304 Not Modified, where 200 is needed"):
        Puller(reader, feeds.offer("/feed", SAME)).pull()


def test_an_archive_that_lost_its_parts_is_pulled_anew(feeds, reader):
    answer = Answer(LAMP, headers={"ETag": '"1"'})
    puller = Puller(reader, feeds.offer("/feed", answer, SAME, answer))
    first = puller.pull()
    (reader.folder / "archive" / first.key / first.manifest.parts[0].name).unlink()
    assert puller.quantities() == {"ELEGANT-LAMP": "20"}
    assert [headers["If-None-Match"] for _, headers in feeds.asked] == [None, '"1"', None]


def test_a_deleted_archive_is_not_asked_for(feeds, reader):
    puller = Puller(reader, feeds.offer("/feed", Answer(LAMP, headers={"ETag": '"1"'})))
    puller.pull().delete()
    puller.pull()
    assert feeds.asked[-1][1]["If-None-Match"] is None


# --- object stores


class StoredFeed:
    """An object with an ETag in fsspec's memory."""

    def __init__(self, name: str, content: bytes, etag: str | None = None) -> None:
        self.upath = UPath(f"memory://{name}/feed.jsonl")
        self.upath.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.etag, self.opened = self.upath.path, etag, 0
        self.write(content)

    def write(self, content: bytes, etag: str | None = None) -> None:
        self.upath.write_bytes(content)
        self.etag = etag or self.etag

    @property
    def fs(self):
        return SimpleNamespace(info=lambda path: self.upath.fs.info(path) | {"ETag": self.etag})

    def stat(self):
        return self.upath.stat()

    def open(self, mode):
        self.opened += 1
        return self.upath.open(mode)


def store_puller(reader, open_store, url="s3://bucket/feed.jsonl", **feed) -> Puller:
    puller = Puller(reader, url, **feed)
    puller.open_store = open_store
    return puller


def test_a_feed_may_lie_in_an_object_store(reader, tmp_path):
    feed = StoredFeed(tmp_path.name, LAMP)
    seen = []
    puller = store_puller(reader, lambda url, conn_id: seen.append((url, conn_id)) or feed.upath)
    archive = puller.pull()
    assert Reading(puller.connector().read(archive)).quantities == {"ELEGANT-LAMP": "20"}
    assert (archive.manifest.source, seen) == ("s3://bucket/feed.jsonl", [("s3://bucket/feed.jsonl", None)])


def test_an_object_with_the_same_tag_is_taken_from_the_archive(reader, tmp_path):
    feed = StoredFeed(tmp_path.name, LAMP, '"1"')
    puller = store_puller(reader, lambda url, conn_id: feed)
    assert puller.quantities() == puller.quantities() == {"ELEGANT-LAMP": "20"}
    assert feed.opened == 1
    feed.write(CHAIR, '"2"')
    assert puller.quantities() == {"PLAIN-CHAIR": "3"}


def test_an_object_that_is_missing_is_named(reader, tmp_path):
    puller = store_puller(reader, lambda url, conn_id: UPath(f"memory://{tmp_path.name}/nowhere"))
    with pytest.raises(ConfigurationError, match=r"s3://bucket/feed\.jsonl does not exist\. Check feed\.url"):
        puller.pull()
    assert not reader.archive("window-1").exists()


@pytest.mark.parametrize(
    ("error", "kind", "problem"),
    [
        (PermissionError("AKIASECRET"), ConfigurationError, "may not be read with the credentials"),
        (ImportError("s3fs"), ConfigurationError, "no library for s3:// is installed"),
        (ValueError("No filesystem registered"), ConfigurationError, "Install the Airflow provider"),
        (ConnectionError("key=AKIASECRET"), TemporaryError, r"can't be read \(ConnectionError\)"),
        (
            type("ClientError", (Exception,), {})("AKIASECRET"),
            TemporaryError,
            r"can't be read \(ClientError\)",
        ),
    ],
)
def test_what_a_stores_library_says_becomes_an_error_of_ours_without_secrets(reader, error, kind, problem):
    def fail(url, conn_id):
        raise error

    with pytest.raises(kind, match=problem) as caught:
        store_puller(reader, fail).pull()
    assert "AKIASECRET" not in f"{caught.value} {caught.value.__cause__}"


# --- limits


@pytest.mark.parametrize("kind", ["http", "announced", "file", "store"])
def test_a_feed_larger_than_allowed_is_not_taken(feeds, reader, tmp_path, kind):
    content = b"x" * 1_000_001
    path = tmp_path / "large"
    path.write_bytes(content)
    url = {
        "http": feeds.offer("/feed", Answer(content)),
        "announced": feeds.offer("/announced", Answer(b"x", announced_length=1_000_001)),
        "file": str(path),
        "store": "gs://bucket/feed",
    }[kind]
    puller = Puller(reader, url, max_megabytes=1)
    if kind == "store":
        puller = store_puller(
            reader, lambda url, conn_id: StoredFeed(tmp_path.name, content), url, max_megabytes=1
        )
    with pytest.raises(ConfigurationError, match=r"1,000,00.*raise feed\.max_megabytes"):
        puller.pull()
    assert not list((reader.folder / "archive").rglob("*.gz"))


def test_a_feed_that_takes_too_long_is_not_waited_for(feeds, reader):
    url = feeds.offer("/feed", Answer(LAMP))
    with pytest.raises(
        TemporaryError, match=r"sent only 39 bytes within 1e-09 minutes\. Raise feed\.max_minutes"
    ):
        Puller(reader, url, max_minutes=1e-9).pull()
    assert len(feeds.asked) == 1

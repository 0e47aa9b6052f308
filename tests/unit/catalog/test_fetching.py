import base64
import gzip
import logging

import pytest

from include.catalog.base import ShopConnection
from include.catalog.http import Access, HttpClient, Limits, shown_url
from include.catalog.registry import build_connector
from include.errors import ConfigurationError, SnapshotRefused, TemporaryError
from tests.unit.catalog.conftest import NOW, WINDOW, Reading, make_shop
from tests.unit.catalog.feed_server import Answer, run_feed_server

LAMP = b'{"id": "ELEGANT-LAMP", "quantity": 20}\n'


class Patience:
    """Notes the pauses instead of taking them."""

    def __init__(self, **limits):
        self.pauses = []
        self.client = HttpClient(
            Access("Airflow Connection 'lamp'"), Limits(allow_private=True, **limits), self.pauses.append
        )

    def fetch(self, url):
        return self.client.fetch(url, lambda reply: b"".join(reply.blocks()))


@pytest.fixture
def lamp_connection(feeds):
    return ShopConnection("lamp", feeds.url, "me", "hunter2", {"headers": {"X-Api-Key": "s3cret"}})


def test_a_feed_comes_over_http(feeds, reader):
    url = feeds.offer("/feed.jsonl", Answer(LAMP))
    assert reader.read_from(make_shop(url=url)).quantities == {"ELEGANT-LAMP": "20"}


def test_the_connection_gives_host_login_and_headers(feeds, reader, lamp_connection):
    feeds.offer("/feed.jsonl", Answer(LAMP))
    shop = make_shop(conn_id="lamp", path="/feed.jsonl")
    assert reader.read_from(shop, lamp_connection).quantities == {"ELEGANT-LAMP": "20"}
    (_, headers) = feeds.asked[0]
    assert headers["Authorization"] == "Basic bWU6aHVudGVyMg=="
    assert headers["X-Api-Key"] == "s3cret"


@pytest.mark.parametrize(
    ("login", "password", "encoding"),
    [("müller", "pä", "latin-1"), ("müller", "€uro", "utf-8"), ("иван", "пароль", "utf-8")],
)
def test_a_login_of_any_letters_is_sent(feeds, reader, login, password, encoding):
    feeds.offer("/feed.jsonl", Answer(LAMP))
    connection = ShopConnection("lamp", feeds.url, login, password)
    shop = make_shop(conn_id="lamp", path="/feed.jsonl")
    assert reader.read_from(shop, connection).quantities == {"ELEGANT-LAMP": "20"}
    ((_, headers),) = feeds.asked
    packed = headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(packed).decode(encoding) == f"{login}:{password}"


def test_reading_needs_no_connection(feeds, reader, lamp_connection):
    feeds.offer("/feed.jsonl", Answer(LAMP))
    shop = make_shop(conn_id="lamp", path="/feed.jsonl")
    reader.connector(shop, lamp_connection).pull(WINDOW, reader.archive(), NOW)
    rows = Reading(build_connector(shop).read(reader.archive()))
    assert rows.quantities == {"ELEGANT-LAMP": "20"}


def test_the_manifest_keeps_what_the_server_told(feeds, reader):
    url = feeds.offer(
        "/feed.jsonl",
        Answer(
            LAMP,
            headers={
                "Content-Type": "application/jsonl",
                "Last-Modified": "Sun, 01 Mar 2026 11:30:00 GMT",
                "ETag": '"17"',
            },
        ),
    )
    build_connector(make_shop(url=f"{url}?token=s3cret")).pull(WINDOW, reader.archive(), NOW)
    manifest = reader.archive().manifest
    assert manifest.observed_at == NOW
    assert manifest.last_modified == NOW.replace(hour=11, minute=30)
    assert (manifest.content_type, manifest.etag) == ("application/jsonl", '"17"')
    assert manifest.source == f"{url}?…"


def test_a_packed_reply_is_unpacked(feeds, reader):
    url = feeds.offer("/feed", Answer(gzip.compress(LAMP), headers={"Content-Encoding": "gzip"}))
    assert reader.read_from(make_shop(url=url)).quantities == {"ELEGANT-LAMP": "20"}


def test_a_packed_file_in_a_packed_reply_is_unpacked_twice(feeds, reader):
    body = gzip.compress(gzip.compress(LAMP))
    url = feeds.offer("/feed.jsonl.gz", Answer(body, headers={"Content-Encoding": "gzip"}))
    assert reader.read_from(make_shop(url=url)).quantities == {"ELEGANT-LAMP": "20"}


def test_a_busy_server_is_asked_again_when_it_says(feeds):
    patience = Patience()
    url = feeds.offer(
        "/feed", Answer(status=429, headers={"Retry-After": "7"}), Answer(status=503), Answer(LAMP)
    )
    assert patience.fetch(url) == LAMP
    assert patience.pauses == [7.0, 2.0]


def test_patience_ends(feeds):
    patience = Patience(tries=3)
    url = feeds.offer("/feed", Answer(status=500))
    with pytest.raises(TemporaryError, match="answered 500 Internal Server Error"):
        patience.fetch(url)
    assert (len(feeds.asked), patience.pauses) == (3, [1.0, 2.0])


def test_a_long_wait_is_left_to_the_scheduler(feeds):
    patience = Patience()
    url = feeds.offer("/feed", Answer(status=503, headers={"Retry-After": "3600"}))
    with pytest.raises(TemporaryError) as caught:
        patience.fetch(url)
    assert caught.value.retry_after == 3600
    assert patience.pauses == []


def test_a_moment_to_come_back_is_understood(feeds):
    patience = Patience()
    later = {"Date": "Sun, 01 Mar 2026 12:00:00 GMT", "Retry-After": "Sun, 01 Mar 2026 13:00:00 GMT"}
    with pytest.raises(TemporaryError) as caught:
        patience.fetch(feeds.offer("/feed", Answer(status=503, headers=later)))
    assert caught.value.retry_after == 3600


def test_a_body_that_breaks_off_is_asked_for_again(feeds, reader):
    cut = Answer(LAMP[:10], announced_length=len(LAMP))
    url = feeds.offer("/feed.jsonl", cut, Answer(LAMP))
    assert reader.read_from(make_shop(url=url)).quantities == {"ELEGANT-LAMP": "20"}
    assert len(feeds.asked) == 2


def test_a_body_in_chunks_is_put_together(feeds):
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    url = feeds.offer("/feed", Answer(chunks, headers={"Transfer-Encoding": "chunked"}))
    assert Patience().fetch(url) == b"hello world"


@pytest.mark.parametrize(
    "chunks", [b"5\r\nhello\r\n", b"5\r\nhel", b"5\r\nhello\r\nff\r\nx", b"5\r\nhello\r\nzz\r\n"]
)
def test_a_body_in_chunks_that_breaks_off_is_a_temporary_error(feeds, chunks):
    url = feeds.offer("/feed", Answer(chunks, headers={"Transfer-Encoding": "chunked"}))
    with pytest.raises(TemporaryError, match="broke off after"):
        Patience(tries=2).fetch(url)
    assert len(feeds.asked) == 2


def test_a_body_that_breaks_off_for_good_leaves_no_archive(feeds, reader):
    patience = Patience(tries=2)
    url = feeds.offer("/feed.jsonl", Answer(LAMP[:10], announced_length=len(LAMP)))
    with pytest.raises(TemporaryError, match="broke off after 10 bytes"):
        patience.fetch(url)
    assert not reader.archive().exists()


@pytest.mark.parametrize(
    ("status", "problem"), [(401, "credentials"), (403, "credentials"), (404, "nothing is there")]
)
def test_what_a_person_must_mend_is_not_tried_again(feeds, status, problem):
    patience = Patience()
    with pytest.raises(ConfigurationError, match=f"answered {status} .*{problem}"):
        patience.fetch(feeds.offer("/feed", Answer(status=status)))
    assert len(feeds.asked) == 1


@pytest.mark.parametrize("status", [204, 206, 400, 418])
def test_any_status_but_200_is_refused(feeds, status):
    with pytest.raises(ConfigurationError, match=f"answered {status} .*where 200 is needed"):
        Patience().fetch(feeds.offer("/feed", Answer(LAMP, status=status)))


def test_a_server_that_is_not_there_is_a_temporary_error(feeds):
    url = feeds.url
    with run_feed_server() as other:
        url = other.url
    with pytest.raises(TemporaryError, match=r"can't be reached \(ConnectionError\)"):
        Patience(tries=2).fetch(f"{url}/feed")


def test_a_server_that_says_nothing_is_a_temporary_error(feeds):
    url = feeds.offer("/feed", Answer(b"", announced_length=5))
    with pytest.raises(TemporaryError):
        Patience(tries=1, read_seconds=0.2).fetch(url)


def test_a_redirect_is_followed(feeds):
    feeds.offer("/new", Answer(LAMP))
    url = feeds.offer("/old", Answer(status=302, headers={"Location": "/new"}))
    assert Patience().fetch(url) == LAMP


def test_a_redirect_to_itself_ends(feeds):
    url = feeds.offer("/loop", Answer(status=302, headers={"Location": "/loop"}))
    with pytest.raises(ConfigurationError, match="redirects more than 5 times"):
        Patience().fetch(url)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://shop.example/", "http://h:99999/"])
def test_a_redirect_to_another_kind_of_address_is_refused(feeds, target):
    url = feeds.offer("/old", Answer(status=302, headers={"Location": target}))
    with pytest.raises(ConfigurationError, match="redirects to an address that is not http"):
        Patience().fetch(url)


def test_a_redirect_to_no_address_at_all_is_refused(feeds):
    url = feeds.offer("/old", Answer(status=302, headers={"Location": "http://[::1"}))
    with pytest.raises(ConfigurationError, match="redirects to an address that is none"):
        Patience().fetch(url)


def test_credentials_do_not_follow_a_redirect_to_another_host(feeds, lamp_connection, reader):
    with run_feed_server() as other:
        other.offer("/feed.jsonl", Answer(LAMP))
        feeds.offer("/feed.jsonl", Answer(status=307, headers={"Location": f"{other.url}/feed.jsonl"}))
        reader.read_from(make_shop(conn_id="lamp", path="/feed.jsonl"), lamp_connection)
        (_, headers) = other.asked[0]
    assert headers["Authorization"] is None
    assert headers["X-Api-Key"] is None


@pytest.mark.parametrize(
    "answer", [Answer(status=401), Answer(status=404), Answer(status=418), Answer(b"x", announced_length=9)]
)
def test_secrets_stand_in_no_error_no_log_and_no_repr(feeds, reader, lamp_connection, caplog, answer):
    caplog.set_level(logging.DEBUG)
    feeds.offer("/feed.jsonl", answer)
    connector = reader.connector(make_shop(conn_id="lamp", path="/feed.jsonl?token=t0ken"), lamp_connection)
    with pytest.raises((ConfigurationError, TemporaryError)) as caught:
        connector.pull(WINDOW, reader.archive(), NOW)
    told = f"{caught.value} {caught.value.__cause__} {caplog.text} {lamp_connection!r} {connector!r}"
    for secret in ("hunter2", "s3cret", "t0ken", "bWU6aHVudGVyMg"):
        assert secret not in told


def test_an_address_is_shown_without_login_and_query():
    assert shown_url("https://me:hunter2@shop.example:8443/a?token=1#b") == "https://shop.example:8443/a?…"
    assert shown_url("http://[::1") == "the address"


def test_a_connection_that_is_missing_is_named(reader):
    with pytest.raises(ConfigurationError, match="there is no Airflow Connection 'lamp'"):
        reader.read_from(make_shop(conn_id="lamp", path="/feed.jsonl"))


def test_a_connection_without_a_host_is_named(reader):
    with pytest.raises(ConfigurationError, match="'lamp' has no host"):
        reader.read_from(make_shop(conn_id="lamp", path="/feed.jsonl"), ShopConnection("lamp"))


def test_headers_of_another_shape_are_refused_without_being_shown(reader):
    connection = ShopConnection("lamp", "http://127.0.0.1:1", extra={"headers": ["s3cret"]})
    with pytest.raises(ConfigurationError, match="headers must be an object") as caught:
        reader.read_from(make_shop(conn_id="lamp", path="/feed.jsonl"), connection)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ({"host": "http://127.0.0.1", "port": 8001}, "http://127.0.0.1:8001"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8001}, "http://127.0.0.1:8001"),
        ({"host": "shop.example"}, "https://shop.example"),
        ({"host": "https://shop.example/feeds/"}, "https://shop.example/feeds"),
        ({}, None),
    ],
)
def test_an_address_is_made_of_a_connections_parts(parts, url):
    assert ShopConnection.from_parts("lamp", **parts).base_url == url


def test_a_feed_may_lie_in_a_file_below_the_projects_folder(reader):
    (reader.folder / "my feed.jsonl").write_bytes(LAMP)
    for url in ("my feed.jsonl", "file://my%20feed.jsonl", f"file://{reader.folder}/my%20feed.jsonl"):
        assert reader.read_from(make_shop(url=url)).quantities == {"ELEGANT-LAMP": "20"}


def test_a_files_time_of_change_is_kept(reader):
    path = reader.folder / "feed.jsonl"
    path.write_bytes(LAMP)
    build_connector(make_shop(url=str(path))).pull(WINDOW, reader.archive(), NOW)
    last_modified = reader.archive().manifest.last_modified
    assert last_modified is not None
    assert last_modified.timestamp() == pytest.approx(path.stat().st_mtime)


def test_a_file_that_is_missing_or_a_folder_is_named(reader):
    with pytest.raises(ConfigurationError, match="nowhere does not exist"):
        reader.read_from(make_shop(url="nowhere"))
    with pytest.raises(ConfigurationError, match="is a folder"):
        reader.read_from(make_shop(url=str(reader.folder)))
    assert not (reader.folder / "archive").exists()


def test_another_packing_than_gzip_is_refused(feeds, reader):
    url = feeds.offer("/feed", Answer(LAMP, headers={"Content-Encoding": "br"}))
    with pytest.raises(ConfigurationError, match="Content-Encoding 'br' is not read, only gzip"):
        reader.read_from(make_shop(url=url))


def test_a_page_called_html_is_refused_unless_the_format_is_settled(feeds, reader):
    url = feeds.offer("/feed", Answer(LAMP, headers={"Content-Type": "text/html; charset=utf-8"}))
    with pytest.raises(SnapshotRefused, match="the server calls it text/html"):
        reader.read_from(make_shop(url=url))
    assert reader.read_from(make_shop(url=url, format="jsonl")).quantities == {"ELEGANT-LAMP": "20"}

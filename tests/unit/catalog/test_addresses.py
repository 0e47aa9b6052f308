"""Feeds are read from public addresses only, unless the shop allows others. No test connects to a refused one."""

import socket
import ssl
import threading
from ipaddress import ip_address

import pytest

from include.catalog.addresses import describe_refusal, resolve_name
from include.catalog.feed.connector import FeedConnector
from include.catalog.http import Access, HttpClient, Limits
from include.errors import ConfigurationError, TemporaryError
from tests.fixtures.certificate import write_certificate
from tests.unit.catalog.conftest import NOW, WINDOW, make_shop
from tests.unit.catalog.feed_server import Answer

PUBLIC = "93.184.216.34"
REFUSED = {
    "127.0.0.1": "a loopback address",
    "127.8.9.10": "a loopback address",
    "::1": "a loopback address",
    "10.1.2.3": "a private or reserved address",
    "172.16.0.1": "a private or reserved address",
    "192.168.1.1": "a private or reserved address",
    "fd00::1": "a private or reserved address",
    "100.64.0.1": "a private or reserved address",
    "100.100.100.200": "a private or reserved address",
    "198.18.0.1": "a private or reserved address",
    "192.0.2.1": "a private or reserved address",
    "240.0.0.1": "a private or reserved address",
    "255.255.255.255": "a private or reserved address",
    "0.1.2.3": "a private or reserved address",
    "fec0::1": "a private or reserved address",
    "2001:db8::1": "a private or reserved address",
    "5f00::1": "a private or reserved address",
    "0.0.0.0": "an unspecified address",
    "::": "an unspecified address",
    "169.254.169.254": "a link-local address",
    "169.254.170.2": "a link-local address",
    "fe80::1": "a link-local address",
    "224.0.0.1": "a multicast address",
    "ff02::1": "a multicast address",
    "fd00:ec2::254": "a private or reserved address",
    "168.63.129.16": "a cloud platform's own service",
    "192.0.0.192": "a cloud platform's own service",
    # IPv4 addresses inside IPv6 ones
    "::ffff:127.0.0.1": "a loopback address",
    "::ffff:169.254.169.254": "a link-local address",
    "::127.0.0.1": "a loopback address",
    "64:ff9b::a9fe:a9fe": "a link-local address",
    "64:ff9b:1::7f00:1": "a loopback address",
    "2002:7f00:1::1": "a loopback address",
    "2001:0:1:2:3:4:80ff:fffe": "a loopback address",
}


@pytest.mark.parametrize(("address", "kind"), REFUSED.items())
def test_addresses_that_are_not_public_are_refused(address, kind):
    assert describe_refusal(ip_address(address)) == kind


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_taken(address):
    assert describe_refusal(ip_address(address)) is None


class Names:
    """A resolver with answers in turn, and a network that notes where connections would go."""

    def __init__(self, monkeypatch, **answers):
        self.answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.resolved, self.connected, self.ports = [], [], {}
        self._connect = socket.create_connection
        monkeypatch.setattr(socket, "create_connection", self.connect)

    def resolve(self, host, port):
        self.resolved.append(host)
        answers = self.answers.get(host)
        if answers is None:
            return resolve_name(host, port)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, address, *args, **options):
        self.connected.append(address[0])
        if address[0] not in self.ports:
            raise ConnectionRefusedError
        return self._connect(("127.0.0.1", self.ports[address[0]]), *args, **options)

    def fetch(self, url, **limits):
        client = HttpClient(
            Access("x"), Limits(tries=1, **limits), sleep=lambda _: None, resolve=self.resolve
        )
        return client.fetch(url, lambda reply: b"".join(reply.blocks()))


def refusal_of(names, url) -> str:
    with pytest.raises(ConfigurationError) as caught:
        names.fetch(url)
    assert names.connected == []
    return str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.7:8080",
        "0",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_feed_address_that_is_not_public_is_refused(monkeypatch, host, scheme):
    told = refusal_of(Names(monkeypatch), f"{scheme}://{host}/feed")
    assert "shops are read from public addresses only" in told
    assert "set feed.allow_private: true for the shop in shops.yaml" in told


def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch):
    told = refusal_of(
        Names(monkeypatch, feeds_example=[["10.0.0.5"]]), "https://feeds.example/feed?token=s3cret"
    )
    assert told.startswith(
        "https://feeds.example/feed?…: feeds.example leads to 10.0.0.5, which is a private"
    )
    assert "s3cret" not in told


def test_one_private_address_among_public_ones_is_enough(monkeypatch):
    refusal_of(Names(monkeypatch, feeds_example=[[PUBLIC, "::1"]]), "http://feeds.example/feed")


def test_the_connection_goes_to_the_address_that_was_judged_whatever_a_second_resolution_says(monkeypatch):
    names = Names(monkeypatch, feeds_example=[[PUBLIC], ["127.0.0.1"]])
    with pytest.raises(TemporaryError):
        names.fetch("http://feeds.example/feed")
    assert (names.resolved, names.connected) == (["feeds.example"], [PUBLIC])


def test_every_connection_is_judged_anew(monkeypatch):
    names = Names(monkeypatch, feeds_example=[[PUBLIC], ["127.0.0.1"]])
    with pytest.raises(TemporaryError):
        names.fetch("http://feeds.example/feed")
    with pytest.raises(ConfigurationError, match=r"leads to 127\.0\.0\.1"):
        names.fetch("http://feeds.example/feed")
    assert names.connected == [PUBLIC]


def test_the_next_judged_address_is_tried_where_one_does_not_answer(monkeypatch, feeds):
    names = Names(monkeypatch, feeds_example=[["2606:4700::1111", PUBLIC]])
    names.ports[PUBLIC] = int(feeds.url.rpartition(":")[2])
    feeds.offer("/feed", Answer(b"lamp"))
    assert names.fetch("http://feeds.example/feed") == b"lamp"
    assert names.connected == ["2606:4700::1111", PUBLIC]
    assert feeds.asked[0][1]["Host"] == "feeds.example"


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:1/x",
        "https://169.254.169.254/latest/meta-data/",
        "http://inside.example/x",
        "//[::1]/x",
        "http://2130706433/x",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_an_address_that_is_not_public_is_refused(monkeypatch, feeds, target, status):
    names = Names(monkeypatch, feeds_example=[[PUBLIC]], inside_example=[["192.168.0.9"]])
    names.ports[PUBLIC] = int(feeds.url.rpartition(":")[2])
    feeds.offer("/old", Answer(status=status, headers={"Location": target}))
    with pytest.raises(
        ConfigurationError, match=r"^http://feeds\.example/old redirects to .* addresses only"
    ):
        names.fetch("http://feeds.example/old")
    assert names.connected == [PUBLIC]


def test_a_name_that_nobody_knows_may_be_known_later(monkeypatch):
    def fail(host, port):
        raise socket.gaierror("unknown")

    names = Names(monkeypatch)
    names.resolve = fail
    with pytest.raises(TemporaryError, match="can't be reached"):
        names.fetch("http://feeds.example/feed")


def test_a_shop_may_allow_private_addresses(feeds, reader):
    url = feeds.offer("/feed.jsonl", Answer(b'{"id": "A", "quantity": 1}\n'))
    assert reader.read_from(make_shop(url=url)).quantities == {"A": "1"}
    with pytest.raises(ConfigurationError, match="a loopback address"):
        reader.read_from(make_shop(url=url, allow_private=False))
    assert len(feeds.asked) == 1


def test_a_machine_that_is_asked_by_sftp_is_judged_too(reader):
    def fail(url, conn_id):
        raise AssertionError

    shop = make_shop(url="sftp://127.0.0.1/feed.csv", allow_private=False)
    with pytest.raises(ConfigurationError, match="a loopback address"):
        FeedConnector(shop, None, reader.folder, open_store=fail).pull(WINDOW, reader.archive(), NOW)


@pytest.mark.parametrize("host", ["127.0.0.1", "feeds.example"])
def test_behind_a_proxy_the_address_is_judged_as_far_as_it_is_known(monkeypatch, host):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "")
    names = Names(monkeypatch, feeds_example=[["10.0.0.5"]])
    refusal_of(names, f"http://{host}/feed" if host != "127.0.0.1" else "http://0x7f.1/feed")


def test_tls_is_checked_against_the_hosts_name_and_not_its_address(monkeypatch, tmp_path):
    certificate = write_certificate(tmp_path, "feeds.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    asked: list[str | None] = []
    context.sni_callback = lambda connection, name, _: asked.append(name)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlamp")
            except ssl.SSLError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    names = Names(monkeypatch, feeds_example=[[PUBLIC]], other_example=[[PUBLIC]])
    names.ports[PUBLIC] = listener.getsockname()[1]
    assert names.fetch("https://feeds.example/feed") == b"lamp"
    with pytest.raises(ConfigurationError, match="a certificate that can't be verified"):
        names.fetch("https://other.example/feed")
    assert asked == ["feeds.example", "other.example"]
    thread.join(10)
    listener.close()

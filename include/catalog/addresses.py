"""Which machines of the network may be asked: public ones, unless a shop allows others.

A name is resolved once, all its addresses are judged, and the connection goes to one that was judged: what
the name says at a second resolution does not matter. Redirects are connections like any other.
"""

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import requests.adapters
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from include.errors import ConfigurationError


class AddressRefused(ConfigurationError):
    """An address, a name or a redirect leads to a machine that shops are not read from."""


Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Iterable[str]]

# Inside IPv6 addresses of these networks lies an IPv4 address, to which they lead in the end.
NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
GLOBAL_IPV6 = IPv6Network("2000::/3")
# Outside of the private ranges, and yet only cloud platforms' own services answer here.
METADATA = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))


def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of `host`, as the system's resolver gives them; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def describe_refusal(address: Address) -> str | None:
    """Why no shop is read from `address`, as in `a loopback address`; None for a public one."""
    inner = _inner_address(address)
    if inner is not None:
        return describe_refusal(inner)
    kinds = {
        "a cloud platform's own service": any(address in network for network in METADATA),
        "a loopback address": address.is_loopback,
        "a link-local address": address.is_link_local,
        "an unspecified address": address.is_unspecified,
        "a multicast address": address.is_multicast,
        "a private or reserved address": not address.is_global or address.is_reserved or _is_outside(address),
    }
    return next((kind for kind, applies in kinds.items() if applies), None)


class CheckedAdapter(requests.adapters.HTTPAdapter):
    """Connections of a `requests` session that only go to public addresses."""

    def __init__(self, resolve: Resolve = resolve_name, section: str = "feed") -> None:
        self._resolve = resolve
        self._section = section
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Called by HTTPAdapter: the pools for connections without a proxy."""
        super().init_poolmanager(*args, **options)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = _checked_pools(self._resolve, self._section)


def check_host(host: str, port: int, resolve: Resolve, section: str = "feed") -> list[str]:
    """The addresses of `host`, all of them public; raises AddressRefused, or OSError where there is none."""
    addresses = list(resolve(host, port))
    for text in addresses:
        kind = describe_refusal(ip_address(text.partition("%")[0]))
        if kind is not None:
            leads = "" if text == host else f" leads to {text}, which"
            raise AddressRefused(
                f"{host}{leads} is {kind}; shops are read from public addresses only. If it is meant to be read "
                f"all the same, set {section}.allow_private: true for the shop in shops.yaml."
            )
    return addresses


def _inner_address(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if any(address in network for network in NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    is_compatible = 0xFFFF < int(address) <= 0xFFFF_FFFF
    return (
        address.ipv4_mapped
        or address.sixtofour
        or (teredo[1] if teredo else None)
        or (IPv4Address(int(address)) if is_compatible else None)
    )


def _is_outside(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address not in GLOBAL_IPV6


def _checked_pools(resolve: Resolve, section: str) -> dict[str, type[HTTPConnectionPool]]:
    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, resolve, section)

    class SecureConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, resolve, section)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


def _connect(connection: HTTPConnection, resolve: Resolve, section: str) -> socket.socket:
    """A socket to a judged address; the host's name stays what TLS and the Host header say."""
    host = connection.host
    try:
        addresses = check_host(host, connection.port or 0, resolve, section)
    except OSError as error:
        raise NameResolutionError(host, connection, socket.gaierror(str(error))) from None
    last: Exception = NewConnectionError(connection, "the name has no address")
    for address in addresses:
        try:
            return _open(connection, address)
        except TimeoutError:
            last = ConnectTimeoutError(connection, "timed out")
        except OSError as error:
            last = NewConnectionError(connection, type(error).__name__)
    raise last


def _open(connection: HTTPConnection, address: str) -> socket.socket:
    opened = socket.create_connection((address, connection.port or 0), connection.timeout)
    for option in connection.socket_options or ():
        opened.setsockopt(*option)
    return opened

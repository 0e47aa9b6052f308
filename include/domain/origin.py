"""Browser origins, as browsers write them in the header Origin."""

from urllib.parse import urlsplit

from include.errors import ConfigurationError

_USUAL_PORTS = {"http": 80, "https": 443}


def read_origin(text: str) -> str:
    """`https://shop.example` as browsers send it: lower case, no path, no usual port; raises ConfigurationError."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError):
        raise _wrong(text) from None
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username or "")
    if (
        parts.scheme not in _USUAL_PORTS
        or not host
        or any(rest)
        or any(c.isspace() or c == "*" for c in host)
    ):
        raise _wrong(text)
    shown_port = "" if port in (None, _USUAL_PORTS[parts.scheme]) else f":{port}"
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{shown_port}"


def _wrong(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"--origin is '{text[:100]}', which no browser sends. Allowed is scheme, host and port alone, such as "
        "https://shop.example; repeat --origin for several."
    )

"""Reading a request's body: its size, its media type, its JSON, each mistake with a pointer to where it stands."""

import asyncio
import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from include.intake.answers import ApiError, Fault
from include.intake.frontage import LONGEST_BODY

MOST_BYTES = 500_000
READ_SECONDS = 20.0
DEEPEST = 60
JSON_TYPES = ("application/json", "application/vnd.api+json", "text/plain", "")
FORM_TYPE = "application/x-www-form-urlencoded"
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<place>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `([^`]+)`")
_UNKNOWN = re.compile(r"contains unknown field `([^`]+)`")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")

Body = TypeVar("Body")


async def read_bytes(request: Request, most: int = MOST_BYTES) -> bytes:
    """The whole body, or 413, or 408 for one that does not arrive, or 415 for one that is packed."""
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("identity", ""):
        raise ApiError.of(415, "Content-Encoding is not served: send the body as it is, not packed.")
    most = min(most, LONGEST_BODY)
    parts, size = [], 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise ApiError.of(413, f"The body is larger than {most} bytes.")
                parts.append(part)
    except TimeoutError:
        raise ApiError.of(408, f"The body did not arrive within {READ_SECONDS:.0f} seconds.") from None
    except ClientDisconnect:
        raise ApiError.of(400, "The connection ended before the body did.") from None
    return b"".join(parts)


async def read_json(request: Request, kind: type[Body], most: int = MOST_BYTES) -> Body:
    """The body as `kind`; members that `kind` does not know are left alone, unless it forbids them."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in JSON_TYPES:
        raise ApiError.of(415, "Allowed media types are application/json and application/vnd.api+json.")
    return decode(await read_bytes(request, most), kind)


async def read_form(request: Request, most: int = MOST_BYTES) -> dict[str, str]:
    """The fields of a form, or the members of a JSON object that are texts."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.startswith("multipart/"):
        raise ApiError.of(415, f"Allowed media types are {FORM_TYPE} and application/json.")
    raw = await read_bytes(request, most)
    if media_type != FORM_TYPE and raw[:1] == b"{":
        return {name: str(value) for name, value in decode(raw, dict[str, Any]).items()}
    try:
        fields = dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=100))
    except (UnicodeDecodeError, ValueError):
        raise ApiError.of(400, "The body is no form of up to 100 fields in UTF-8.") from None
    if any("\0" in text for pair in fields.items() for text in pair):
        raise ApiError.of(400, "The body holds a NUL character.")
    return fields


def decode(raw: bytes, kind: type[Body]) -> Body:
    """JSON as `kind`, or 400 with a pointer."""
    if b"\\u0000" in raw or b"\0" in raw:
        raise ApiError.of(400, "The body holds a NUL character.", pointer="")
    try:
        decoded: Body = _decoder(kind)(raw)  # type: ignore[arg-type]
    except msgspec.ValidationError as error:
        raise ApiError(400, (as_fault(str(error), kind),)) from None
    except (ValueError, RecursionError):
        raise ApiError.of(400, "The body is no JSON in UTF-8.", pointer="", code="parse_error") from None
    return decoded


def as_fault(text: str, kind: Any = None) -> Fault:
    """A validation error with its place as a JSON pointer; of a text with few values it says which."""
    match = _PLACE.match(text)
    assert match is not None
    steps = [name or number for name, number in _STEP.findall(match["place"] or "")]
    pointer = "".join(f"/{step}" for step in steps)
    if missing := _MISSING.search(match["what"]):
        return Fault(f"'{missing[1]}' is a required field.", f"{pointer}/{missing[1]}", code="invalid")
    if unknown := _UNKNOWN.search(match["what"]):
        names = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        return Fault(f"This is not known. Allowed: {names}.", f"{pointer}/{unknown[1][:100]}", code="invalid")
    if match["what"].startswith("Invalid enum value") and (values := _allowed_at(kind, steps)):
        return Fault(f"{match['what'][:300]}. Allowed: {', '.join(values)}.", pointer, code="invalid")
    return Fault(f"{match['what'][:300]}.", pointer or "/data", code="invalid")


def _allowed_at(kind: Any, steps: list[str]) -> list[str]:
    """The values of a literal inside a type, at the place to which `steps` lead."""
    found = msgspec.inspect.type_info(kind)
    for step in [*steps, None]:
        if isinstance(found, msgspec.inspect.UnionType):
            found = next(each for each in found.types if not isinstance(each, msgspec.inspect.NoneType))
        if step is not None and isinstance(found, msgspec.inspect.StructType):
            found = next(field.type for field in found.fields if field.encode_name == step)
        elif step is not None and isinstance(found, msgspec.inspect.ListType):
            found = found.item_type
    return [str(value) for value in found.values] if isinstance(found, msgspec.inspect.LiteralType) else []


def check_json(value: Any, pointer: str, most: int, depth: int = 0) -> None:
    """Refuse free-form JSON that is deeper than DEEPEST or larger than `most` bytes."""
    if len(msgspec.json.encode(value)) > most:
        raise ApiError.of(400, f"This is larger than {most} bytes.", pointer=pointer)
    if _depth(value) > DEEPEST:
        raise ApiError.of(400, f"This is nested deeper than {DEEPEST} levels.", pointer=pointer)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth += 1
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return depth


@cache
def _decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode

"""Klaviyo's filters: `equals(sku,'S-1')`, `any(ids,['a','b'])`, several joined by commas or `and(…)`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from include.intake.answers import ApiError
from include.intake.klaviyo.event_bodies import read_time

MOST_TERMS = 20
MOST_VALUES = 100
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>[(),\[\]])|(?P<word>[^\s(),\[\]"']+))"""
)

_NAME = re.compile(r"[A-Za-z_.-]{1,100}")

Value = str | list[str]
ALWAYS = datetime(1980, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Term:
    """One condition."""

    operator: str
    field: str
    value: Value


def read_filter(text: str | None, allowed: Mapping[str, Sequence[str]]) -> list[Term]:
    """The terms of a filter; `allowed` names the operators of each field. Raises ApiError."""
    if text is None or not text.strip():
        return []
    tokens = _tokens(text)
    terms = _read_terms(tokens, allowed)
    if tokens:
        raise _wrong("there is more after its end", allowed)
    return terms


def read_span(terms: Sequence[Term], fields: Sequence[str]) -> tuple[datetime, datetime]:
    """The first and the last moment that all terms about `fields` allow."""
    since, until = ALWAYS
    for term in terms:
        if term.field not in fields:
            continue
        moment = _read_moment(term.value if isinstance(term.value, str) else "")
        if term.operator.startswith("greater"):
            since = max(since, moment if term.operator.endswith("equal") else moment + _TICK)
        else:
            until = min(until, moment if term.operator.endswith("equal") else moment - _TICK)
    return since, until


def _read_moment(text: str) -> datetime:
    try:
        given: str | int = int(text) if text.isascii() and text.isdigit() else text
        return read_time(given, datetime(8000, 1, 1, tzinfo=UTC), "")
    except ApiError:
        raise ApiError.of(
            400,
            "The filter can't be read: its time is no ISO 8601, nor seconds since 1970.",
            parameter="filter",
        ) from None


def _tokens(text: str) -> list[str]:
    tokens, place = [], 0
    while place < len(text) and text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise ApiError.of(400, "The filter can't be read: a quote is not closed.", parameter="filter")
        tokens.append(match[0].strip())
        place = match.end()
    return tokens


def _read_terms(tokens: list[str], allowed: Mapping[str, Sequence[str]]) -> list[Term]:
    terms: list[Term] = []
    while tokens:
        operator = tokens.pop(0).lower()
        _expect(tokens, "(", allowed)
        if operator == "and":
            terms += _read_terms(tokens, allowed)
        else:
            terms.append(_read_term(operator, tokens, allowed))
        _expect(tokens, ")", allowed)
        if len(terms) > MOST_TERMS:
            raise _wrong(f"it has more than {MOST_TERMS} terms", allowed)
        if not tokens or tokens[0] != ",":
            break
        tokens.pop(0)
    return terms


def _read_term(operator: str, tokens: list[str], allowed: Mapping[str, Sequence[str]]) -> Term:
    field = _unquoted(_next(tokens, allowed))
    if operator not in allowed.get(field, ()):
        what = f"{operator}({field},…)" if _NAME.fullmatch(operator + field) else "another field or operator"
        raise _wrong(f"it has {what}", allowed)
    if operator == "has":
        return Term(operator, field, "")
    _expect(tokens, ",", allowed)
    if tokens and tokens[0] == "[":
        return Term(operator, field, _read_list(tokens, allowed))
    return Term(operator, field, _unquoted(_next(tokens, allowed)))


def _read_list(tokens: list[str], allowed: Mapping[str, Sequence[str]]) -> list[str]:
    tokens.pop(0)
    values: list[str] = []
    while tokens and tokens[0] != "]":
        values.append(_unquoted(_next(tokens, allowed)))
        if tokens and tokens[0] == ",":
            tokens.pop(0)
        if len(values) > MOST_VALUES:
            raise _wrong(f"it lists more than {MOST_VALUES} values", allowed)
    _expect(tokens, "]", allowed)
    return values


def _next(tokens: list[str], allowed: Mapping[str, Sequence[str]]) -> str:
    if not tokens:
        raise _wrong("it ends too early", allowed)
    return tokens.pop(0)


def _expect(tokens: list[str], mark: str, allowed: Mapping[str, Sequence[str]]) -> None:
    if _next(tokens, allowed) != mark:
        raise _wrong(f"'{mark}' is missing", allowed)


def _unquoted(token: str) -> str:
    if token[:1] in ("'", '"'):
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    return token


def _wrong(what: str, allowed: Mapping[str, Sequence[str]]) -> ApiError:
    named = "; ".join(f"{field}: {', '.join(operators)}" for field, operators in allowed.items())
    return ApiError.of(400, f"The filter can't be read: {what}. Allowed are {named}.", parameter="filter")

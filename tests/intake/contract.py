"""Holds answers to the contract: each status that a path may answer, and the shape of its body."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import requests
from jsonschema import Draft202012Validator, FormatChecker

CONTRACT = json.loads((Path(__file__).parent.parent / "fixtures" / "klaviyo_contract.json").read_text())


def check(answer: requests.Response, path: str, document: dict[str, Any] = CONTRACT) -> requests.Response:
    """The answer, once it agrees with the contract for its method at this path (as the contract writes it)."""
    operation = document["paths"][path][answer.request.method.lower()]
    promised = operation["responses"].get(str(answer.status_code))
    if promised is None:
        promised = operation["responses"].get(
            f"{answer.status_code // 100}XX" if answer.status_code >= 400 else ""
        )
        assert promised is not None, f"{answer.request.method} {path} may not answer {answer.status_code}"
    promised = _resolve(promised, document)
    content = promised.get("content")
    if not content:
        assert answer.content == b""
        return answer
    media_type, body = next(iter(content.items()))
    assert answer.headers["Content-Type"].partition(";")[0] == media_type
    if not media_type.endswith("json"):
        return answer
    validator = _validator(json.dumps(body["schema"]), json.dumps(document["components"]))
    problems = sorted(validator.iter_errors(answer.json()), key=str)
    assert not problems, [f"{list(each.absolute_path)}: {each.message[:200]}" for each in problems[:5]]
    return answer


@cache
def _validator(schema: str, components: str) -> Draft202012Validator:
    whole = {**_with_nulls(json.loads(schema)), "components": _with_nulls(json.loads(components))}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def _resolve(part: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    place: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        place = place[name]
    return place


def _with_nulls(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in JSON Schema's words."""
    if isinstance(schema, list):
        return [_with_nulls(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    turned = {name: _with_nulls(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [turned, {"type": "null"}]} if schema.get("nullable") is True else turned

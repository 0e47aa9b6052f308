"""The OpenAPI document of /restock/v1."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

_TEXT = {"type": ["string", "null"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}
_KEY: list[dict[str, list[str]]] = [{"key": []}]
_EXAMPLES = {
    "One variant": {
        "email": "ann@example.org",
        "variant_id": "LAMP-RED",
        "channels": ["EMAIL"],
        "wanted_quantity": 2,
        "locale": "de-AT",
        "text_shown": "Tell me when it is back",
        "subscribed_at": "2026-01-31T09:30:00Z",
    },
    "Any variant of a product": {"email": "ann@example.org", "product_id": "LAMP"},
    "By SMS or e-mail": {
        "phone": "+49 30 1234567",
        "email": "ann@example.org",
        "variant_id": "LAMP-RED",
        "channels": ["SMS", "EMAIL"],
    },
}
_CSV = "email,variant_id,subscribed_at\r\nann@example.org,LAMP-RED,2026-01-31T09:30:00Z\r\n"


@cache
def document(channels: Sequence[str], states: Sequence[str]) -> dict[str, Any]:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Restock",
            "version": "1",
            "description": "Waiting lists beyond Klaviyo's API: wanted quantities, any variant of a product, reading, "
            "cancelling, import and export with original dates.",
        },
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "Klaviyo-API-Key pk_…",
                }
            },
            "schemas": _schemas(channels, states),
        },
    }


def _paths() -> dict[str, Any]:
    subscriptions = "/restock/v1/subscriptions"
    one = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    pages = [
        _query("state", {"$ref": "#/components/schemas/State"}),
        *(_query(name, {"type": "string"}) for name in ("variant_id", "product_id", "email")),
        _query("size", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        _query("after", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}),
    ]
    return {
        subscriptions: {
            "get": _operation("List requests, by id", {"200": _json("Page")}, parameters=pages),
            "post": _operation(
                "Ask to be told",
                {"202": _json("Answer")},
                requestBody={"required": True, "content": _json("NewRequest", _EXAMPLES)["content"]},
            ),
        },
        f"{subscriptions}/import": {
            "post": _operation(
                "Import a waiting list with its original dates",
                {"200": _json("Import")},
                parameters=[_query("in_stock", {"type": "string", "enum": ["next_restock", "notify"]})],
                requestBody={
                    "required": True,
                    "content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV}},
                },
            )
        },
        f"{subscriptions}/export": {
            "get": _operation(
                "Export who waits, in the form that import takes",
                {"200": {"description": "CSV", "content": {"text/csv": {"schema": {"type": "string"}}}}},
            )
        },
        f"{subscriptions}/{{id}}": {
            "get": _operation("Read one request", {"200": _json("Subscription")}, parameters=one),
            "delete": _operation("Cancel one request", {"204": {"description": "Cancelled"}}, parameters=one),
        },
    }


def _schemas(channels: Sequence[str], states: Sequence[str]) -> dict[str, Any]:
    channel_list = {"type": "array", "items": {"type": "string", "enum": list(channels)}}
    told = dict.fromkeys(("variant_id", "product_id", "email", "phone", "external_id", "locale"), _TEXT)
    subscription = {
        "id": {"type": "string"},
        "profile_id": {"type": "string"},
        "channels": channel_list,
        "wanted_quantity": {"type": "integer", "minimum": 1},
        **told,
        "source": {"type": "string"},
        "state": {"$ref": "#/components/schemas/State"},
        "reason": _TEXT,
        **dict.fromkeys(("subscribed_at", "released_at", "notified_at", "ended_at"), _TIME),
    }
    counts = ("new", "merged", "known", "refused_count", "waiting", "open_now", "unmatched")
    line = _object({"line": {"type": "integer"}, "reason": {"type": "string"}})
    return {
        "State": {"type": "string", "enum": list(states)},
        "NewRequest": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                **told,
                "channels": {"anyOf": [channel_list, {"type": "null"}]},
                "wanted_quantity": {"type": "integer", "minimum": 1, "maximum": 999_999, "default": 1},
                "text_shown": _TEXT,
                "subscribed_at": _TIME | {"description": "When it was asked, up to now; default: now."},
            },
        },
        "Answer": _object(
            {
                "answer": {
                    "type": "string",
                    "enum": ["waiting", "unconfirmed", "known", "in_stock"],
                    "description": "known: what was asked with this date has ended. in_stock: not taken.",
                },
                "id": _TEXT | {"description": "The request that was made or joined; null where none was."},
            }
        ),
        "Subscription": _object(subscription),
        "Page": _object(
            {
                "subscriptions": {"type": "array", "items": {"$ref": "#/components/schemas/Subscription"}},
                "after": {"type": ["integer", "null"]},
            }
        ),
        "Import": _object({**dict.fromkeys(counts, _COUNT), "refused": {"type": "array", "items": line}}),
        "Errors": _object({"errors": {"type": "array", "items": {"type": "object"}}}),
    }


def _operation(summary: str, answers: dict[str, Any], **more: Any) -> dict[str, Any]:
    errors = {"description": "What is wrong, and where", "content": _errors()}
    return {"summary": summary, "security": _KEY, "responses": {**answers, "4XX": errors}, **more}


def _errors() -> dict[str, Any]:
    return {"application/vnd.api+json": {"schema": {"$ref": "#/components/schemas/Errors"}}}


def _json(name: str, examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    if examples:
        content["examples"] = {title: {"value": value} for title, value in examples.items()}
    return {"description": name, "content": {"application/json": content}}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}

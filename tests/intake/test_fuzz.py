"""Requests made from the schemas, right and wrong: no 5xx, nothing that hangs, nothing that stays behind."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import psutil
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from include.domain.request import CHANNELS
from include.intake.own.openapi import document
from include.intake.own.subscriptions import STATES
from include.local.postgres import EmbeddedPostgres
from include.services.keys import create_key
from tests.builders import START, World
from tests.intake.conftest import Visitor, a_process
from tests.intake.contract import CONTRACT, check

HANGS_AFTER = 15.0
FILTERS = {
    "/api/events": ("has(profile)", "equals(metric_id,'1')", "greater-than(datetime,2026-01-01T00:00:00Z)"),
    "/api/catalog": ("contains(title,'a')", "any(ids,['V1','V2'])", "equals(published,true)"),
    "/api/catalog-variants": ("equals(sku,'V1')", "equals(item.id,'V1')"),
    "/api/profiles": ("any(email,['p1@example.org','p2@example.org'])", "less-than(created,2030-01-01)"),
    "/api/metrics": ("equals(integration.name,'API')",),
}
MOST_GROWTH = 100_000_000
UNFINISHED = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"""


def operations(schema: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (path, method)
        for path, methods in schema["paths"].items()
        for method in methods
        if method in ("get", "post", "patch", "delete")
    ]


OWN = document(tuple(CHANNELS), STATES)
ALL = [("contract", *each) for each in operations(CONTRACT)] + [("own", *each) for each in operations(OWN)]


@pytest.fixture(scope="module")
def visitor(
    postgres_server: EmbeddedPostgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitor]:
    from include.db.engine import connect

    folder = tmp_path_factory.mktemp("fuzz")
    postgres_server.create_database("restock_fuzz", template=migrated_template)
    url = postgres_server.url("restock_fuzz")
    world = World(connect(url), folder)
    keys = [create_key(world.engine, "demo", kind, START, rate_factor=1e5) for kind in ("public", "private")]  # type: ignore[arg-type]
    rate = {"RESTOCK_ADDRESS_RATE": "1000000/s 10000000/m"}
    with a_process(url, folder, **rate) as (process, address), requests.Session() as session:
        session.trust_env = False
        door = psutil.Process(process.pid)
        before = door.memory_info().rss
        yield Visitor(world, address, session, keys[0], keys[1])
        assert "restock_intake_open_requests 1.0\n" in session.get(f"{address}/metrics", timeout=20).text
        assert world.value(UNFINISHED) == 0
        assert door.memory_info().rss - before < MOST_GROWTH
    world.engine.dispose()
    postgres_server.drop_database("restock_fuzz")


@pytest.mark.parametrize(("name", "path", "method"), ALL, ids=lambda value: str(value).strip("/"))
def test_whatever_comes_is_answered(
    visitor: Visitor, request: pytest.FixtureRequest, name: str, path: str, method: str
) -> None:
    schema = schemathesis.openapi.from_dict(copy.deepcopy(CONTRACT if name == "contract" else OWN))
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    seen: Counter[int] = Counter()

    @hypothesis.settings(
        max_examples=request.config.getoption("--door-cases"),
        deadline=None,
        database=None,
        derandomize=request.config.getoption("--door-cases") < 20,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=schema[path][method].as_strategy(), number=st.integers(0, 30))
    def send(case: schemathesis.Case, number: int) -> None:
        # What schemas don't say, such as how an address looks, is set right in two of three requests.
        if number % 3:
            case.body = mend(case.body, number)
            mend_address(case, path, number)
        answer = ask(visitor, case)
        seen[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        if answer.headers.get("Allow") is None and method == case.method.lower():
            check(answer, path, CONTRACT if name == "contract" else OWN)

    send()
    print(f"{method} {path}: {dict(seen)}")


def mend(part: Any, number: int) -> Any:
    right = {
        "email": f"p{number}@example.org",
        "phone_number": f"+4930123456{number:02}",
        "phone": f"+4930123456{number:02}",
        "channels": ["EMAIL", "SMS"],
        "external_id": f"V{number}",
        "id": f"$custom:::$default:::V{number}",
        "integration_type": "$custom",
        "catalog_type": "$default",
        "variant_id": f"V{number}",
        "product_id": None,
        "time": None,
        "value": number,
        "value_currency": "EUR",
        "unique_id": f"{number}",
        "price": number,
        "inventory_quantity": number,
    }
    if isinstance(part, dict):
        mended = {
            name.replace("\0", "0"): right[name]
            if name in right and not isinstance(value, dict)
            else mend(value, number)
            for name, value in part.items()
        }
        if mended.get("type") == "profile" and isinstance(mended.get("attributes"), dict):
            mended.pop("id", None)
            mended["attributes"] = {**mended["attributes"], "email": right["email"], "id": None}
        return mended
    if isinstance(part, list):
        return [mend(each, number) for each in part]
    return part.replace("\0", "0") if isinstance(part, str) else part


def mend_address(case: schemathesis.Case, path: str, number: int) -> None:
    """Ids that may be there, filters that are understood, no cursor that nobody handed out."""
    right = {"id": f"$custom:::$default:::V{number}", "job_id": str(number)}
    if "subscriptions" in path:
        right["id"] = str(number)
    case.path_parameters = {
        name: right.get(name, value) for name, value in (case.path_parameters or {}).items()
    }
    query = dict(case.query or {})
    query.pop("page[cursor]", None)
    if "filter" in query:
        filters = [each for kind, many in FILTERS.items() if path.startswith(kind) for each in many]
        query["filter"] = filters[number % len(filters)] if filters else ""
    case.query = query


def ask(visitor: Visitor, case: schemathesis.Case) -> requests.Response:
    case.headers = {
        **{name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"},
        "Authorization": f"Klaviyo-API-Key {visitor.private_key}",
        "revision": "2026-07-15",
    }
    if case.path.startswith("/client/"):
        case.query = {**(case.query or {}), "company_id": visitor.company_id}
    return send_over(visitor, case)


def send_over(visitor: Visitor, case: schemathesis.Case) -> requests.Response:
    given = case.as_transport_kwargs(base_url=visitor.address)
    given.pop("cookies", None)
    try:
        return visitor.session.request(**given, timeout=HANGS_AFTER, allow_redirects=False)
    except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError, ValueError):
        hypothesis.reject()

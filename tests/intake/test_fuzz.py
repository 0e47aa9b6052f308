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
from include.intake.metrics import OPEN_REQUESTS
from include.intake.own.openapi import document
from include.intake.own.subscriptions import STATES
from include.local.postgres import EmbeddedPostgres
from include.services.keys import create_key
from tests.builders import START, World
from tests.intake.conftest import Visitor, app_on, serving
from tests.intake.contract import CONTRACT, check

HANGS_AFTER = 15.0
MOST_GROWTH = 150_000_000


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
    app = app_on(url, folder, RESTOCK_ADDRESS_RATE="1000000/s 10000000/m")
    with serving(app) as address, requests.Session() as session:
        session.trust_env = False
        before = psutil.Process().memory_info().rss
        yield Visitor(world, address, session, keys[0], keys[1])
        door = app.state.door
        assert (door.waiting, OPEN_REQUESTS._value.get(), door.engine.pool.checkedout()) == (0, 0, 0)
        assert psutil.Process().memory_info().rss - before < MOST_GROWTH
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
            mend(case.body, number)
        answer = ask(visitor, case)
        seen[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        if answer.headers.get("Allow") is None and method == case.method.lower():
            check(answer, path, CONTRACT if name == "contract" else OWN)

    send()
    print(f"{method} {path}: {dict(seen)}")


def mend(part: Any, number: int) -> None:
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
        "value_currency": "EUR",
        "unique_id": f"{number}",
    }
    if isinstance(part, dict):
        for name, value in part.items():
            if name in right and not isinstance(value, dict):
                part[name] = right[name]
            else:
                mend(value, number)
    elif isinstance(part, list):
        for each in part:
            mend(each, number)


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

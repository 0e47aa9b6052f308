"""What hostile or unlucky clients do: floods, forged heads, kills in the middle, limits across processes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import socket
import threading
import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import requests

from include.intake.answers import ApiError
from include.intake.door import Door
from include.intake.rates import UNASKED_PER_MINUTE, Limit, Rates
from include.local.ports import HOST
from include.services.keys import create_key
from include.settings import load_settings
from tests.builders import START, World, a_row
from tests.intake.conftest import Visitor, a_process, errors_of, visiting
from tests.intake.test_catalog import VARIANTS, an_item
from tests.intake.test_subscriptions import a_subscription, from_browser, requests_of

PATH = "/client/back-in-stock-subscriptions"


def test_every_202_is_a_committed_row_also_after_a_kill_in_the_middle(
    world: World, database_url: str, tmp_path: Path
) -> None:
    company_id = create_key(world.engine, "demo", "public", START, rate_factor=1_000)
    taken: list[str] = []

    def post_until_dead(name: int, url: str) -> None:
        with requests.Session() as session, contextlib.suppress(requests.ConnectionError):
            for number in range(100_000):
                email = f"p{name}.{number}@example.org"
                if session.post(url, json=a_subscription(email), timeout=20).status_code == 202:
                    taken.append(email)

    with a_process(database_url, tmp_path, RESTOCK_ADDRESS_RATE="100000/s 1000000/m") as (process, address):
        url = f"{address}{PATH}?company_id={company_id}"
        threads = [threading.Thread(target=post_until_dead, args=(name, url)) for name in range(8)]
        for thread in threads:
            thread.start()
        limit = time.monotonic() + 30
        while len(taken) < 200 and time.monotonic() < limit:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    rows = {
        row.email for row in world.query("SELECT email FROM subscription JOIN profile USING (profile_id)")
    }
    assert len(taken) >= 200
    assert set(taken) - rows == set()
    assert len(rows - set(taken)) <= 8


def test_a_flood_from_few_addresses_leaves_others_served(
    world: World, database_url: str, tmp_path: Path
) -> None:
    company_id = create_key(world.engine, "demo", "public", START)
    flooding, statuses = threading.Event(), []

    def flood(address: str, url: str) -> None:
        with requests.Session() as session:
            while not flooding.is_set():
                answer = session.post(
                    url,
                    json=a_subscription("flood@example.org"),
                    headers={"X-Forwarded-For": address},
                    timeout=20,
                )
                statuses.append(answer.status_code)

    with a_process(
        database_url, tmp_path, RESTOCK_TRUSTED_PROXIES="127.0.0.1", RESTOCK_ADDRESS_RATE="1/s 1/m"
    ) as (_, address):
        url = f"{address}{PATH}?company_id={company_id}"
        threads = [threading.Thread(target=flood, args=(f"203.0.113.{n % 3}", url)) for n in range(6)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        with requests.Session() as session:
            for number in range(40):
                headers = {"X-Forwarded-For": f"198.51.100.{number // 5}"}
                body = a_subscription(f"p{number}@example.org")
                assert session.post(url, json=body, headers=headers, timeout=20).status_code == 202
        while 429 not in statuses:
            assert any(thread.is_alive() for thread in threads)
            time.sleep(0.01)
        flooding.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {202, 429}
    # Three addresses, in so many minutes of the clock.
    minutes = (time.monotonic() - began) // 60 + 2
    assert statuses.count(202) <= minutes * 3 * (1 + UNASKED_PER_MINUTE)


def test_a_limit_holds_over_all_processes_and_says_when_to_come_back(
    database_url: str, tmp_path: Path
) -> None:
    settings = load_settings({"RESTOCK_DATABASE_URL": database_url, "RESTOCK_VAR": str(tmp_path)})
    doors = [Door.open(settings) for _ in range(2)]
    clock = {"now": 1_000_000_000.0}
    for door in doors:
        door.clock = lambda: datetime.fromtimestamp(clock["now"], UTC)

    async def let_through(limit: Limit) -> tuple[int, set[str]]:
        both = [Rates(door, lambda: clock["now"]) for door in doors]
        passed, waits = 0, set()
        for _ in range(40):
            for rates in both:
                try:
                    await rates.check(limit, "somebody")
                    passed += 1
                except ApiError as error:
                    waits.add(error.headers["Retry-After"])
        return passed, waits

    limit = Limit("test", 20, 50)
    assert asyncio.run(let_through(limit)) == (20, {"1"})
    clock["now"] += 1
    assert asyncio.run(let_through(limit)) == (20, {"1"})
    clock["now"] += 1
    passed, waits = asyncio.run(let_through(limit))
    assert passed == 10 and "18" in waits
    clock["now"] += 60
    assert asyncio.run(let_through(limit))[0] == 20
    for door in doors:
        door.close()


def test_a_key_that_asks_too_much_is_told_when_to_come_back(visitor: Visitor) -> None:
    visitor.private_key = create_key(visitor.world.engine, "demo", "private", START, rate_factor=0.003)
    statuses = [visitor.post("/api/back-in-stock-subscriptions", a_subscription()) for _ in range(30)]
    refused = [answer for answer in statuses if answer.status_code == 429]
    # Ten a minute, and perhaps the turn of a minute.
    assert 10 <= len(refused) < 30
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 60
    assert errors_of(refused[0])[0]["code"] == "throttled"


def test_names_that_would_break_a_head_or_a_row_do_not(visitor: Visitor) -> None:
    world = visitor.world
    world.use_flow()
    evil = "Ann\r\nBcc: victim@example.org"
    for email in (
        f"{evil}@example.org",
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org\0",
        "<a@b.c>, <d@e.f>",
    ):
        assert from_browser(visitor, a_subscription(email)).status_code == 400
    body = a_subscription(
        "ann@example.org", identifiers={"first_name": evil, "last_name": "'); DROP TABLE profile;--"}
    )
    assert from_browser(visitor, body).status_code == 202
    visitor.post("/api/catalog-items", an_item("P"))
    title = f"{evil}<script>alert(1)</script>"
    variant = {
        "data": {"type": "catalog-variant", "id": "$custom:::$default:::LAMP", "attributes": {"title": title}}
    }
    world.sync(a_row("LAMP", 0))
    world.pass_time(minutes=1)
    variant["data"]["attributes"]["inventory_quantity"] = 5
    assert visitor.send("PATCH", f"{VARIANTS}/$custom:::$default:::LAMP", json=variant).status_code == 200
    world.tell()
    mail = message_from_bytes(world.mail.envelopes[0].content, policy=policy.default)
    html = mail.get_body(("html",)).get_content()
    assert world.mail.recipients == ["ann@example.org"]
    assert mail["Bcc"] is None and "<script>" not in html
    assert len(requests_of(visitor)) == 1


def test_a_smuggled_or_endless_request_ends(visitor: Visitor) -> None:
    port = int(visitor.address.rpartition(":")[2])
    for raw in (
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x",
        b"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{}",
        b"\x00\x01\x02\r\n\r\n",
    ):
        with socket.create_connection((HOST, port), timeout=10) as connection:
            connection.sendall(raw)
            answer = connection.recv(200)
            assert answer.split(b" ")[1][:1] == b"4" or answer == b"", answer
    assert visitor.get("/health").status_code == 200


def test_the_deepest_and_the_largest_bodies_are_refused(visitor: Visitor) -> None:
    deep = b'{"data":{"type":"event","attributes":{"properties":' + b'{"a":' * 900 + b"1" + b"}" * 900
    deep += (
        b',"metric":{"data":{"type":"metric","attributes":{"name":"x"}}},"profile":{"data":{"type":"profile",'
    )
    deep += b'"attributes":{"email":"ann@example.org"}}}}}}'
    headers = {"Content-Type": "application/json"}
    assert visitor.send("POST", "/api/events", data=deep, headers=headers).status_code == 400
    large = b'{"data":"' + b"x" * 5_050_000 + b'"}'
    assert visitor.send("POST", "/api/events", data=large, headers=headers).status_code == 400
    assert visitor.send("POST", PATH + f"?company_id={visitor.company_id}", data=large).status_code == 413


def a_guess(number: int) -> dict[str, str]:
    return {"Authorization": f"Klaviyo-API-Key pk_{number}"}


def test_who_tries_keys_is_stopped(
    world: World, database_url: str, tmp_path: Path, http: requests.Session
) -> None:
    with visiting(world, database_url, tmp_path, http, RESTOCK_ADDRESS_RATE="1/s 1/m") as visitor:
        statuses = [visitor.get("/api/metrics", headers=a_guess(number)).status_code for number in range(150)]
    # In a minute, and perhaps the turn of a minute.
    assert 1 <= statuses.count(401) <= 2 * (1 + UNASKED_PER_MINUTE)
    assert set(statuses) == {401, 429}


def test_a_key_that_is_known_is_served_from_an_address_whose_guesses_are_stopped(
    world: World, database_url: str, tmp_path: Path, http: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.intake.access.CACHE_SECONDS", 0.0)
    with visiting(world, database_url, tmp_path, http, RESTOCK_ADDRESS_RATE="1/s 1/m") as visitor:
        assert visitor.get("/api/metrics").status_code == 200
        guesses = itertools.count()
        while visitor.get("/api/metrics", headers=a_guess(0)).status_code != 429:
            assert next(guesses) < 200
        assert visitor.get("/api/metrics").status_code == 200

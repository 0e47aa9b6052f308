"""Back-in-stock subscriptions as Klaviyo's clients send them."""

from __future__ import annotations

import itertools
from typing import Any

from include.domain.request import Request
from include.services.asking import Asked, Outcome, ask_together
from tests.builders import a_row, a_shop
from tests.intake.conftest import Visitor, errors_of

JSON_API = "application/vnd.api+json"


def a_subscription(
    email: str | None = "Ann@Example.org", variant: str = "$shopify:::$default:::LAMP", **more: Any
) -> Any:
    attributes = {"email": email, **more.pop("identifiers", {})}
    profile = {"data": {"type": "profile", "attributes": attributes}}
    return {
        "data": {
            "type": "back-in-stock-subscription",
            "attributes": {"channels": ["EMAIL"], "profile": profile, **more},
            "relationships": {"variant": {"data": {"type": "catalog-variant", "id": variant}}},
        }
    }


def from_browser(visitor: Visitor, body: Any, slash: str = "", **headers: str) -> Any:
    return visitor.post(
        f"/client/back-in-stock-subscriptions{slash}?company_id={visitor.company_id}",
        body,
        headers={"Authorization": None, **headers},
        allow_redirects=False,
    )


def requests_of(visitor: Visitor) -> list[Any]:
    return visitor.world.query(
        "SELECT email, variant_id, product_id, channels, wanted_quantity, source, state FROM subscription "
        "JOIN profile USING (shop_id, profile_id) ORDER BY subscription_id"
    )


def test_a_browser_subscribes(visitor: Visitor) -> None:
    answer = from_browser(visitor, a_subscription())
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert requests_of(visitor) == [("Ann@example.org", "LAMP", None, ["EMAIL"], 1, "client", "waiting")]


def test_slashes_media_types_and_revisions_make_no_difference(visitor: Visitor) -> None:
    kinds = itertools.product(
        ["", "/"], [JSON_API, "application/json"], ["2023-09-15", "2024-10-15.pre", "2026-10-15"]
    )
    for number, (slash, media_type, revision) in enumerate(kinds):
        headers = {"Content-Type": media_type, "revision": revision}
        body = a_subscription(f"p{number}@example.org")
        assert from_browser(visitor, body, slash, **headers).status_code == 202
        assert (
            visitor.post(f"/api/back-in-stock-subscriptions{slash}", body, headers=headers).status_code == 202
        )
    assert len(requests_of(visitor)) == 12


def test_a_server_subscribes_with_its_private_key(visitor: Visitor) -> None:
    assert visitor.post("/api/back-in-stock-subscriptions/", a_subscription()).status_code == 202
    assert requests_of(visitor)[0].source == "api"


def test_an_old_theme_subscribes_by_its_form(visitor: Visitor) -> None:
    fields = {
        "a": visitor.company_id,
        "email": "ann@example.org",
        "variant": "33001893429341",
        "platform": "shopify",
    }
    answer = visitor.send("POST", "/api/v1/catalog/subscribe", data=fields)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert requests_of(visitor)[0].variant_id == "33001893429341"


def test_a_browser_asks_first(visitor: Visitor) -> None:
    answer = visitor.send(
        "OPTIONS",
        f"/client/back-in-stock-subscriptions/?company_id={visitor.company_id}",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, revision",
        },
        allow_redirects=False,
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"content-type", "revision"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_what_goes_beyond_klaviyo_is_taken_and_what_is_not_known_is_left_alone(visitor: Visitor) -> None:
    body = a_subscription(wanted_quantity=3, locale="de", text_shown="Tell me", something={"else": [1]})
    del body["data"]["relationships"]["variant"]
    body["data"]["relationships"]["item"] = {
        "data": {"type": "catalog-item", "id": "$custom:::$default:::P1"}
    }
    assert from_browser(visitor, body).status_code == 202
    assert requests_of(visitor) == [("Ann@example.org", None, "P1", ["EMAIL"], 3, "client", "waiting")]
    proof = visitor.world.value("SELECT proof FROM subscription")
    assert proof["text"] == "Tell me" and proof["source"] == "client" and "nn@" not in str(proof)


def test_asking_twice_is_one_place(visitor: Visitor) -> None:
    from_browser(visitor, a_subscription("ann@example.org"))
    visitor.world.pass_time(seconds=1)
    from_browser(visitor, a_subscription("ANN@example.org", channels=["EMAIL", "SMS"]))
    assert [row.channels for row in requests_of(visitor)] == [["EMAIL", "SMS"]]


def test_who_asks_by_sms_agrees_to_this_alert_unless_they_objected(visitor: Visitor) -> None:
    phones = {"identifiers": {"phone_number": "+493012345678"}, "channels": ["SMS"]}
    assert from_browser(visitor, a_subscription(None, **phones)).status_code == 202
    assert visitor.world.query("SELECT channel, purpose, state FROM consent") == [("SMS", "alert", "given")]
    visitor.world.query("SELECT 1")
    with visitor.world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE consent SET state = 'withdrawn'")
    from_browser(visitor, a_subscription(None, **phones))
    assert visitor.world.value("SELECT state FROM consent") == "withdrawn"


def test_a_known_profile_is_named_by_its_id(visitor: Visitor) -> None:
    from_browser(visitor, a_subscription("ann@example.org"))
    profile_id = visitor.world.value("SELECT profile_id FROM profile")
    body = a_subscription(None, "VASE")
    body["data"]["attributes"]["profile"]["data"]["id"] = str(profile_id)
    assert visitor.post("/api/back-in-stock-subscriptions", body).status_code == 202
    assert [row.variant_id for row in requests_of(visitor)] == ["LAMP", "VASE"]
    body["data"]["attributes"]["profile"]["data"]["id"] = "99999"
    assert visitor.post("/api/back-in-stock-subscriptions", body).status_code == 404


def test_double_opt_in_asks_first(visitor: Visitor) -> None:
    visitor.world.register(a_shop(double_opt_in=True))
    assert from_browser(visitor, a_subscription()).status_code == 202
    assert requests_of(visitor)[0].state == "unconfirmed"
    assert visitor.world.value("SELECT purpose FROM message") == "confirm_request"


def test_double_opt_in_asks_at_the_address_that_is_known_of_whom_a_request_names(visitor: Visitor) -> None:
    phone, external_id = {"phone_number": "+14155550100"}, {"external_id": "C-1"}
    known = {"data": {"type": "profile", "attributes": {"email": "ann@example.org", **phone, **external_id}}}
    visitor.post("/api/profiles", known)
    visitor.world.register(a_shop(double_opt_in=True))
    for variant, identifiers in (("LAMP", phone), ("VASE", external_id)):
        body = a_subscription(None, variant, identifiers=identifiers)
        assert visitor.post("/api/back-in-stock-subscriptions", body).status_code == 202
    assert [(row.email, row.state) for row in requests_of(visitor)] == [
        ("ann@example.org", "unconfirmed")
    ] * 2
    stranger = a_subscription(None, identifiers={"external_id": "C-2"})
    assert visitor.post("/api/back-in-stock-subscriptions", stranger).status_code == 400


def test_a_browser_may_read_why_it_was_refused(visitor: Visitor) -> None:
    visitor.world.register(a_shop(double_opt_in=True))
    body = a_subscription(None, identifiers={"phone_number": "+14155550100"})
    answer = from_browser(visitor, body, Origin="https://shop.example")
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (400, "*")
    assert "an e-mail address is needed" in errors_of(answer)[0]["detail"]


def test_what_is_in_stock_joins_the_next_batch(visitor: Visitor) -> None:
    visitor.world.use_flow()
    visitor.world.sync(a_row("LAMP", 5))
    from_browser(visitor, a_subscription("ann@example.org"))
    assert visitor.world.tell() == ["ann@example.org"]


def changed(path: str, value: Any) -> Any:
    body = a_subscription()
    *parents, last = path.split("/")
    place = body
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return body


def test_where_the_rule_says_so_what_is_in_stock_is_refused_one_by_one(visitor: Visitor) -> None:
    visitor.world.set_rules(in_stock_request="reject")
    visitor.world.sync(a_row("LAMP", 5), a_row("VASE", 0))
    now = visitor.world.now
    asked = [
        Asked(Request(f"{name}@example.org", f"{name}@example.org", name, now), "api")
        for name in ("LAMP", "VASE")
    ]
    assert ask_together(visitor.world.engine, "demo", asked, now) == [Outcome("in_stock"), Outcome("waiting")]


MISTAKES: list[tuple[str, Any, str]] = [
    ("data/type", "subscription", "/data/type"),
    ("data/type", ..., "/data/type"),
    ("data/attributes/channels", ["PIGEON"], "/data/attributes/channels/0"),
    ("data/attributes/channels", [], "/data/attributes/channels"),
    ("data/attributes/channels", "EMAIL", "/data/attributes/channels"),
    ("data/attributes/profile", ..., "/data/attributes/profile"),
    (
        "data/attributes/profile/data/attributes/email",
        "nobody",
        "/data/attributes/profile/data/attributes/email",
    ),
    ("data/attributes/profile/data/attributes", {}, "/data/attributes/profile/data/attributes"),
    (
        "data/attributes/profile/data/attributes/phone_number",
        "0301234",
        "/data/attributes/profile/data/attributes/phone_number",
    ),
    ("data/relationships/variant/data/id", "a:::b:::c", "/data/relationships/variant/data/id"),
    ("data/relationships/variant/data/id", "x" * 5_000, "/data/relationships/variant/data/id"),
    ("data/relationships/variant", ..., "/data/relationships/variant"),
    ("data/attributes/wanted_quantity", -1, "/data/attributes/wanted_quantity"),
]


def test_a_mistake_is_named_with_its_place(visitor: Visitor) -> None:
    for path, value, pointer in MISTAKES:
        answer = from_browser(visitor, changed(path, value))
        error = errors_of(answer)[0]
        assert (answer.status_code, error["source"]) == (400, {"pointer": pointer}), path
        assert {"id", "code", "title", "detail"} <= set(error)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert requests_of(visitor) == []


NO_JSON = [
    b"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b'{"data":"\\u0000"}',
    b"[" * 100_000,
    b'{"data":{"type":"back-in-stock-subscription","attributes":1e999}}',
]


def test_what_is_no_json_is_a_400(visitor: Visitor) -> None:
    path = f"/client/back-in-stock-subscriptions?company_id={visitor.company_id}"
    for raw in NO_JSON:
        assert visitor.send("POST", path, data=raw, headers={"Content-Type": JSON_API}).status_code == 400


def test_other_media_types_methods_and_revisions_are_refused(visitor: Visitor) -> None:
    assert from_browser(visitor, a_subscription(), **{"Content-Type": "text/xml"}).status_code == 415
    assert visitor.get("/api/back-in-stock-subscriptions").status_code == 405
    for revision in ("2020-01-01", "2027-01-15", "newest"):
        answer = from_browser(visitor, a_subscription(), revision=revision)
        assert (answer.status_code, errors_of(answer)[0]["source"]) == (400, {"parameter": "revision"})


def test_an_id_of_ours_names_nobody_to_a_browser(visitor: Visitor) -> None:
    visitor.post("/api/back-in-stock-subscriptions", a_subscription())
    [(profile_id,)] = visitor.world.query("SELECT profile_id FROM profile")
    body = a_subscription(None, variant="VASE")
    body["data"]["attributes"]["profile"]["data"]["id"] = str(profile_id)
    for number in (profile_id, profile_id + 1):
        body["data"]["attributes"]["profile"]["data"]["attributes"]["id"] = str(number)
        answer = from_browser(visitor, body)
        assert answer.status_code == 400
        assert "email, phone_number and external_id" in errors_of(answer)[0]["detail"]
    assert len(requests_of(visitor)) == 1


def test_a_server_may_put_the_id_among_the_attributes(visitor: Visitor) -> None:
    visitor.post("/api/back-in-stock-subscriptions", a_subscription())
    [(profile_id,)] = visitor.world.query("SELECT profile_id FROM profile")
    body = a_subscription(None, variant="VASE", identifiers={"id": str(profile_id)})
    assert visitor.post("/api/back-in-stock-subscriptions", body).status_code == 202
    assert [row.email for row in requests_of(visitor)] == ["Ann@example.org"] * 2


def test_the_old_form_names_its_own_fields(visitor: Visitor) -> None:
    good = {"a": visitor.company_id, "email": "ann@example.org", "variant": "LAMP"}
    for name, value in (("a", "nobody"), ("email", ""), ("email", "x"), ("variant", "")):
        answer = visitor.send("POST", "/api/v1/catalog/subscribe", data={**good, name: value})
        assert errors_of(answer)[0]["source"] == {"parameter": name}
    parts = {name: (None, value) for name, value in good.items()}
    assert visitor.send("POST", "/api/v1/catalog/subscribe", files=parts).status_code == 415
    assert requests_of(visitor) == []


def test_a_packed_body_is_refused_as_such(visitor: Visitor) -> None:
    answer = visitor.post(
        "/api/back-in-stock-subscriptions", a_subscription(), headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 415 and "Content-Encoding" in errors_of(answer)[0]["detail"]


def test_a_text_with_few_values_is_refused_with_all_of_them(visitor: Visitor) -> None:
    answer = visitor.post("/api/back-in-stock-subscriptions", a_subscription(channels=["FAX"]))
    [error] = errors_of(answer)
    assert error["source"] == {"pointer": "/data/attributes/channels/0"}
    assert error["detail"].endswith("Allowed: EMAIL, PUSH, SMS, WHATSAPP.")


def test_what_is_asked_for_is_one_thing_of_its_own_kind(visitor: Visitor) -> None:
    path = "/api/back-in-stock-subscriptions"
    item = {"data": {"type": "catalog-item", "id": "P1"}}
    wrong = a_subscription()
    wrong["data"]["relationships"]["variant"] = item
    assert errors_of(visitor.post(path, wrong))[0]["source"] == {
        "pointer": "/data/relationships/variant/data/type"
    }
    both = a_subscription()
    both["data"]["relationships"]["item"] = item
    assert errors_of(visitor.post(path, both))[0]["source"] == {"pointer": "/data/relationships"}
    assert visitor.post(path, a_subscription(wanted_quantity=0)).status_code == 400
    assert requests_of(visitor) == []

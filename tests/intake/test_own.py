"""/restock/v1: what goes beyond Klaviyo, as its own OpenAPI describes it."""

from __future__ import annotations

import json
from typing import Any

from include.services.keys import create_key
from tests.builders import World, a_row, a_shop
from tests.intake.conftest import Visitor, errors_of

BASE = "/restock/v1/subscriptions"


def ask(visitor: Visitor, **request: Any) -> Any:
    return visitor.post(BASE, {"email": "ann@example.org", "variant_id": "LAMP", **request})


def test_requests_are_taken_listed_read_and_cancelled(visitor: Visitor) -> None:
    assert ask(visitor, wanted_quantity=3).json() == {"answer": "waiting", "id": "1"}
    assert ask(visitor, variant_id=None, product_id="P1", email="bob@example.org").status_code == 202
    page = visitor.get(f"{BASE}?size=1").json()
    assert [(each["email"], each["wanted_quantity"]) for each in page["subscriptions"]] == [
        ("ann@example.org", 3)
    ]
    rest = visitor.get(f"{BASE}/?after={page['after']}").json()
    assert [each["product_id"] for each in rest["subscriptions"]] == ["P1"] and rest["after"] is None
    found = visitor.get(f"{BASE}?state=waiting&email=ANN@example.org&variant_id=LAMP").json()["subscriptions"]
    request_id = found[0]["id"]
    assert visitor.send("DELETE", f"{BASE}/{request_id}").status_code == 204
    assert visitor.send("DELETE", f"{BASE}/{request_id}").status_code == 204
    assert visitor.get(f"{BASE}/{request_id}").json()["state"] == "cancelled"


def test_the_answer_names_the_request_that_was_made_or_joined(visitor: Visitor) -> None:
    made = ask(visitor).json()["id"]
    assert ask(visitor, wanted_quantity=2).json() == {"answer": "waiting", "id": made}
    of_product = ask(visitor, variant_id=None, product_id="P1").json()["id"]
    by_phone = ask(visitor, email=None, phone="+493012345678", channels=["SMS"]).json()["id"]
    assert len({made, of_product, by_phone}) == 3
    assert visitor.send("DELETE", f"{BASE}/{made}").status_code == 204
    assert visitor.get(f"{BASE}/{made}").json()["state"] == "cancelled"
    visitor.world.pass_time(minutes=1)
    assert ask(visitor).json()["id"] not in (made, of_product, by_phone)


def test_what_is_refused_since_it_is_in_stock_names_no_request(visitor: Visitor) -> None:
    visitor.world.set_rules(in_stock_request="reject")
    visitor.world.sync(a_row("LAMP", 5))
    assert ask(visitor).json() == {"answer": "in_stock", "id": None}


def test_a_request_keeps_the_date_that_is_given(visitor: Visitor) -> None:
    first = ask(visitor, subscribed_at="2025-01-31T09:30:00+01:00").json()
    assert visitor.get(f"{BASE}/{first['id']}").json()["subscribed_at"] == "2025-01-31T08:30:00+00:00"
    visitor.send("DELETE", f"{BASE}/{first['id']}")
    again = ask(visitor, subscribed_at="2025-01-31T09:30:00+01:00").json()
    assert again == {"answer": "known", "id": first["id"]}, "asked on this date before, and it has ended"
    for wrong in ("yesterday", "2999-01-01T00:00:00Z"):
        [error] = errors_of(ask(visitor, subscribed_at=wrong))
        assert error["source"] == {"pointer": "/subscribed_at"} and "allowed is" in error["detail"]


def test_a_misspelt_member_is_refused_by_its_name(visitor: Visitor) -> None:
    [error] = errors_of(ask(visitor, wanted_quantitiy=3))
    assert error["source"] == {"pointer": "/wanted_quantitiy"} and "wanted_quantity" in error["detail"]
    assert visitor.get(BASE).json()["subscriptions"] == []


def test_waiting_lists_come_and_go_with_their_dates(visitor: Visitor) -> None:
    csv = (
        "email,variant_id,subscribed_at\nann@example.org,LAMP,2025-01-31T09:30:00Z\nnobody,LAMP,2025-01-31\n"
    )
    for new, known in ((1, 0), (0, 1)):
        done = visitor.send("POST", f"{BASE}/import", data=csv, headers={"Content-Type": "text/csv"}).json()
        assert (done["new"], done["known"], done["refused_count"]) == (new, known, 1)
    assert done["refused"][0]["line"] == 3 and "nobody" not in done["refused"][0]["reason"]
    exported = visitor.get(f"{BASE}/export")
    assert exported.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "ann@example.org,LAMP,2025-01-31T09:30:00+00:00" in exported.text
    refused = visitor.send("POST", f"{BASE}/import", data="a,b\n1,2\n")
    assert refused.status_code == 400 and "/tmp" not in refused.text


def test_mistakes_are_named(visitor: Visitor) -> None:
    for request in (
        {"email": "x"},
        {"variant_id": None},
        {"product_id": "P"},
        {"wanted_quantity": 0},
        {"channels": ["?"]},
    ):
        assert ask(visitor, **request).status_code == 400
    for query in ("size=0", "size=x", "after=-1", "state=new"):
        answer = visitor.get(f"{BASE}?{query}")
        assert errors_of(answer)[0]["source"] == {"parameter": query.partition("=")[0]}
    assert visitor.get(f"{BASE}/999").status_code == visitor.get(f"{BASE}/x").status_code == 404


def test_another_shops_requests_are_not_there(visitor: Visitor) -> None:
    ask(visitor)
    request_id = visitor.get(BASE).json()["subscriptions"][0]["id"]
    other = World(visitor.world.engine, visitor.world.folder / "other", a_shop("other"))
    key = create_key(other.engine, "other", "private", other.now)
    visitor.headers["Authorization"] = f"Klaviyo-API-Key {key}"
    assert visitor.get(BASE).json()["subscriptions"] == []
    for method in ("GET", "DELETE"):
        assert visitor.send(method, f"{BASE}/{request_id}").status_code == 404
    assert "ann@" not in visitor.get(f"{BASE}/export").text
    assert visitor.world.states() == {"waiting": 1}


def test_klaviyos_ids_mean_the_shops_own(visitor: Visitor) -> None:
    assert ask(visitor, variant_id="$shopify:::$default:::LAMP").status_code == 202
    for variant_id in ("LAMP", "$shopify:::$default:::LAMP"):
        found = visitor.send("GET", BASE, params={"variant_id": variant_id}).json()["subscriptions"]
        assert [each["variant_id"] for each in found] == ["LAMP"]


def test_a_mistake_points_to_its_field(visitor: Visitor) -> None:
    for field, value in {
        "email": "x",
        "phone": "1",
        "wanted_quantity": 0,
        "channels": ["FAX"],
        "variant_id": "",
    }.items():
        [error] = errors_of(ask(visitor, **{field: value}))
        assert error["source"] == {"pointer": f"/{field}"}


def import_list(visitor: Visitor, raw: bytes) -> Any:
    return visitor.send("POST", f"{BASE}/import", data=raw, headers={"Content-Type": "text/csv"})


def test_lists_of_spreadsheets_are_read_and_damaged_ones_are_not_guessed_at(visitor: Visitor) -> None:
    parted = "\ufeffemail;variant_id;subscribed_at\r\nann@example.org;LAMP;2025-01-31\r\n".encode()
    assert import_list(visitor, parted).json()["new"] == 1
    latin = "email,variant_id,subscribed_at,first_name\nbob@example.org,LAMP,2025-01-31,Jürg\n"
    done = import_list(visitor, latin.encode("latin-1")).json()
    assert done["new"] == 0 and "UTF-8" in done["refused"][0]["reason"]
    assert import_list(visitor, latin.encode()).json()["new"] == 1
    twice = import_list(visitor, b"email,email,variant_id,subscribed_at\na@b.org,c@d.org,LAMP,2025-01-31\n")
    assert twice.status_code == 400 and "email is there twice" in errors_of(twice)[0]["detail"]


def test_an_export_comes_back_whole(visitor: Visitor) -> None:
    ask(visitor, email=None, external_id="customer-7", channels=["EMAIL"])
    ask(visitor, phone="+493012345678", wanted_quantity=4)
    done = import_list(visitor, visitor.get(f"{BASE}/export").content).json()
    assert (done["known"], done["refused_count"]) == (2, 0)


def test_every_example_of_the_description_is_taken_as_it_stands(visitor: Visitor) -> None:
    described = visitor.get("/restock/v1/openapi.json").json()
    taken = 0
    for path, operations in described["paths"].items():
        for kind, content in operations.get("post", {}).get("requestBody", {}).get("content", {}).items():
            examples = [each["value"] for each in content.get("examples", {}).values()]
            for example in [*examples, *filter(None, [content.get("example")])]:
                raw = example if isinstance(example, str) else json.dumps(example)
                answer = visitor.send("POST", path, data=raw, headers={"Content-Type": kind})
                assert answer.status_code in (200, 202) and answer.json().get("refused_count", 0) == 0
                taken += 1
    assert taken == 4


def test_a_list_with_mixed_up_columns_leaves_no_address_in_the_reasons(visitor: Visitor) -> None:
    header = "email,variant_id,subscribed_at,channels,wanted_quantity\n"
    rows = (
        "LAMP,bob@example.org,,",
        "LAMP,2026-01-01,bob@example.org,",
        "LAMP,2026-01-01,EMAIL,+493012345678",
    )
    body = header + "".join(f"ann@example.org,{row}\n" for row in rows)
    told = visitor.post("/restock/v1/subscriptions/import", data=body.encode())
    kept = visitor.world.query("SELECT reason FROM import_reject ORDER BY line_number")
    assert (told.json()["refused_count"], len(kept)) == (3, 3)
    assert not any(word in str(kept).lower() + told.text.lower() for word in ("bob@", "+4930"))
    assert "subscribed_at is what looks like an address" in kept[0].reason

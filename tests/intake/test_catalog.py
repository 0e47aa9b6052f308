"""The catalog API: every answer holds to the contract, and a quantity is a live observation of the stock."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.builders import START, World, a_row, a_shop
from tests.intake.conftest import Visitor, errors_of
from tests.intake.contract import check

ITEMS, VARIANTS = "/api/catalog-items", "/api/catalog-variants"
LAMP = "$custom:::$default:::LAMP"


def an_item(external_id: str = "P1", **attributes: Any) -> Any:
    told = {"title": "Lamps", "description": "Of brass", "url": "https://shop.example/p1", **attributes}
    return {"data": {"type": "catalog-item", "attributes": {"external_id": external_id, **told}}}


def a_variant(external_id: str = "LAMP", item: str = "$custom:::$default:::P1", **attributes: Any) -> Any:
    told = {
        "title": "Lamp",
        "description": "Of brass",
        "sku": f"SKU-{external_id}",
        "inventory_quantity": 0,
        "price": 19.9,
        "url": "https://shop.example/lamp",
        **attributes,
    }
    return {
        "data": {
            "type": "catalog-variant",
            "attributes": {"external_id": external_id, **told},
            "relationships": {"item": {"data": {"type": "catalog-item", "id": item}}},
        }
    }


def a_change(variant_id: str = LAMP, **attributes: Any) -> Any:
    return {"data": {"type": "catalog-variant", "id": variant_id, "attributes": attributes}}


def at(path: str, catalog_id: str) -> str:
    return f"{path}/{quote(catalog_id, safe='$:')}"


def one(path: str) -> str:
    return f"{path}/{{id}}"


def change(visitor: Visitor, variant_id: str = LAMP, **attributes: Any) -> Any:
    answer = visitor.send("PATCH", at(VARIANTS, variant_id), json=a_change(variant_id, **attributes))
    return check(answer, one(VARIANTS))


def test_an_item_and_a_variant_are_created_read_changed_and_deleted(visitor: Visitor) -> None:
    assert check(visitor.post(ITEMS, an_item()), ITEMS).status_code == 201
    made = check(visitor.post(f"{VARIANTS}/", a_variant(custom_metadata={"a": 1})), VARIANTS)
    assert (made.status_code, made.json()["data"]["id"]) == (201, LAMP)
    assert made.json()["data"]["relationships"]["item"]["data"]["id"] == "$custom:::$default:::P1"
    visitor.world.pass_time(seconds=1)
    changed = change(visitor, inventory_quantity=7, title="Bright lamp").json()["data"]["attributes"]
    assert (changed["inventory_quantity"], changed["title"], changed["sku"]) == (7, "Bright lamp", "SKU-LAMP")
    item = check(visitor.get(at(ITEMS, "$custom:::$default:::P1") + "?include=variants"), one(ITEMS)).json()
    assert [each["id"] for each in item["included"]] == [LAMP]
    gone = check(visitor.send("DELETE", at(VARIANTS, LAMP)), one(VARIANTS))
    assert (gone.status_code, visitor.get(at(VARIANTS, LAMP)).status_code) == (204, 404)
    assert check(visitor.send("DELETE", at(ITEMS, "$custom:::$default:::P1")), one(ITEMS)).status_code == 204
    assert visitor.get(ITEMS).json()["data"] == []
    visitor.world.pass_time(seconds=1)
    assert (
        visitor.post(ITEMS, an_item()).status_code == visitor.post(VARIANTS, a_variant()).status_code == 201
    )


def test_a_rise_by_api_is_a_restock_and_tells_the_oldest(visitor: Visitor) -> None:
    visitor.world.use_flow()
    visitor.world.sync(a_row("LAMP", 0, product_id="P1"))
    emails = visitor.world.ask_many("LAMP", 3)
    visitor.world.pass_time(minutes=1)
    assert change(visitor, inventory_quantity=20).status_code == 200
    assert visitor.world.tell() == emails
    assert visitor.world.value("SELECT count(*) FROM restock_event") == 1


def test_lists_come_in_pages_with_filters_fields_and_order(visitor: Visitor) -> None:
    visitor.world.sync(*[a_row(f"V{number}", number, product_id=f"P{number % 2}") for number in range(5)])
    seen: list[str] = []
    path = f"{VARIANTS}?page[size]=2&fields[catalog-variant]=sku,title&sort=-created"
    while path:
        page = check(visitor.get(path), VARIANTS).json()
        assert all(set(each["attributes"]) == {"sku", "title"} for each in page["data"])
        seen += [each["id"].split(":::")[-1] for each in page["data"]]
        path = page["links"].get("next", "").removeprefix(visitor.address)
    assert sorted(seen) == ["V0", "V1", "V2", "V3", "V4"]
    for filter_text, expected in {
        "any(ids,['$custom:::$default:::V1','$custom:::$default:::V3'])": ["V1", "V3"],
        "equals(item.id,'$custom:::$default:::P0')": ["V0", "V2", "V4"],
        "equals(sku,'V2')": ["V2"],
        "contains(title,'of v4'),equals(published,true)": ["V4"],
        "and(equals(published,false))": [],
    }.items():
        found = check(visitor.send("GET", VARIANTS, params={"filter": filter_text}), VARIANTS).json()["data"]
        assert [each["id"].split(":::")[-1] for each in found] == expected, filter_text
    items = check(visitor.get(f"{ITEMS}?include=variants&page[size]=1"), ITEMS).json()
    assert len(items["included"]) == 3 and "next" in items["links"]


def test_bulk_jobs_are_done_when_they_are_taken_and_name_what_they_refuse(visitor: Visitor) -> None:
    jobs = "/api/catalog-item-bulk-create-jobs"
    rows = [an_item("P1")["data"], an_item("P1")["data"], an_item("P2")["data"]]
    body = {"data": {"type": "catalog-item-bulk-create-job", "attributes": {"items": {"data": rows}}}}
    taken = check(visitor.post(jobs, body), jobs).json()["data"]["attributes"]
    assert (taken["status"], taken["total_count"], taken["failed_count"]) == ("complete", 3, 1)
    assert taken["errors"][0]["source"] == {"pointer": "/data/attributes/items/data/1"}
    jobs = "/api/catalog-variant-bulk-create-jobs"
    rows = [a_variant("LAMP")["data"], a_variant("VASE", "$custom:::$default:::NONE")["data"]]
    body = {"data": {"type": "catalog-variant-bulk-create-job", "attributes": {"variants": {"data": rows}}}}
    assert check(visitor.post(jobs, body), jobs).json()["data"]["attributes"]["failed_count"] == 1
    visitor.world.pass_time(seconds=1)
    jobs = "/api/catalog-variant-bulk-update-jobs"
    rows = [a_change(LAMP, inventory_quantity=4)["data"]]
    body = {"data": {"type": "catalog-variant-bulk-update-job", "attributes": {"variants": {"data": rows}}}}
    job_id = check(visitor.post(f"{jobs}/", body), jobs).json()["data"]["id"]
    assert visitor.world.value("SELECT units FROM variant_stock") == 4
    found = check(visitor.get(f"{jobs}/{job_id}?include=variants"), f"{jobs}/{{job_id}}").json()
    assert [each["id"] for each in found["included"]] == [LAMP]
    listed = check(visitor.send("GET", jobs, params={"filter": "equals(status,'complete')"}), jobs).json()[
        "data"
    ]
    assert [each["id"] for each in listed] == [job_id]
    assert visitor.get(f"{jobs}?filter=equals(status,'queued')").json()["data"] == []
    jobs = "/api/catalog-variant-bulk-delete-jobs"
    rows = [{"type": "catalog-variant", "id": LAMP}]
    body = {"data": {"type": "catalog-variant-bulk-delete-job", "attributes": {"variants": {"data": rows}}}}
    assert check(visitor.post(jobs, body), jobs).status_code == 202
    assert visitor.get(VARIANTS).json()["data"] == []


def test_mistakes_are_named_with_their_place(visitor: Visitor) -> None:
    visitor.post(ITEMS, an_item())
    visitor.post(VARIANTS, a_variant())
    without_sku = a_variant("X")
    del without_sku["data"]["attributes"]["sku"]
    for status, body, pointer in [
        (409, a_variant(), "/data/attributes/external_id"),
        (404, a_variant("X", "$custom:::$default:::NONE"), "/data/relationships/item/data/id"),
        (400, without_sku, "/data/attributes/sku"),
        (400, a_variant("X", inventory_quantity="many"), "/data/attributes/inventory_quantity"),
        (400, a_variant("X", inventory_quantity=1e300), "/data/attributes/inventory_quantity"),
        (400, a_variant("X", inventory_policy=3), "/data/attributes/inventory_policy"),
        (400, a_variant("X", custom_metadata={"a": "x" * 100_001}), "/data/attributes/custom_metadata"),
        (400, a_variant("X", title="x" * 900_000), "/data/attributes/title"),
        (413, a_variant("X", title="x" * 5_000_000), None),
    ]:
        answer = check(visitor.post(VARIANTS, body), VARIANTS)
        assert answer.status_code == status
        assert pointer is None or errors_of(answer)[0]["source"] == {"pointer": pointer}
    for query, parameter in {
        "page[size]=0": "page[size]",
        "page[size]=101": "page[size]",
        "page[cursor]=xyz": "page[cursor]",
        "filter=equals(nothing,1)": "filter",
        "filter=equals(sku,": "filter",
        "filter=equals(sku,'x": "filter",
        "sort=title": "sort",
        "fields[catalog-variant]=weight": "fields[catalog-variant]",
    }.items():
        answer = check(visitor.get(f"{VARIANTS}?{query}"), VARIANTS)
        assert (answer.status_code, errors_of(answer)[0]["source"]) == (400, {"parameter": parameter}), query
    answer = visitor.send("PATCH", at(VARIANTS, LAMP), json=a_change("$custom:::$default:::VASE"))
    assert (answer.status_code, errors_of(answer)[0]["source"]) == (400, {"pointer": "/data/id"})
    rows = [a_change()["data"]] * 101
    body = {"data": {"type": "catalog-variant-bulk-update-job", "attributes": {"variants": {"data": rows}}}}
    assert visitor.post("/api/catalog-variant-bulk-update-jobs", body).status_code == 400


def test_another_shops_variants_are_not_there(visitor: Visitor) -> None:
    other = World(visitor.world.engine, visitor.world.folder / "other", a_shop("other"))
    other.sync(a_row("LAMP", 3, product_id="P1"))
    assert visitor.get(at(VARIANTS, LAMP)).status_code == 404
    assert visitor.send("DELETE", at(VARIANTS, LAMP)).status_code == 404
    assert visitor.send("PATCH", at(VARIANTS, LAMP), json=a_change(inventory_quantity=0)).status_code == 404
    assert visitor.get(ITEMS).json()["data"] == visitor.get(VARIANTS).json()["data"] == []
    assert other.value("SELECT units FROM variant_stock") == 3


def test_an_older_write_never_overrides_a_newer_one(visitor: Visitor) -> None:
    visitor.world.sync(a_row("LAMP", 0))
    visitor.world.pass_time(minutes=1)
    change(visitor, inventory_quantity=5)
    visitor.world.now = START
    change(visitor, inventory_quantity=9)
    assert visitor.world.value("SELECT units FROM variant_stock") == 5


def test_pages_by_age_hold_every_variant_once_in_either_order(visitor: Visitor) -> None:
    visitor.post(ITEMS, an_item())
    for number in range(7):
        visitor.post(VARIANTS, a_variant(f"V{number}", sku=f"S{number % 2}"))
        visitor.world.pass_time(minutes=number % 2)
    for sort in ("created", "-created"):
        ids, path = [], f"{VARIANTS}?page[size]=3&sort={sort}"
        while path:
            page = check(visitor.get(path), VARIANTS).json()
            ids += [each["id"].split(":::")[-1] for each in page["data"]]
            path = page["links"].get("next", "").removeprefix(visitor.address)
        assert ids == sorted((f"V{number}" for number in range(7)), reverse=sort == "-created")
    found = visitor.send("GET", VARIANTS, params={"filter": "equals(sku,'S1')"}).json()["data"]
    assert [each["id"].split(":::")[-1] for each in found] == ["V1", "V3", "V5"]
    for word in ("1", "yes"):
        answer = visitor.send("GET", VARIANTS, params={"filter": f"equals(published,{word})"})
        assert answer.status_code == 400
    far = "WzkyMjMzNzIwMzY4NTQ3NzU4MDcsIiJd"  # a time that no calendar has
    assert visitor.get(f"{VARIANTS}?sort=created&page[cursor]={far}").status_code == 400


def test_variants_of_an_unpublished_item_are_not_announced_until_it_is_published_again(
    visitor: Visitor,
) -> None:
    visitor.post(ITEMS, an_item())
    visitor.post(VARIANTS, a_variant(inventory_quantity=0))
    visitor.post(VARIANTS, a_variant("VASE", inventory_quantity=0, published=False))

    def publish_item(is_published: bool) -> None:
        item_id = "$custom:::$default:::P1"
        body = {"data": {"type": "catalog-item", "id": item_id, "attributes": {"published": is_published}}}
        visitor.world.pass_time(minutes=1)
        assert visitor.send("PATCH", at(ITEMS, item_id), json=body).status_code == 200
        visitor.world.pass_time(minutes=1)

    def open_variants() -> list[str]:
        return [
            row.variant_id
            for row in visitor.world.query(
                "SELECT variant_id FROM variant_stock WHERE is_open ORDER BY variant_id"
            )
        ]

    publish_item(False)
    visitor.post(VARIANTS, a_variant("LATE", inventory_quantity=5))
    change(visitor, inventory_quantity=20)
    change(visitor, inventory_quantity=20, published=True)
    change(visitor, "$custom:::$default:::VASE", inventory_quantity=20)
    assert open_variants() == []
    publish_item(True)
    assert open_variants() == ["LAMP", "LATE"]
    change(visitor, published=False)
    publish_item(True)
    assert open_variants() == ["LATE"]


def test_a_filter_that_is_not_served_is_named_with_those_that_are(visitor: Visitor) -> None:
    for filter_text, named in (("equals(title,'x')", "it has equals(title,…)"), ("a b(", "is missing")):
        [error] = errors_of(visitor.send("GET", ITEMS, params={"filter": filter_text}))
        assert named in error["detail"] and "title: contains" in error["detail"]


def test_published_null_says_nothing_and_a_new_variant_is_published(visitor: Visitor) -> None:
    item_id = "$custom:::$default:::P1"

    def publish_item(is_published: bool | None) -> None:
        visitor.world.pass_time(seconds=1)
        told = {"data": {"type": "catalog-item", "id": item_id, "attributes": {"published": is_published}}}
        assert visitor.send("PATCH", at(ITEMS, item_id), json=told).status_code == 200

    def is_published() -> bool:
        shown = check(visitor.get(at(VARIANTS, LAMP)), one(VARIANTS)).json()
        return bool(shown["data"]["attributes"]["published"])

    visitor.post(ITEMS, an_item(published=None))
    visitor.post(VARIANTS, a_variant())
    visitor.send("DELETE", at(VARIANTS, LAMP))
    visitor.world.pass_time(seconds=1)
    assert visitor.post(VARIANTS, a_variant(published=None)).status_code == 201
    assert is_published()
    publish_item(False)
    publish_item(None)
    assert not is_published()
    publish_item(True)
    assert is_published()


def test_all_terms_of_a_filter_hold_those_of_one_field_too(visitor: Visitor) -> None:
    visitor.world.sync(a_row("V1", 1, product_id="P1"), a_row("V2", 1, product_id="P2"))
    for filter_text, expected in {
        "any(ids,['V1','V2']),any(ids,['V2','V3'])": ["V2"],
        "equals(sku,'V1'),equals(sku,'V2')": [],
        "equals(published,true),equals(published,false)": [],
        "equals(item.id,'P1'),equals(item.id,'P2'),any(ids,['V2'])": [],
        "equals(sku,'V1'),equals(sku,'V1')": ["V1"],
    }.items():
        found = visitor.send("GET", VARIANTS, params={"filter": filter_text}).json()["data"]
        assert [each["id"].split(":::")[-1] for each in found] == expected, filter_text
    twice = "contains(title,'a'),contains(title,'b')"
    assert visitor.send("GET", VARIANTS, params={"filter": twice}).status_code == 400


def test_what_a_job_names_twice_is_included_once(visitor: Visitor) -> None:
    visitor.post(ITEMS, an_item())
    visitor.post(VARIANTS, a_variant())
    jobs = "/api/catalog-variant-bulk-update-jobs"
    rows = [a_change(inventory_quantity=number)["data"] for number in (1, 2)]
    body = {"data": {"type": "catalog-variant-bulk-update-job", "attributes": {"variants": {"data": rows}}}}
    job_id = visitor.post(jobs, body).json()["data"]["id"]
    shown = check(visitor.get(f"{jobs}/{job_id}?include=variants"), f"{jobs}/{{job_id}}").json()
    assert [each["id"] for each in shown["included"]] == [LAMP]
    assert len(shown["data"]["relationships"]["variants"]["data"]) == 1


def test_who_is_not_there_to_be_deleted_is_named_by_the_path(visitor: Visitor) -> None:
    answer = check(visitor.send("DELETE", at(VARIANTS, LAMP)), one(VARIANTS))
    assert (answer.status_code, errors_of(answer)[0]["source"]) == (404, {"parameter": "id"})


def test_a_deleted_item_is_there_again_when_a_pull_brings_its_variants_back(visitor: Visitor) -> None:
    visitor.world.sync(a_row("LAMP", 3, product_id="P1"), a_row("VASE", 3, product_id="P2"))
    visitor.send("PATCH", at(ITEMS, "P1"), json={"data": {**an_item()["data"], "id": "P1"}})
    assert visitor.send("DELETE", at(ITEMS, "P1")).status_code == 204

    def items() -> list[str]:
        paths = [ITEMS, f"{ITEMS}?sort=created", f"{ITEMS}?filter=any(ids,['P1','P2'])"]
        [ids] = {
            tuple(sorted(each["attributes"]["external_id"] for each in page["data"]))
            for page in (check(visitor.get(path), ITEMS).json() for path in paths)
        }
        return list(ids)

    assert (visitor.get(at(ITEMS, "P1")).status_code, items()) == (404, ["P2"])
    visitor.world.sync(a_row("LAMP", 3, product_id="P1"), a_row("VASE", 3, product_id="P2"))
    found = check(visitor.get(at(ITEMS, "P1") + "?include=variants"), one(ITEMS)).json()
    assert [each["id"] for each in found["included"]] == [LAMP]
    assert (found["data"]["attributes"]["title"], items()) == (None, ["P1", "P2"])


def test_a_deleted_variant_that_a_pull_brought_back_follows_its_item(visitor: Visitor) -> None:
    def publish(is_published: bool) -> bool:
        visitor.world.pass_time(seconds=1)
        told = {"data": {"type": "catalog-item", "id": "P1", "attributes": {"published": is_published}}}
        assert visitor.send("PATCH", at(ITEMS, "P1"), json=told).status_code == 200
        shown = check(visitor.get(at(VARIANTS, LAMP)), one(VARIANTS)).json()
        return bool(shown["data"]["attributes"]["published"])

    visitor.world.sync(a_row("LAMP", 3, product_id="P1"))
    change(visitor, published=False)
    visitor.send("DELETE", at(VARIANTS, LAMP))
    visitor.world.sync(a_row("LAMP", 3, product_id="P1"))
    assert [publish(False), publish(True)] == [False, True]


def test_an_id_may_end_with_a_slash(visitor: Visitor) -> None:
    visitor.post(ITEMS, an_item())
    made = visitor.post(VARIANTS, a_variant("LAMP/")).json()["data"]
    path = made["links"]["self"].removeprefix(visitor.address)
    assert path.endswith("LAMP%2F")
    assert (
        visitor.get(path).json()["data"]["id"] == visitor.get(f"{path}/").json()["data"]["id"] == made["id"]
    )

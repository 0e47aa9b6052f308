"""Events, profiles and metrics: each event once, whose it is, and what is counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.builders import World, a_shop
from tests.intake.conftest import Visitor, errors_of
from tests.intake.contract import check

EVENTS, JOBS, PROFILES, METRICS = (
    "/api/events",
    "/api/event-bulk-create-jobs",
    "/api/profiles",
    "/api/metrics",
)


def a_profile(**attributes: Any) -> Any:
    return {"data": {"type": "profile", "attributes": attributes or {"email": "ann@example.org"}}}


def an_event(metric: str = "Placed Order", profile: Any = None, **attributes: Any) -> Any:
    told = {"properties": {"items": ["LAMP"]}, **attributes}
    about = {
        "metric": {"data": {"type": "metric", "attributes": {"name": metric}}},
        "profile": profile or a_profile(),
    }
    return {"data": {"type": "event", "attributes": {**told, **about}}}


def a_bulk(*events: Any, profile: Any = None, **attributes: Any) -> Any:
    rows = [{"type": "event", "attributes": {**each["data"]["attributes"]}} for each in events]
    for row in rows:
        del row["attributes"]["profile"]
    told = {"profile": profile or a_profile(), "events": {"data": rows}, **attributes}
    return {"type": "event-bulk-create", "attributes": told}


def a_job(*bulks: Any) -> Any:
    return {
        "data": {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": {"data": list(bulks)}}}
    }


def counts(visitor: Visitor) -> list[Any]:
    return visitor.world.query(
        "SELECT name, event_count, value_sum FROM profile_metric JOIN metric USING (shop_id, metric_id) ORDER BY name"
    )


def test_events_come_from_browsers_servers_and_in_bulk(visitor: Visitor) -> None:
    company = f"?company_id={visitor.company_id}"
    single = an_event("Viewed Product", unique_id="1")
    assert check(visitor.post(f"/client/events{company}", single), "/client/events").status_code == 202
    assert (
        check(visitor.post(f"{EVENTS}/", an_event(value=12.5, value_currency="EUR")), EVENTS).status_code
        == 202
    )
    bulk = {"data": a_bulk(an_event("Viewed Product", unique_id="2"))}
    path = "/client/event-bulk-create"
    assert check(visitor.post(f"{path}{company}", bulk), path).status_code == 202
    job = a_job(
        a_bulk(an_event(unique_id="3", value=2.5)),
        a_bulk(an_event(), profile=a_profile(email="bob@example.org")),
    )
    assert check(visitor.post(JOBS, job), JOBS).status_code == 202
    assert counts(visitor) == [("Placed Order", 2, 15), ("Placed Order", 1, 0), ("Viewed Product", 2, 0)]


def test_an_event_is_recorded_once_per_unique_id_or_second_and_the_first_wins(visitor: Visitor) -> None:
    for number in range(3):
        visitor.post(EVENTS, an_event(unique_id="order-1", value=number + 1))
        visitor.post(EVENTS, an_event("Viewed Product"))
    visitor.post(JOBS, a_job(a_bulk(an_event(unique_id="order-1"), an_event(unique_id="order-1"))))
    visitor.world.pass_time(seconds=1)
    visitor.post(EVENTS, an_event("Viewed Product"))
    visitor.post(EVENTS, an_event(unique_id="order-1", profile=a_profile(email="bob@example.org")))
    assert counts(visitor) == [("Placed Order", 1, 1), ("Placed Order", 1, 0), ("Viewed Product", 2, 0)]


def test_backfill_is_kept_with_the_event(visitor: Visitor) -> None:
    visitor.post(EVENTS, an_event(unique_id="1", backfill=True))
    visitor.post(JOBS, a_job(a_bulk(an_event(unique_id="2"), backfill=True)))
    visitor.post(EVENTS, an_event(unique_id="3"))
    assert visitor.world.query("SELECT unique_id, is_backfill FROM event ORDER BY event_id") == [
        ("1", True),
        ("2", True),
        ("3", False),
    ]


def test_the_strongest_identifier_decides_whose_event_it_is(visitor: Visitor) -> None:
    visitor.post(
        EVENTS, an_event(profile=a_profile(email="ann@example.org", first_name="Ann", properties={"a": 1}))
    )
    visitor.post(
        EVENTS, an_event(unique_id="2", profile=a_profile(email="ANN@example.org", external_id="c-1"))
    )
    visitor.post(EVENTS, an_event(unique_id="3", profile=a_profile(external_id="c-1", properties={"b": 2})))
    visitor.post(
        EVENTS, an_event(unique_id="4", profile=a_profile(external_id="c-1", email="bob@example.org"))
    )
    rows = visitor.world.query(
        "SELECT email, external_id, first_name, properties FROM profile ORDER BY profile_id"
    )
    assert rows == [("ann@example.org", "c-1", "Ann", {"a": 1, "b": 2}), ("bob@example.org", None, None, {})]
    assert counts(visitor) == [("Placed Order", 3, 0), ("Placed Order", 1, 0)]


def test_a_browser_that_nobody_named_is_somebody_of_its_own(visitor: Visitor) -> None:
    company = f"?company_id={visitor.company_id}"
    visitor.post(f"/client/events{company}", an_event(profile=a_profile(anonymous_id="abc")))
    assert visitor.world.query("SELECT external_id FROM profile") == [("anonymous:abc",)]


def test_events_are_read_in_pages_with_their_metric_and_person(visitor: Visitor) -> None:
    for number in range(3):
        moment = (visitor.world.now - timedelta(days=number)).isoformat()
        visitor.post(EVENTS, an_event(time=moment, unique_id=f"{number}", value=1))
    path = f"{EVENTS}?page[size]=2&sort=-datetime&include=metric,profile"
    page = check(visitor.get(path), EVENTS).json()
    assert [each["attributes"]["uuid"] for each in page["data"]] == ["0", "1"]
    assert {each["type"] for each in page["included"]} == {"metric", "profile"}
    last = check(visitor.get(page["links"]["next"].removeprefix(visitor.address)), EVENTS).json()
    assert [each["attributes"]["uuid"] for each in last["data"]] == ["2"] and "next" not in last["links"]
    metric_id = check(visitor.get(METRICS), METRICS).json()["data"][0]["id"]
    since = (visitor.world.now - timedelta(hours=1)).isoformat()
    for text, expected in {
        f"equals(metric_id,'{metric_id}')": 3,
        f"equals(metric_id,'{metric_id}'),greater-or-equal(datetime,{since})": 1,
        "equals(profile_id,'999')": 0,
        "less-than(timestamp,1000000000)": 0,
    }.items():
        found = check(visitor.send("GET", EVENTS, params={"filter": text}), EVENTS).json()["data"]
        assert len(found) == expected, text


def test_profiles_are_created_once_and_found(visitor: Visitor) -> None:
    body = a_profile(email="ann@example.org", phone_number="+493012345678", properties={"size": 38})
    made = check(visitor.post(PROFILES, body), PROFILES)
    assert made.status_code == 201
    again = check(visitor.post(PROFILES, a_profile(email="Ann@example.org")), PROFILES)
    assert (again.status_code, errors_of(again)[0]["meta"]["duplicate_profile_id"]) == (
        409,
        made.json()["data"]["id"],
    )
    check(visitor.post(PROFILES, a_profile(external_id="c-2")), PROFILES)
    for text, expected in {
        "equals(email,'ANN@example.org')": 1,
        'equals(phone_number,"+49 30 12345678")': 1,
        "equals(external_id,'c-2')": 1,
        "any(id,['1','2'])": 2,
        "equals(email,'nobody@example.org')": 0,
    }.items():
        found = check(visitor.send("GET", PROFILES, params={"filter": text}), PROFILES).json()["data"]
        assert len(found) == expected, text
    first = check(
        visitor.get(f"{PROFILES}?page[size]=1&sort=-created&fields[profile]=email"), PROFILES
    ).json()
    assert first["data"][0]["attributes"] == {"email": None}
    second = check(visitor.get(first["links"]["next"].removeprefix(visitor.address)), PROFILES).json()
    assert second["data"][0]["attributes"] == {"email": "ann@example.org"}


def test_mistakes_are_named_with_their_place(visitor: Visitor) -> None:
    for body, pointer in [
        (an_event(time="1989-01-01T00:00:00Z"), "/data/attributes/time"),
        (an_event(time="2028-01-01T00:00:00Z"), "/data/attributes/time"),
        (an_event(time="yesterday"), "/data/attributes/time"),
        (an_event(""), "/data/attributes/metric/data/attributes/name"),
        (an_event("x" * 128), "/data/attributes/metric/data/attributes/name"),
        (an_event(properties={f"p{number}": 1 for number in range(401)}), "/data/attributes/properties"),
        (an_event(properties={"a": "x" * 100_001}), "/data/attributes/properties"),
        (an_event(value="much"), "/data/attributes/value"),
        (an_event(value_currency="Euro"), "/data/attributes/value_currency"),
        (an_event(profile=a_profile(first_name="Ann")), "/data/attributes/profile/data/attributes"),
        (an_event(profile=a_profile(email="x")), "/data/attributes/profile/data/attributes/email"),
    ]:
        answer = check(visitor.post(EVENTS, body), EVENTS)
        assert (answer.status_code, errors_of(answer)[0]["source"]) == (400, {"pointer": pointer})
    many = a_job(a_bulk(*[an_event(unique_id=f"{number}") for number in range(1_001)]))
    assert visitor.post(JOBS, many).status_code == 400
    bulk = a_bulk(an_event(), an_event(value_currency="?"))
    pointer = "/data/attributes/events-bulk-create/data/0/attributes/events/data/1/attributes/value_currency"
    assert errors_of(visitor.post(JOBS, a_job(bulk)))[0]["source"] == {"pointer": pointer}
    assert visitor.world.value("SELECT count(*) FROM event") == 0


def test_another_shops_events_and_people_are_not_there(visitor: Visitor) -> None:
    visitor.post(EVENTS, an_event())
    other = World(visitor.world.engine, visitor.world.folder / "other", a_shop("other"))
    from include.services.keys import create_key

    key = create_key(other.engine, "other", "private", other.now)
    visitor.headers["Authorization"] = f"Klaviyo-API-Key {key}"
    for path in (EVENTS, PROFILES, METRICS, f"{EVENTS}?filter=equals(profile_id,'1')"):
        assert visitor.get(path).json()["data"] == []
    stolen = an_event(profile={"data": {"type": "profile", "id": "1", "attributes": {}}})
    assert visitor.post(EVENTS, stolen).status_code == 404


def test_times_are_filtered_exactly_and_has_is_understood(visitor: Visitor) -> None:
    for second in range(3):
        visitor.post(EVENTS, an_event(time=f"2026-01-01T00:00:0{second}Z"))
    for filter_text, expected in {
        "greater-than(datetime,2026-01-01T00:00:01Z)": 1,
        "greater-or-equal(datetime,2026-01-01T00:00:01Z)": 2,
        "less-than(timestamp,1767225601)": 1,
        "less-or-equal(timestamp,1767225601)": 2,
        "has(profile),has(metric)": 3,
        "equals(profile_id,'99'),equals(profile_id,'1')": 0,
        "equals(metric_id,'99'),equals(metric_id,'1')": 0,
    }.items():
        found = check(visitor.send("GET", EVENTS, params={"filter": filter_text}), EVENTS).json()["data"]
        assert len(found) == expected, filter_text


def test_times_are_cut_to_the_second_so_that_a_reader_goes_on_where_it_ended(visitor: Visitor) -> None:
    visitor.post(EVENTS, an_event(time="2026-01-01T01:00:00.750+01:00"))
    [event] = check(visitor.get(EVENTS), EVENTS).json()["data"]
    told = event["attributes"]
    assert (told["datetime"], told["timestamp"]) == ("2026-01-01T00:00:00+00:00", 1767225600)
    later = visitor.get(f"{EVENTS}?filter=greater-than(timestamp,{told['timestamp']})")
    assert later.json()["data"] == []


def test_all_people_of_a_page_are_included_and_pages_go_both_ways(visitor: Visitor) -> None:
    people = [a_profile(email=f"p{number}@example.org") for number in range(120)]
    visitor.post(JOBS, a_job(*[a_bulk(an_event(time=1_767_225_600), profile=each) for each in people]))
    page = visitor.get(f"{EVENTS}?page[size]=1000&include=profile").json()
    assert len(page["included"]) == len(page["data"]) == 120
    for sort in ("datetime", "-timestamp"):
        ids, path = [], f"{EVENTS}?page[size]=50&sort={sort}"
        while path:
            page = check(visitor.get(path), EVENTS).json()
            ids += [int(each["id"]) for each in page["data"]]
            path = page["links"].get("next", "").removeprefix(visitor.address)
        assert ids == sorted(set(ids), reverse=sort.startswith("-")) and len(ids) == 120


def test_profiles_are_found_by_several_identifiers_and_by_age(visitor: Visitor) -> None:
    for name in ("ann", "bob", "cid"):
        visitor.post(PROFILES, a_profile(email=f"{name}@example.org"))
    for filter_text, expected in {
        "any(email,['ANN@example.org','bob@example.org','x'])": 2,
        "any(email,['ann@example.org']),equals(email,'bob@example.org')": 0,
        "any(external_id,['a','b'])": 0,
        "any(phone_number,['+493012345678','junk'])": 0,
        "greater-than(created,2000-01-01)": 3,
        "less-than(updated,2000-01-01)": 0,
    }.items():
        found = check(visitor.send("GET", PROFILES, params={"filter": filter_text}), PROFILES).json()["data"]
        assert len(found) == expected, filter_text
    for sort in ("-created", "-updated", "-id"):
        newest = visitor.get(f"{PROFILES}?sort={sort}&page[size]=2").json()
        rest = visitor.get(newest["links"]["next"].removeprefix(visitor.address)).json()
        emails = [each["attributes"]["email"] for each in newest["data"] + rest["data"]]
        assert emails == ["cid@example.org", "bob@example.org", "ann@example.org"], sort


def properties_of(visitor: Visitor) -> Any:
    return visitor.world.value("SELECT properties FROM profile WHERE email_key = 'ann@example.org'")


def test_a_browser_fills_what_is_empty_and_makes_nobody_come_first(visitor: Visitor) -> None:
    company = f"?company_id={visitor.company_id}"

    def tell(path: str, **told: Any) -> None:
        profile = a_profile(email="ann@example.org", **told)
        assert visitor.post(path, an_event(profile=profile)).status_code == 202

    tell(f"/client/events{company}", properties={"size": "M", "vip": True}, locale="de")
    assert properties_of(visitor) == {"size": "M"}
    tell(EVENTS, properties={"size": "L", "vip": True}, locale="fr")
    tell(f"/client/events{company}", properties={"size": "S", "colour": "red", "vip": False}, locale="it")
    assert properties_of(visitor) == {"size": "L", "vip": True, "colour": "red"}
    assert visitor.world.value("SELECT locale FROM profile") == "fr"


def test_browsers_fill_no_profile_without_end(visitor: Visitor) -> None:
    for number in range(3):
        profile = a_profile(email="ann@example.org", properties={f"p{number}": "x" * 90_000})
        visitor.post(f"/client/events?company_id={visitor.company_id}", an_event(profile=profile))
    assert sorted(properties_of(visitor)) == ["p0", "p1"]


def test_what_several_of_one_set_tell_of_a_person_is_all_kept(visitor: Visitor) -> None:
    told = [{"a": 1, "b": 1}, {"b": 2}, {}]
    bulks = [
        a_bulk(an_event(unique_id=f"{number}"), profile=a_profile(email="ann@example.org", properties=each))
        for number, each in enumerate(told)
    ]
    assert visitor.post(JOBS, a_job(*bulks)).status_code == 202
    assert properties_of(visitor) == {"a": 1, "b": 2}

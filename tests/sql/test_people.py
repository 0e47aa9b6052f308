"""Who a request is from (SEMANTICS 3.1)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.domain.request import Request, fold_email
from include.errors import RowRejected
from include.services.people import find_people
from tests.builders import START, World

P, Q = "+4930123456", "+4930654321"


def from_(
    email: str | None = None, phone: str | None = None, external_id: str | None = None, **more
) -> Request:
    key = fold_email(email) if email else None
    return Request(email, key, "LAMP", START, phone=phone, external_id=external_id, **more)


def find(world: World, *requests: Request) -> list[int]:
    with world.engine.begin() as connection:
        return find_people(connection, "demo", requests, world.now)


def people(world: World) -> list[tuple[str | None, str | None, str | None]]:
    return [
        tuple(row) for row in world.query("SELECT email, phone, external_id FROM profile ORDER BY profile_id")
    ]


def test_3_1_the_same_email_phone_or_own_id_is_the_same_person(world: World) -> None:
    first = find(world, from_("a@example.org", P, "7"))
    for same in (from_("A@example.org"), from_(phone=P), from_(external_id="7"), from_("a@example.org", Q)):
        assert find(world, same) == first
    assert people(world) == [("a@example.org", P, "7")]


def test_3_1_the_email_decides_where_identifiers_name_two_people(world: World) -> None:
    ann, ben = find(world, from_("ann@example.org"), from_("ben@example.org", P))
    assert find(world, from_("ann@example.org", P)) == [ann]
    assert find(world, from_(phone=P)) == [ben]
    assert people(world) == [("ann@example.org", None, None), ("ben@example.org", P, None)]


def test_3_1_a_phone_finds_nobody_whose_email_differs(world: World) -> None:
    (ann,) = find(world, from_("ann@example.org", P))
    (ben,) = find(world, from_("ben@example.org", P))
    assert ann != ben
    assert people(world)[1] == ("ben@example.org", None, None)


def test_3_1_who_was_known_by_phone_gets_the_email_that_comes_later(world: World) -> None:
    first = find(world, from_(phone=P))
    assert find(world, from_("a@example.org", P)) == first
    assert people(world) == [("a@example.org", P, None)]


def test_3_1_names_are_filled_in_and_never_replaced(world: World) -> None:
    find(world, from_("a@example.org"))
    find(world, from_("a@example.org", first_name="Ann"), from_("a@example.org", P, last_name="Lee"))
    find(world, from_("a@example.org", first_name="Bea"))
    assert world.query("SELECT first_name, last_name FROM profile") == [("Ann", "Lee")]


def test_3_1_nobody_is_no_person() -> None:
    with pytest.raises(RowRejected, match="nobody is named"):
        from_()


def identity_or_skip(given_: tuple[str | None, str | None, str | None]) -> Request | None:
    return from_(*given_) if any(given_) else None


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([None, "a@example.org", "B@example.org", "b@example.org"]),
                st.sampled_from([None, P, Q]),
                st.sampled_from([None, "1", "2"]),
            ),
            min_size=1,
            max_size=6,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_3_1_everybody_is_somebody_and_no_identifier_is_ever_taken_away(new_world, batches) -> None:
    with new_world() as world:
        for batch in batches:
            before = dict(enumerate(people(world)))
            asked = [request for given_ in batch if (request := identity_or_skip(given_)) is not None]
            found = find(world, *asked)
            known = people(world)
            for row, old in before.items():
                assert all(new == was for new, was in zip(known[row], old, strict=True) if was is not None)
            for request, person in zip(asked, found, strict=True):
                email, phone, _ = world.query(
                    "SELECT email_key, phone, external_id FROM profile WHERE profile_id = :id", id=person
                )[0]
                if request.email_key:
                    assert email == request.email_key
                elif request.phone:
                    assert phone in (None, request.phone)
            assert find(world, *asked) == found

"""The pages behind a mail's links, served by the door and used in a browser (SEMANTICS 10.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Locator, expect

from include.db.queries import run_query
from include.domain.report_wish import ReportWish
from include.domain.request import Request, fold_email
from include.intake.links.texts import ENDED, INVALID, WORDS
from include.services.links import LINK_PATH, PURPOSES, Purpose
from include.services.report_subscriptions import subscribe
from include.services.requests import take_requests
from tests.browser.sight import DESKTOP, PHONE, Scheme, Sight, looking
from tests.builders import World
from tests.intake.conftest import Visitor, visiting

# What a link is about: a person, a recipient of a report, or a request, which another purpose leaves alone.
TARGETS = {
    "unsubscribe": "SELECT profile_id FROM profile WHERE email = :who",
    "unsubscribe_report": "SELECT recipient_id FROM report_recipient WHERE address = :who",
}
REQUEST = """
    SELECT subscription.subscription_id
    FROM subscription
    JOIN profile USING (shop_id, profile_id)
    WHERE profile.email = :who
"""
STATES = {
    "unsubscribe": "SELECT count(*) FROM suppression WHERE address_key = :who",
    "unsubscribe_report": "SELECT coalesce(end_reason, '') FROM report_recipient WHERE address = :who",
    "keep": f"SELECT count(kept_at) FROM subscription WHERE subscription_id = ({REQUEST})",
}
STATE = f"SELECT state FROM subscription WHERE subscription_id = ({REQUEST})"
CHANGES: dict[Purpose, tuple[Any, Any]] = {
    "unsubscribe": (0, 1),
    "cancel": ("waiting", "cancelled"),
    "confirm": ("unconfirmed", "waiting"),
    "keep": (0, 1),
    "unsubscribe_report": ("", "unsubscribed"),
}


@pytest.fixture(scope="module")
def visitor(
    new_world: Callable[[], AbstractContextManager[World]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitor]:
    with new_world() as world, requests.Session() as session:
        database_url = world.engine.url.render_as_string(hide_password=False)
        with visiting(world, database_url, tmp_path_factory.mktemp("door"), session) as visitor:
            yield visitor


def a_link(visitor: Visitor, purpose: Purpose, who: str) -> str:
    """The link of a mail to somebody for whom nothing has happened yet."""
    world = visitor.world
    request = Request(who, fold_email(who), "LAMP", world.now)
    with world.engine.begin() as connection:
        take_requests(connection, "demo", [request], "api", "notify", world.now, purpose == "confirm")
    if purpose == "unsubscribe_report":
        wish = ReportWish(name=who.partition("@")[0], shop="demo", report="activity", to=[who])
        subscribe(world.engine, wish, world.now)
    target = world.value(TARGETS.get(purpose, REQUEST), who=who)
    return f"{visitor.address}{LINK_PATH}/{purpose}/{world.token(purpose, target)}"


def state(visitor: Visitor, purpose: Purpose, who: str) -> Any:
    return visitor.world.value(STATES.get(purpose, STATE), who=who)


def heading(sight: Sight, words: str) -> Locator:
    return sight.page.get_by_role("heading", name=words, exact=True)


def assert_shown_in(language: str, sight: Sight) -> None:
    assert sight.page.locator("html").get_attribute("lang") == language
    assert sight.pixels_beyond() == 0


def press(sight: Sight, visitor: Visitor, purpose: Purpose, language: str) -> None:
    """Open the page of a link, find that this changed nothing, and press its button on the keyboard."""
    words, (before, after) = WORDS[language][purpose], CHANGES[purpose]
    who = f"{purpose}-{language}@example.org"
    sight.page.goto(a_link(visitor, purpose, who))
    expect(heading(sight, words.heading)).to_be_visible()
    assert_shown_in(language, sight)
    assert state(visitor, purpose, who) == before, purpose
    sight.page.keyboard.press("Tab")
    expect(sight.page.get_by_role("button", name=words.button, exact=True)).to_be_focused()
    sight.page.keyboard.press("Enter")
    expect(heading(sight, words.done_heading)).to_be_visible()
    assert state(visitor, purpose, who) == after, purpose
    assert_shown_in(language, sight)
    assert sight.page.get_by_role("button").count() == 0


@pytest.mark.parametrize("language", WORDS)
def test_pages_change_nothing_until_their_button_is_pressed(
    browser: Browser, visitor: Visitor, language: str
) -> None:
    with looking(browser, size=PHONE, language=language, door=visitor.address) as sight:
        for purpose in PURPOSES:
            press(sight, visitor, purpose, language)
        assert (sight.complaints, sight.asked) == ([], [])


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")])
def test_a_click_does_it_and_going_back_and_clicking_again_does_no_more(
    browser: Browser, visitor: Visitor, size: tuple[int, int], scheme: Scheme
) -> None:
    words, who = WORDS["en"]["cancel"], f"{scheme}@example.org"
    with looking(browser, scheme, size, door=visitor.address) as sight:
        sight.page.goto(a_link(visitor, "cancel", who))
        assert sight.faults() == []
        for _ in range(2):
            sight.page.get_by_role("button", name=words.button).click()
            expect(heading(sight, words.done_heading)).to_be_visible()
            assert state(visitor, "cancel", who) == "cancelled"
            assert sight.faults() == []
            sight.page.go_back()
            expect(heading(sight, words.heading)).to_be_visible()
        assert (sight.complaints, sight.asked) == ([], [])


def test_a_link_that_was_cut_off_says_so(browser: Browser, visitor: Visitor) -> None:
    link = a_link(visitor, "cancel", "cut@example.org")
    with looking(browser, "dark", PHONE, "fr", door=visitor.address) as sight:
        sight.page.goto(link[:-1])
        assert heading(sight, INVALID["fr"][0]).is_visible()
        assert_shown_in("fr", sight)
        assert sight.page.get_by_role("button").count() == 0
        assert sight.faults() == []


def test_a_confirmation_that_comes_too_late_promises_nothing(browser: Browser, visitor: Visitor) -> None:
    link = a_link(visitor, "confirm", "late@example.org")
    with visitor.world.engine.begin() as connection:
        expired = run_query(
            connection, "confirmation.expire", confirm_days=0, now=visitor.world.now + timedelta(days=1)
        )
        assert expired.rowcount == 1
    with looking(browser, "dark", PHONE, "de", door=visitor.address) as sight:
        sight.page.goto(link)
        sight.page.get_by_role("button").click()
        expect(heading(sight, ENDED["de"][0])).to_be_visible()
        assert_shown_in("de", sight)
        assert sight.faults() == []
        assert state(visitor, "confirm", "late@example.org") == "expired"

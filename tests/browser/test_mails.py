"""Alerts and report mails as they came over SMTP, looked at in a browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from playwright.sync_api import Browser

from include.domain.report_wish import ReportWish
from include.reports.chart_style import as_png
from include.reports.charts import CHARTS
from include.services import report_mail
from include.services.report_mail import Store
from include.services.report_subscriptions import subscribe
from tests.browser.sight import (
    MAIL,
    OF_MAILS,
    PHONE,
    Scheme,
    Served,
    Sight,
    as_shown,
    looking,
)
from tests.builders import World, a_row, a_shop
from tests.fixtures.smtp_server import ScriptedSmtpServer, sender_to

PICTURE = "https://pictures.shop.example/lamp.png"
# Wider than a phone: a word that nobody broke.
TITLE = "Donaudampfschifffahrtsgesellschaftskapitänsmützenständer, 42 cm"
HEADLINES = {
    "en": "It's back in stock",
    "de": "Wieder auf Lager",
    "fr": "De retour en stock",
    "it": "È di nuovo disponibile",
}
# What each report counts in this world, and whether it brings a chart.
REPORTS = {
    "activity": ({"people asked to be told": "4", "people told": "4", "units back in stock": "50"}, True),
    "demand": ({"people waiting": "30", "items that they wait for": "1"}, True),
    "queue": ({"people waiting": "30", "units that they want": "30"}, True),
    # Nothing was pulled for a day, and thirty wait for what the shop does not sell.
    "watchdog": ({"open findings": "2"}, False),
}


@pytest.fixture(scope="module")
def mails(
    new_world: Callable[[], AbstractContextManager[World]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, EmailMessage]:
    """What everybody got, by the local part of the address, read back from an SMTP server."""
    with new_world() as world, ScriptedSmtpServer() as server:
        queue_alerts(world)
        for name in REPORTS:
            wish = ReportWish(name=name, shop="demo", report=name, to=[f"{name}@shop.example"])
            subscribe(world.engine, wish, world.now)
        send(world, server)
        world.pass_time(days=1)
        report_mail.mail_newest(world.engine, Store(tmp_path_factory.mktemp("exports")), world.now)
        send(world, server)
    return {
        mail.recipient.partition("@")[0]: message_from_bytes(mail.content, policy=policy.default)  # type: ignore[misc]
        for mail in server.mails
    }


def queue_alerts(world: World) -> None:
    world.register(a_shop(name="Möbel & Lampen Müller"))
    world.use_flow()
    shown = {"title": TITLE, "url": "https://shop.example/lamp", "image_url": PICTURE, "price": "1249.90"}
    world.sync(a_row("LAMP", 0, **shown))
    for language in HEADLINES:
        world.ask(f"{language}@example.org", "LAMP", locale=language)
    world.ask_many("VASE", 30)
    world.sync(a_row("LAMP", 50, **shown))
    world.release()
    world.move()


def send(world: World, server: ScriptedSmtpServer) -> None:
    world.dispatch(sender=sender_to(server), intake_url="https://door.shop.example")


@pytest.fixture(scope="module")
def picture() -> Served:
    return Served("image/png", as_png(CHARTS["queue_age"]([], "")))


def assert_readable(sight: Sight) -> None:
    """On a wide screen and on a phone: nothing to scroll for sideways, and nothing that axe-core finds wrong."""
    assert sight.pixels_beyond() == 0
    sight.resize(PHONE)
    assert sight.pixels_beyond() == 0
    assert sight.faults(OF_MAILS) == []
    assert sight.complaints == []


@pytest.mark.parametrize(
    ("language", "scheme"), [("en", "light"), ("de", "dark"), ("fr", "light"), ("it", "dark")]
)
def test_an_alert_is_readable_everywhere_and_asks_for_the_products_picture_alone(
    browser: Browser, mails: dict[str, EmailMessage], picture: Served, language: str, scheme: Scheme
) -> None:
    with looking(browser, scheme, served={**as_shown(mails[language]), PICTURE: picture}) as sight:
        sight.page.goto(MAIL)
        assert sight.page.get_by_role("heading", name=HEADLINES[language], exact=True).is_visible()
        assert sight.page.locator("html").get_attribute("lang") == language
        assert sight.page.get_by_text(TITLE, exact=True).is_visible()
        assert [width > 0 for width in sight.picture_widths()] == [True]
        assert_readable(sight)
        assert sight.asked == [PICTURE]


@pytest.mark.parametrize(
    ("report", "scheme"),
    [
        ("activity", "light"),
        ("activity", "dark"),
        ("demand", "dark"),
        ("queue", "light"),
        ("watchdog", "dark"),
    ],
)
def test_a_report_is_readable_everywhere_and_asks_for_nothing(
    browser: Browser, mails: dict[str, EmailMessage], report: str, scheme: Scheme
) -> None:
    figures, has_chart = REPORTS[report]
    with looking(browser, scheme, served=as_shown(mails[report])) as sight:
        sight.page.goto(MAIL)
        for label, value in figures.items():
            row = sight.page.locator("tr", has=sight.page.get_by_text(label, exact=True)).last
            assert row.is_visible()
            assert row.locator("td").nth(1).inner_text() == value
        assert [width > 0 for width in sight.picture_widths()] == [True] * has_chart
        assert_readable(sight)
        assert sight.asked == []


def test_where_pictures_are_blocked_an_alert_names_the_product_in_readable_ink(
    browser: Browser, mails: dict[str, EmailMessage]
) -> None:
    with looking(browser, size=PHONE, served=as_shown(mails["en"])) as sight:
        sight.page.goto(MAIL)
        picture = sight.page.get_by_role("img")
        assert picture.get_attribute("alt") == TITLE
        ink = sight.page.get_by_text("Hi there")
        colour = "element => getComputedStyle(element).color"
        assert picture.evaluate(colour) == ink.evaluate(colour)
        assert sight.pixels_beyond() == 0

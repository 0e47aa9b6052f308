"""Links of mails: a GET shows, a POST does, and each token is for one thing only."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from typing import Any

from include.services.links import LINK_PATH, PURPOSES, sign_token
from tests.builders import START, World, a_row, a_shop
from tests.intake.conftest import Visitor


def link(visitor: Visitor, purpose: Any, target_id: int) -> str:
    return f"{LINK_PATH}/{purpose}/{visitor.world.token(purpose, target_id)}"


def asked(visitor: Visitor, email: str = "ann@example.org", variant: str = "LAMP") -> tuple[int, int]:
    visitor.world.ask(email, variant)
    return visitor.world.query(
        "SELECT subscription_id, profile_id FROM subscription ORDER BY subscription_id DESC LIMIT 1"
    )[0]


def test_the_links_of_a_mail_lead_here_and_work(visitor: Visitor) -> None:
    visitor.world.queue_alerts(people=1)
    visitor.world.dispatch(intake_url=visitor.address)
    mail = message_from_bytes(visitor.world.mail.envelopes[0].content, policy=policy.default)
    ways = re.findall("<(.*?)>", mail["List-Unsubscribe"])
    assert ways[0].startswith(f"{visitor.address}/l/unsubscribe/") and ways[1].startswith("mailto:")
    html = mail.get_body(("html",)).get_content()
    assert re.search(rf'href="{visitor.address}/l/cancel/[^"]+"', html)
    done = visitor.session.post(ways[0], data={"List-Unsubscribe": "One-Click"}, timeout=20)
    assert done.status_code == 200
    assert visitor.world.query("SELECT reason FROM suppression") == [("unsubscribed",)]


def test_an_https_door_offers_one_click(world: World) -> None:
    world.queue_alerts(people=1)
    world.dispatch(intake_url="https://door.shop.example")
    mail = message_from_bytes(world.mail.envelopes[0].content, policy=policy.default)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_get_changes_nothing_and_a_post_does_it_once(visitor: Visitor) -> None:
    visitor.world.register(a_shop(double_opt_in=True))
    request_id, profile_id = asked(visitor)
    for purpose in PURPOSES:
        target = profile_id if purpose == "unsubscribe" else request_id
        before = visitor.world.states(), visitor.world.value("SELECT count(*) FROM suppression")
        page = visitor.get(link(visitor, purpose, target))
        assert (page.status_code, "<form method" in page.text) == (200, True)
        assert (visitor.world.states(), visitor.world.value("SELECT count(*) FROM suppression")) == before
    for _ in range(2):
        done = visitor.post(link(visitor, "cancel", request_id))
        assert (done.status_code, "<form" in done.text) == (200, False)
        assert visitor.world.states() == {"cancelled": 1}


def test_who_confirms_too_late_is_not_promised_a_mail(visitor: Visitor) -> None:
    visitor.world.register(a_shop(double_opt_in=True))
    request_id, _ = asked(visitor)
    visitor.post(link(visitor, "cancel", request_id))
    for purpose in ("confirm", "keep"):
        for language, heading in (("en", "This alert has ended"), ("it", "Questo avviso è terminato")):
            late = visitor.post(link(visitor, purpose, request_id), headers={"Accept-Language": language})
            assert heading in late.text
    assert visitor.world.states() == {"cancelled": 1}
    visitor.world.register(a_shop())
    again, _ = asked(visitor, variant="VASE")
    assert "We will tell you" in visitor.post(link(visitor, "confirm", again)).text


def test_a_cancel_leaves_the_persons_other_requests(visitor: Visitor) -> None:
    request_id, _ = asked(visitor)
    asked(visitor, variant="VASE")
    visitor.post(link(visitor, "cancel", request_id))
    assert visitor.world.states() == {"cancelled": 1, "waiting": 1}


def test_an_unsubscribed_address_gets_nothing_that_is_queued(visitor: Visitor) -> None:
    visitor.world.queue_alerts(people=2)
    profile_id = visitor.world.value("SELECT min(profile_id) FROM profile")
    visitor.post(link(visitor, "unsubscribe", profile_id))
    assert visitor.world.dispatch()["sent"] == 1


def test_forged_truncated_and_borrowed_tokens_do_nothing(visitor: Visitor) -> None:
    request_id, _ = asked(visitor)
    token = visitor.world.token("cancel", request_id)
    forged = sign_token("another secret", "cancel", "demo", request_id)
    answers = set()
    for path in (
        f"/l/cancel/{forged}",
        f"/l/cancel/{token[:-1]}",
        f"/l/cancel/{'x' * 1_000}",
        f"/l/cancel/{visitor.world.token('keep', request_id)}",
        f"/l/confirm/{token}",
    ):
        for method in ("GET", "POST"):
            answer = visitor.send(method, path)
            answers.add((answer.status_code, answer.text))
    assert len(answers) == 1 and answers.pop()[0] == 404
    assert visitor.world.states() == {"waiting": 1}


def test_a_link_of_somebody_unknown_looks_like_any_other(visitor: Visitor) -> None:
    request_id, _ = asked(visitor)
    known = visitor.post(link(visitor, "cancel", request_id))
    unknown = visitor.post(link(visitor, "cancel", 999_999))
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)


def test_pages_speak_four_languages_and_run_nothing(visitor: Visitor) -> None:
    _, profile_id = asked(visitor)
    path = link(visitor, "unsubscribe", profile_id)
    headings = set()
    for language in ("en-GB,en", "de-AT", "fr;q=0.9,en;q=0.8", "it"):
        page = visitor.get(path, headers={"Accept-Language": language})
        headings.add(re.findall("<h1>(.*?)</h1>", page.text)[0])
        assert f'lang="{language[:2]}"' in page.text
    assert len(headings) == 4
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer" and page.headers["Cache-Control"] == "no-store"


def test_a_shops_name_is_text(visitor: Visitor) -> None:
    visitor.world.register(a_shop(name="<script>alert(1)</script>"))
    _, profile_id = asked(visitor)
    page = visitor.get(link(visitor, "unsubscribe", profile_id))
    assert "<script>" not in page.text and "&lt;script&gt;" in page.text


def test_a_confirmed_request_waits_at_its_old_place(visitor: Visitor) -> None:
    visitor.world.register(a_shop(double_opt_in=True))
    visitor.world.sync(a_row("LAMP", 0))
    body = {
        "data": {
            "type": "back-in-stock-subscription",
            "attributes": {
                "channels": ["EMAIL"],
                "profile": {"data": {"type": "profile", "attributes": {"email": "ann@example.org"}}},
            },
            "relationships": {"variant": {"data": {"type": "catalog-variant", "id": "LAMP"}}},
        }
    }
    visitor.post("/api/back-in-stock-subscriptions", body)
    assert visitor.world.states() == {"unconfirmed": 1}
    visitor.world.pass_time(hours=1)
    request_id = visitor.world.value("SELECT subscription_id FROM subscription")
    assert visitor.post(link(visitor, "confirm", request_id)).status_code == 200
    assert visitor.world.query(
        "SELECT state, subscribed_at < :now FROM subscription", now=visitor.world.now
    ) == [("waiting", True)]
    assert visitor.world.now > START

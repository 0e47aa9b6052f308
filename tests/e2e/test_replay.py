from __future__ import annotations

import csv
import gzip
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Connection, CursorResult

from include.db.queries import run_query
from include.errors import ConfigurationError
from include.local.replay import ALL_OPTIONS, PolicySettings, ReplayOptions, ReplayResult, replay
from include.local.replay.audit import Audit, audit_folder
from include.local.replay.evidence import MAIL, Mail, read_feeds, read_mails, read_requests, units_by_time
from include.services import release
from include.settings import PROJECT_HOME

REAL_YEAR = PROJECT_HOME.parent / "shared" / "data" / "online_retail_uci.csv.gz"
HEADER = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 40
VIOLATIONS = ("told_twice", "below_minimum", "over_bound", "out_of_order")


def a_history(path: Path, articles: int = 30, customers: int = 120) -> Path:
    """Orders of a small shop: a few articles sell much, many sell little; with cancellations and bad lines."""
    draw = random.Random(7)
    weights = [1 / place for place in range(1, articles + 1)]
    numbers = count(1)
    rows: list[tuple[object, ...]] = []
    for minute in sorted(draw.sample(range(DAYS * 24 * 60), 3_000)):
        (article,) = draw.choices(range(articles), weights)
        customer = draw.choice(["", *range(customers)])
        at = (FIRST + timedelta(minutes=minute)).strftime("%Y-%m-%d %H:%M:%S")
        quantity, price = draw.randint(1, 6), "2.50"
        if draw.random() < 0.05:
            quantity = -quantity
        elif draw.random() < 0.02:
            quantity, price = draw.choice([-20, 5]), "0.00"
        rows.append(
            (next(numbers), f"A{article:02}", f"ARTICLE {article}", quantity, at, price, customer, "UK")
        )
    rows[100:100] = [
        (0, "A01", "BAD", "many", "2026-03-03", "1", "7", "UK"),
        (0, "", "", 1, "never", "x", "", ""),
    ]
    with gzip.open(path, "wt", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADER, *rows])
    return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay") / "kept"


@pytest.fixture(scope="module")
def walked(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    orders = a_history(tmp_path_factory.mktemp("orders") / "orders.csv.gz")
    policy = PolicySettings(initial_days=3, cover_days=2, lead_days_min=2, lead_days_max=5)
    return replay(ReplayOptions(orders, keep=kept, min_inventory=2, policy=policy))


@pytest.fixture
def evidence(walked: ReplayResult, kept: Path, tmp_path: Path) -> Path:
    """A copy of what the walk left behind, for a fault to be planted in."""
    return Path(shutil.copytree(kept, tmp_path / "kept"))


def test_a_generated_history_is_walked_without_a_violation(walked: ReplayResult) -> None:
    known = walked.as_json()
    assert [known[kind] for kind in (*VIOLATIONS, "unasked", "left_out")] == [0] * 6, walked.as_text()
    assert walked.violations == 0
    assert known["windows"] == DAYS + 1
    assert known["restocks"] > 50
    assert known["told"] > 300
    assert known["full_batches"] > 10
    assert known["still_waiting"] > 0


def test_the_walk_and_the_audit_count_alike(walked: ReplayResult) -> None:
    assert walked.audit.restocks == walked.figures.counts["events"]
    assert walked.audit.told == walked.figures.counts["sent"]
    assert walked.figures.requests == walked.audit.told + walked.audit.still_waiting


def test_the_reports_of_the_walk_are_what_its_raw_tables_say(walked: ReplayResult) -> None:
    names = ("activity", "skips", "deliverability", "attribution")
    assert walked.figures.report_faults == dict.fromkeys(names, 0)


def test_bad_lines_are_counted_and_listed(walked: ReplayResult, kept: Path) -> None:
    assert walked.as_json()["bad_lines"] == 2
    assert (kept / "bad_lines.csv").read_text().splitlines()[1:] == [
        "102,Quantity is no whole number",
        "103,UnitPrice is no number",
    ]


def test_nothing_is_sent_by_another_way_than_the_sender(kept: Path, walked: ReplayResult) -> None:
    assert list((kept / "recorded").iterdir()) == []
    assert len(list((kept / MAIL).glob("*.eml"))) == walked.as_json()["told"]


def test_a_copied_mail_is_told_twice(evidence: Path) -> None:
    mails = sorted((evidence / MAIL).glob("*.eml"))
    shutil.copy(mails[10], mails[-1].with_name("99999999.eml"))
    assert faults(audit_folder(evidence)) == {"told_twice": 1}


def test_a_mail_that_comes_when_the_article_is_sold_out_is_told_while_closed(evidence: Path) -> None:
    mail, closed_at = find_a_request_that_outlives_a_closing(evidence)
    resend_at(evidence, mail, closed_at)
    assert faults(audit_folder(evidence))["below_minimum"] == 1


def test_the_next_batch_sent_with_a_full_one_is_over_the_bound(evidence: Path) -> None:
    first, later = find_a_full_batch_and_the_next_mail(evidence)
    resend_at(evidence, later, first.at)
    assert faults(audit_folder(evidence))["over_bound"] == 1


def test_two_people_of_a_batch_exchanged_are_out_of_order(evidence: Path) -> None:
    first, second = find_two_mails_of_one_batch(evidence)
    paths = evidence / MAIL / first.name, evidence / MAIL / second.name
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    assert faults(audit_folder(evidence)) == {"out_of_order": 1}


def test_a_lost_mail_is_left_out_and_overtaken(evidence: Path) -> None:
    first, _ = find_two_mails_of_one_batch(evidence)
    (evidence / MAIL / first.name).unlink()
    found = faults(audit_folder(evidence))
    assert found["left_out"] >= 1
    assert found["out_of_order"] >= 1


def test_a_mail_to_a_stranger_is_unasked(evidence: Path) -> None:
    path = sorted((evidence / MAIL).glob("*.eml"))[5]
    path.with_name("99999999.eml").write_bytes(with_header(path, "To", "stranger@customers.example"))
    assert faults(audit_folder(evidence)) == {"unasked": 1}


def test_a_folder_with_another_walk_in_it_is_refused(
    kept: Path, walked: ReplayResult, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="is not empty"):
        replay(ReplayOptions(a_history(tmp_path / "orders.csv.gz"), keep=kept))


def test_a_release_that_takes_too_many_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take_twice_as_many(connection: Connection, name: str, /, **parameters: Any) -> CursorResult[Any]:
        result = run_query(connection, name, **parameters)
        if name == "decide.decide_due":
            connection.exec_driver_sql("UPDATE release_decision SET allowed_count = 2 * allowed_count")
        return result

    monkeypatch.setattr(release, "run_query", take_twice_as_many)
    policy = PolicySettings(initial_days=3, cover_days=2, lead_days_min=2, lead_days_max=5)
    result = replay(ReplayOptions(a_history(tmp_path / "orders.csv.gz"), days=15, policy=policy))
    assert set(faults(result.audit)) == {"over_bound"}


def test_with_every_option_on_a_history_is_walked_without_a_violation(tmp_path: Path) -> None:
    policy = PolicySettings(initial_days=3, cover_days=2, lead_days_min=2, lead_days_max=5)
    orders = a_history(tmp_path / "orders.csv.gz")
    result = replay(ReplayOptions(orders, min_inventory=2, policy=policy, other_rules=ALL_OPTIONS))
    assert result.violations == 0, result.as_text()
    assert result.audit.restocks == result.figures.counts["events"] > 50
    assert result.audit.told > 300
    assert result.audit.full_batches > 10


@pytest.mark.parametrize("rule", ["approval_above", "min_out_minutes"])
def test_a_rule_that_the_audit_does_not_judge_is_refused(tmp_path: Path, rule: str) -> None:
    with pytest.raises(ConfigurationError, match="does not judge this; allowed are min_restock"):
        ReplayOptions(tmp_path / "orders.csv", other_rules={rule: "1"})


def test_a_replay_that_is_interrupted_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(day: date) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    children = psutil.Process().children(recursive=True)
    orders = a_history(tmp_path / "orders.csv.gz")
    with pytest.raises(KeyboardInterrupt):
        replay(ReplayOptions(orders), on_day=interrupt)
    assert list(tmp_path.iterdir()) == [orders]
    assert psutil.Process().children(recursive=True) == children


@pytest.mark.timeout(1800)
def test_the_real_year_is_walked_without_a_violation(capfd: pytest.CaptureFixture[str]) -> None:
    if not REAL_YEAR.exists():
        with capfd.disabled():
            sys.stderr.write(f"\nNOT TESTED: the replay of a real year, since {REAL_YEAR} is not there.\n")
        pytest.skip(f"{REAL_YEAR} is not there: the real year was not walked")
    result = replay(ReplayOptions(REAL_YEAR))
    known = result.as_json()
    with capfd.disabled():
        sys.stderr.write(f"\nThe real year: {json.dumps(known)}\n")
    assert [known[kind] for kind in (*VIOLATIONS, "unasked", "left_out")] == [0] * 6, result.as_text()
    assert (known["windows"], known["order_lines"], known["bad_lines"]) == (375, 541_907, 2)
    assert result.audit.restocks == known["restocks"] > 5_000
    assert known["told"] + known["still_waiting"] == known["requests"]
    assert known["told"] > 30_000
    assert known["full_batches"] > 1_000
    assert result.figures.report_faults == dict.fromkeys(result.figures.report_faults, 0)
    assert known["report_faults"] == 0


def faults(found: Audit) -> Counter[str]:
    return +found.counts


def with_header(path: Path, name: str, value: str) -> bytes:
    message = message_from_bytes(path.read_bytes())
    message.replace_header(name, value)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def resend_at(evidence: Path, mail: Mail, at: datetime) -> None:
    """The same mail at another moment: among those of its time it is the last."""
    path = evidence / MAIL / mail.name
    content = with_header(path, "Date", format_datetime(at))
    path.unlink()
    before = [known.name for known in read_mails(evidence) if known.at <= at]
    path.with_name(f"{before[-1].removesuffix('.eml')}x.eml").write_bytes(content)


def find_a_request_that_outlives_a_closing(evidence: Path) -> tuple[Mail, datetime]:
    """A mail whose person waited already when a feed before it showed the article sold out."""
    times, units = units_by_time(read_feeds(evidence))
    asked = {(request.address, request.sku): request.taken_at for request in read_requests(evidence)}
    for mail in read_mails(evidence):
        for at, seen in units[mail.sku]:
            if seen == 0 and asked[mail.address, mail.sku] < at < mail.at:
                return mail, at
    raise AssertionError(f"no such mail in {len(times)} windows")


def batches(evidence: Path) -> dict[tuple[str, datetime], list[Mail]]:
    found: dict[tuple[str, datetime], list[Mail]] = {}
    for mail in read_mails(evidence):
        found.setdefault((mail.sku, mail.at), []).append(mail)
    return found


def find_two_mails_of_one_batch(evidence: Path) -> tuple[Mail, Mail]:
    return next((mails[0], mails[1]) for mails in batches(evidence).values() if len(mails) > 1)


def find_a_full_batch_and_the_next_mail(evidence: Path) -> tuple[Mail, Mail]:
    """The first mail of a batch that left somebody waiting who was there, and the mail that he got later."""
    asked = {(request.address, request.sku): request.taken_at for request in read_requests(evidence)}
    told = Counter((mail.address, mail.sku) for mail in read_mails(evidence))
    known = batches(evidence)
    for (sku, at), mails in known.items():
        for (other, later_at), others in known.items():
            waiting = others[0]
            is_once = told[waiting.address, sku] == 1
            if other == sku and later_at > at and is_once and asked[waiting.address, sku] <= at:
                return mails[0], waiting
    raise AssertionError("no batch was full")

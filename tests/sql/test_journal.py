"""What a dead lane's journal is good for (SEMANTICS 6.3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from include.services import journal as journal_module
from include.services.housekeeping import tidy
from include.services.journal import Journal, locked_dead_journals
from include.services.marks import Key
from include.services.outbox import read_delivery
from include.services.recovery import recover_journals
from tests.builders import World
from tests.fixtures.smtp_server import ScriptedSmtpServer, sender_to

DEAD = "lane of a dead worker"
NOTHING = {"marked": 0, "in_doubt": 0, "freed": 0}


@pytest.fixture
def journals(tmp_path: Path) -> Path:
    folder = tmp_path / "journals"
    folder.mkdir()
    return folder


def leave_journal(journals: Path, database: str, lines: str | bytes, header: str | None = None) -> Path:
    folder = journals / f"{len(list(journals.iterdir())):016x}"
    folder.mkdir()
    (folder / "lane.json").write_text(header or json.dumps({"database": database, "lane": DEAD}))
    (folder / "000000000000.lines").write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    return folder


def died_with(world: World, journals: Path, *lines: str, tail: str = "", people: int = 5) -> list[int]:
    """A lane had claimed everything, wrote these lines ({0} is the first message's id) and died."""
    world.queue_alerts(people=people)
    ids = world.claim(DEAD, people)
    text = "".join(f"{line}\n" for line in lines) + tail
    seconds = f"{world.now.timestamp():.6f}"
    leave_journal(journals, read_delivery(world.engine).identity, text.format(*ids, at=seconds))
    return ids


def messages(world: World) -> list[tuple[str, str | None]]:
    return [tuple(row) for row in world.query("SELECT state, reason FROM message ORDER BY message_id")]


def test_the_next_lane_marks_what_was_sent_repeats_what_is_in_doubt_and_frees_the_rest(world, journals):
    ids = died_with(
        world, journals, "offered 0.000000 {0} demo", "sent {at} {0} demo", "offered 0.000000 {1} demo"
    )
    emails = [row.email for row in world.query("SELECT email FROM profile ORDER BY profile_id")]
    world.pass_time(seconds=20)
    assert recover_journals(world.engine, journals, world.now) == {"marked": 1, "in_doubt": 1, "freed": 3}
    ended_at = world.value("SELECT ended_at FROM message WHERE message_id = :id", id=ids[0])
    assert ended_at == world.now - timedelta(seconds=20)
    world.dispatch(journals=journals)
    assert world.mail.recipients == [*emails[2:], emails[1]]
    assert world.states() == {"notified": 5}
    assert list(journals.iterdir()) == []
    tried = world.query("SELECT message_id, attempt_number, outcome FROM delivery_attempt")
    assert tried == [(ids[1], 1, "in_doubt")]


def test_a_lane_reads_journals_before_it_claims_and_long_before_leases_end(world, journals):
    died_with(world, journals, "offered 0.000000 {0} demo", "sent {at} {0} demo")
    assert world.dispatch(journals=journals)["sent"] == 4
    assert world.states() == {"notified": 5}


def test_housekeeping_reads_journals_before_it_frees_leases_that_ran_out(world, journals):
    died_with(world, journals, *[f"sent {{at}} {{{place}}} demo" for place in range(5)])
    world.pass_time(minutes=10)
    counts = tidy(world.engine, journals, world.now)
    assert (counts["marked"], counts["freed_leases"]) == (5, 0)
    assert world.dispatch()["sent"] == 0 and world.states() == {"notified": 5}


def test_held_what_is_in_doubt_waits_for_a_person(world, journals):
    world.set_rules(on_doubt="hold")
    died_with(world, journals, "offered 0.000000 {0} demo", "in_doubt {at} {1} demo", people=3)
    assert world.dispatch(journals=journals)["sent"] == 1
    assert messages(world) == [("held", "in_doubt"), ("held", "in_doubt"), ("sent", None)]


def test_what_the_provider_refused_goes_again_and_what_was_recorded_is_marked_so(world, journals):
    died_with(world, journals, "offered 0.000000 {0} demo", "refused {at} {0} demo", "recorded {at} {1} demo")
    recover_journals(world.engine, journals, world.now)
    assert messages(world)[:2] == [("queued", None), ("sent", None)]
    assert world.query("SELECT message_id FROM message WHERE is_recorded_only") == [(2,)]


@pytest.mark.parametrize("tail", ["sent {at} {1}", "off", "sent"])
def test_half_a_last_line_counts_as_not_written(world, journals, tail):
    died_with(world, journals, "sent {at} {0} demo", "offered 0.000000 {1} demo", tail=tail)
    assert recover_journals(world.engine, journals, world.now) == {"marked": 1, "in_doubt": 1, "freed": 3}


@pytest.mark.parametrize("spoilt", ["\0\0\0\0\0\0", "sensent {at} {1} demo", "offered 0.0 x demo"])
def test_a_spoilt_line_puts_the_rest_of_the_lane_in_doubt_and_marks_nobody(world, journals, spoilt):
    died_with(world, journals, "sent {at} {0} demo", spoilt)
    assert recover_journals(world.engine, journals, world.now) == {"marked": 1, "in_doubt": 4, "freed": 0}


@pytest.mark.parametrize("header", ["\0\0\0", "{}", '{"database": "x"', "[]"])
def test_a_journal_that_names_no_lane_stops_nobody_and_the_leases_decide(world, journals, header):
    world.queue_alerts()
    world.claim(DEAD, 3)
    leave_journal(journals, "", "sent 1.000000 1 demo\n", header)
    assert world.dispatch(journals=journals)["sent"] == 0
    world.pass_time(minutes=4)
    assert world.dispatch(journals=journals)["sent"] == 3


def test_the_journal_of_another_database_is_left_alone(world, journals):
    world.queue_alerts()
    folder = leave_journal(journals, "another/1", "sent 1.000000 1 demo\n")
    assert recover_journals(world.engine, journals, world.now) == NOTHING
    world.dispatch(journals=journals)
    assert folder.exists()


def test_a_living_lanes_journal_is_left_alone(world, journals):
    world.queue_alerts()
    world.claim(DEAD, 3)
    alive = Journal(journals, read_delivery(world.engine).identity, DEAD)
    alive.offer(Key("demo", 1))
    assert recover_journals(world.engine, journals, world.now) == NOTHING
    alive.close(is_marked=False)
    assert recover_journals(world.engine, journals, world.now) == {"marked": 0, "in_doubt": 1, "freed": 2}


def test_two_readers_at_once_settle_a_journal_once(world, journals):
    died_with(world, journals, "sent {at} {0} demo", "offered 0.000000 {1} demo")
    with locked_dead_journals(journals, read_delivery(world.engine).identity) as held:
        assert len(held) == 1
        assert recover_journals(world.engine, journals, world.now) == NOTHING
    with ThreadPoolExecutor(max_workers=4) as readers:
        counts = [readers.submit(recover_journals, world.engine, journals, world.now) for _ in range(4)]
    total = sum((Counter(entry.result()) for entry in counts), Counter())
    assert total == {"marked": 1, "in_doubt": 1, "freed": 3}


def test_a_journal_read_twice_changes_nothing_the_second_time(world, journals):
    died_with(world, journals, "sent {at} {0} demo", "offered 0.000000 {1} demo")
    identity, text = read_delivery(world.engine).identity, next(journals.glob("*/*.lines")).read_bytes()
    recover_journals(world.engine, journals, world.now)
    before = world.query("SELECT * FROM message ORDER BY message_id")
    leave_journal(journals, identity, text)
    assert recover_journals(world.engine, journals, world.now)["in_doubt"] == 0
    assert world.query("SELECT * FROM message ORDER BY message_id") == before


def test_a_lane_that_ends_well_leaves_no_journal(world, journals):
    world.queue_alerts()
    world.dispatch(journals=journals)
    assert list(journals.iterdir()) == []


def test_full_files_are_turned_over_and_the_newest_lines_kept(world, journals, monkeypatch):
    monkeypatch.setattr(journal_module, "LINES_PER_FILE", 20)
    journal = Journal(journals, "database", DEAD)
    for number in range(100):
        journal.offer(Key("demo", number))
        journal.answer(Key("demo", number), "sent", world.now)
    journal.offer(Key("demo", 100))
    assert len(list(journal.folder.glob("*.lines"))) == 2
    journal.close(is_marked=False)
    with locked_dead_journals(journals, "database") as dead:
        assert dead[0].doubtful == {Key("demo", 100)}
        assert [key.message_id for key, _ in dead[0].sent][-10:] == list(range(90, 100))


def test_without_room_for_the_journal_nothing_leaves(world, journals, monkeypatch):
    world.queue_alerts()
    write = os.write
    full = lambda file, octets: write(file, octets[:7] if octets.startswith(b"offered") else octets)  # noqa: E731
    monkeypatch.setattr(journal_module.os, "write", full)
    with pytest.raises(OSError, match="has no room"):
        world.dispatch(journals=journals)
    assert world.mail.envelopes == []


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("is_at_the_worst_moment", [True, False])
def test_a_killed_worker_loses_nobody_and_repeats_at_most_one_message_per_connection(
    world, journals, connections, is_at_the_worst_moment
):
    emails = world.queue_alerts(people=300, units=1000)
    with ScriptedSmtpServer() as server:
        url = world.engine.url.render_as_string(hide_password=False)
        arguments = [url, str(server.port), str(journals), str(connections), world.now.isoformat()]
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.fixtures.lane_process", *arguments], cwd=Path(__file__).parents[2]
        )
        killing = threading.Thread(target=child.kill)

        def kill(count: int) -> None:
            if count == 150:
                child.kill() if is_at_the_worst_moment else killing.start()

        server.on_mail = kill
        assert child.wait(timeout=60) == -9
        world.pass_time(seconds=1)
        world.dispatch(sender=sender_to(server), journals=journals)
        told = Counter(message_from_bytes(mail.content)["Message-ID"] for mail in server.mails)
    assert {mail.recipient for mail in server.mails} == set(emails)
    assert len(told) == 300 and 300 <= told.total() <= 300 + connections
    assert world.states() == {"notified": 300}

"""Walks an order history through the services that the Dags call, a day a window, on a simulated clock.

At midnight the shop's feed is written and pulled. Over the day the clock jumps from beat to beat (every
`beat_minutes`): to the next one with order lines or with something due. There, unmet demand of known
customers becomes requests, and the services run until nothing is due any more, as Airflow's wake-ups would
have them. A mail leaves at the beat that released it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine

from include.catalog.registry import build_connector
from include.domain.flow import BACK_IN_STOCK_METRIC, Flow
from include.domain.request import Request, fold_email
from include.domain.shop import Shop
from include.domain.wake import DISPATCH, RELEASE, flow_target
from include.domain.window import Window
from include.errors import StackError
from include.local.replay import evidence
from include.local.replay.mail_folder import MailFolder
from include.local.replay.orders import OrderHistory, OrderLine
from include.local.replay.purchases import CURRENCY, Purchases
from include.local.replay.report_audit import build_counted, find_report_faults
from include.local.replay.stock_policy import StockPolicy
from include.messaging.address import Mailbox
from include.messaging.render.library import built_in_library
from include.services.catalog import detect_changes, load_snapshot, pull_window
from include.services.dispatch import Lane, dispatch_lane
from include.services.due import read_due_times
from include.services.flows import move_step, register_flows
from include.services.orders import record_order_lines
from include.services.outbox import set_delivery
from include.services.release import release_due
from include.services.requests import take_requests
from include.services.rules import store_rule_set

DAY = timedelta(days=1)
LATEST = datetime.max.replace(tzinfo=UTC)
SHOP_ID = "replay"
FEED_FILE = "feed.jsonl.gz"
MOST_ROUNDS = 50
LANE_TIME = timedelta(minutes=5)
REPORTS_EVERY = 28
# One mail per request, whatever the project's own flow files say: else the audit would count their steps.
FLOW = Flow.model_validate(
    {
        "name": "back_in_stock",
        "title": "Back in stock",
        "trigger": {"metric": BACK_IN_STOCK_METRIC},
        "steps": [
            {"id": "wait_for_stock", "kind": "back_in_stock_delay"},
            {"id": "tell", "kind": "send_email", "template": "back_in_stock", "status": "live"},
        ],
    }
)


@dataclass
class WalkFigures:
    """What the services said that they did."""

    windows: int = 0
    feed_rows: int = 0
    order_lines: int = 0
    requests: int = 0
    rounds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    report_faults: dict[str, int] = field(default_factory=dict)


class Walk:
    """One shop on one database. `folder` takes the evidence; `archive` the pulls."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        archive: Path,
        history: OrderHistory,
        policy: StockPolicy,
        variables: Mapping[str, str | None],
        beat: timedelta,
    ) -> None:
        self.figures = WalkFigures()
        self._engine = engine
        self._folder = folder
        self._archive = archive
        self._lines = history.lines
        self._policy = policy
        self._purchases = Purchases(history.articles)
        self._beat = beat
        self._feed = archive / FEED_FILE
        self._shop = _shop(self._feed)
        self._connector = build_connector(self._shop)
        self._feed_ends = _feed_ends(history)
        self._variables = variables
        self._next_line = 0
        self._due: dict[str, datetime] = {}
        self._now = history.lines[0].at
        self._asked_at = self._now
        self._mail = MailFolder(folder / evidence.MAIL)
        self._recorded = MailFolder(folder / "recorded")

    def run(self, last_day: date, on_day: Callable[[date], None]) -> WalkFigures:
        """Walk to the end of `last_day` and one more midnight."""
        set_delivery(self._engine, "live", ())
        register_flows(self._engine, [FLOW], self._now)
        first_on = day = self._now.date()
        with evidence.open_logs(self._folder) as (self._log, self._bought):
            while day <= last_day:
                self._open_day(day)
                self._pass_day(_midnight(day) + DAY)
                on_day(day)
                day += DAY
                if (day - first_on).days % REPORTS_EVERY == 0:
                    build_counted(self._engine, SHOP_ID, self._now)
            self._open_day(day)
        self.figures.report_faults = find_report_faults(self._engine, SHOP_ID, first_on, self._now)
        return self.figures

    def _open_day(self, day: date) -> None:
        self._now = _midnight(day)
        self._policy.open_day(day)
        self._sync()
        self._settle()

    def _pass_day(self, midnight: datetime) -> None:
        while (moment := self._next_moment()) < midnight:
            self._now = moment
            has_news = self._take_lines(moment)
            if has_news or any(due_at <= moment for due_at in self._due.values()):
                self._settle()
        self._now = midnight
        self._take_lines(midnight)

    def _next_moment(self) -> datetime:
        """The beat that ends with the next order line in it, or the first one when something is due."""
        start = _midnight(self._now.date())
        beats = [-((start - due_at) // self._beat) for due_at in self._due.values()]
        if self._next_line < len(self._lines):
            beats.append((self._lines[self._next_line].at - start) // self._beat + 1)
        return start + min(beats) * self._beat if beats else LATEST

    def _sync(self) -> None:
        """Write the feed as the stock stands, and read it as the Dag of the shop does."""
        rows = [_feed_row(self._feed_ends[sku], units) for sku, units in self._policy.stock.items()]
        kept = evidence.write_feed(self._folder, self._now, rows)
        self._feed.unlink(missing_ok=True)
        self._feed.symlink_to(kept)
        window = Window.scheduled(self._now - DAY, self._now)
        given = (self._engine, self._shop, self._connector, self._archive, window)
        pull_window(*given, self._now)
        loaded = load_snapshot(*given, self._now)
        self.figures.counts.update(detect_changes(*given, loaded["snapshot_id"], self._now))
        self.figures.windows += 1
        self.figures.feed_rows += loaded["rows"]

    def _take_lines(self, until: datetime) -> bool:
        """Carry out the order lines before `until`; what known customers did not get becomes requests."""
        end = bisect_left(self._lines, until, lo=self._next_line, key=itemgetter(0))
        asked = []
        for line in self._lines[self._next_line : end]:
            unmet = self._policy.take(line)
            if unmet and line.customer:
                asked.append(self._request(line, unmet))
                self._purchases.know(line.customer)
            self._purchases.take(line, unmet)
        self.figures.order_lines += end - self._next_line
        self._next_line = end
        if asked:
            self._take_requests(asked)
        self._record_purchases()
        return bool(asked)

    def _record_purchases(self) -> None:
        lines = self._purchases.take_news()
        with self._engine.begin() as connection:
            record_order_lines(connection, SHOP_ID, lines, self._now)
        self._bought.add(
            evidence.Purchase(line.ordered_at, self._now, str(line.email_key), line.variant_id)
            for line in lines
        )

    def _request(self, line: OrderLine, unmet: int) -> evidence.Request:
        # Lines of one moment keep the file's order: who asked first is never a question of chance.
        self._asked_at = max(line.at, self._asked_at + timedelta.resolution)
        return evidence.Request(
            self._asked_at, self._now, evidence.address_of(line.customer), line.sku, unmet
        )

    def _take_requests(self, asked: list[evidence.Request]) -> None:
        requests = [
            Request(
                email=request.address,
                email_key=fold_email(request.address),
                variant_id=request.sku,
                subscribed_at=request.asked_at,
                wanted_quantity=request.wanted,
            )
            for request in asked
        ]
        with self._engine.begin() as connection:
            taken = take_requests(connection, SHOP_ID, requests, "replay", "notify", self._now)
        self._log.add(asked)
        self.figures.requests += taken.new

    def _settle(self) -> None:
        """Run whatever is due until nothing is; each Dag's run wakes the next."""
        for _ in range(MOST_ROUNDS):
            self._due = read_due_times(self._engine)
            due = {target for target, due_at in self._due.items() if due_at <= self._now}
            if not due:
                return
            self.figures.rounds += 1
            is_released = RELEASE in due and self._release() > 0
            is_queued = (is_released or flow_target(FLOW.name) in due) and self._move() > 0
            if is_queued or DISPATCH in due:
                self.figures.counts.update(dispatch_lane(self._open_lane(), self._now + LANE_TIME))
        raise StackError(
            f"At {self._now:%Y-%m-%d %H:%M} something stays due however often it runs: {sorted(due)}."
        )

    def _release(self) -> int:
        rule_set = store_rule_set(self._engine, self._variables, self._now)
        run_id = f"replay {self.figures.rounds}"
        counts = release_due(self._engine, rule_set["rule_set_id"], run_id, self._now)
        self.figures.counts.update(counts)
        return counts["released"]

    def _move(self) -> int:
        moved = [move_step(self._engine, FLOW.name, step.id, self._now)["messages"] for step in FLOW.messages]
        return sum(moved)

    def _open_lane(self) -> Lane:
        return Lane(
            engine=self._engine,
            name="replay",
            sender=self._mail,
            recorder=self._recorded,
            mailbox=Mailbox("hello@replay.example", "Replay"),
            templates=built_in_library(),
            clock=lambda: self._now,
        )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _shop(feed: Path) -> Shop:
    return Shop(
        id=SHOP_ID,
        name="Replay",
        platform="feed",
        schedule="1 day",
        currency=CURRENCY,
        time_zone="UTC",
        feed={"url": feed.as_uri(), "format": "jsonl"},  # type: ignore[arg-type]
    )


def _feed_ends(history: OrderHistory) -> dict[str, tuple[bytes, bytes]]:
    return {
        sku: evidence.feed_line(
            sku,
            evidence.title_of(sku, article.title),
            article.price,
            evidence.SHOP_URL + quote(sku, safe=""),
        )
        for sku, article in history.articles.items()
    }


def _feed_row(ends: tuple[bytes, bytes], units: int) -> bytes:
    return b"%b%d%b" % (ends[0], units, ends[1])

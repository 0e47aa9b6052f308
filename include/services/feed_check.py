"""What a load would do with a feed, said beforehand: the same reading and the same gates, without a database."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import ValidationError

from include.catalog.archive import Archive
from include.catalog.base import Connector, RejectedRow
from include.catalog.registry import build_connector
from include.catalog.reply import shown_url
from include.domain.gates import find_refusals
from include.domain.rules import RuleSet
from include.domain.shop import CountedLocations, Shop
from include.domain.text import count_of
from include.domain.window import Window
from include.errors import ConfigurationError, RestockError
from include.services.feed_figures import Feed, FeedFigures, FeedTally

Verdict = Literal["accept", "rows", "refuse"]
ANY_ADDRESS = "feed"
ANY_SHOP = {"platform": "feed", "schedule": "1 hour", "currency": "EUR", "time_zone": "UTC"}


@dataclass(frozen=True)
class FeedVerdict:
    """What a load would do: take all rows, take the good ones, or refuse the feed whole; and why."""

    verdict: Verdict
    reason: str
    source: str
    rows: int = 0
    rejected: int = 0
    variants: int = 0
    sold_out: int = 0
    back_in_stock: int | None = None
    rejects: tuple[RejectedRow, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs."""
        rejects = [
            {"line": reject.line_number, "reason": reject.reason, "excerpt": reject.excerpt}
            for reject in self.rejects
        ]
        return {**vars(self), "rejects": rejects}

    def as_text(self) -> str:
        """The verdict for people."""
        figures = (
            f"{count_of(self.rows, 'good row')}, {self.rejected} rejected; {count_of(self.variants, 'variant')}, "
            f"{self.sold_out} sold out"
        )
        if self.back_in_stock is not None:
            figures += f", {self.back_in_stock} back in stock since the baseline"
        return f"{self.verdict}: {self.reason}\n{figures}"


def feed_to_check(address: str, settings: Mapping[str, Any], shop: Shop | None = None) -> Shop:
    """A shop whose feed lies at `address`: as `shop` describes it, or any; `settings` go before.

    Raises ConfigurationError where a setting is wrong.
    """
    known = (
        shop.feed.model_dump(exclude={"url", "path"}) if shop is not None and shop.feed is not None else {}
    )
    feed = {**known, **{name: value for name, value in settings.items() if value is not None}, "url": address}
    locations = shop.locations if shop is not None else None
    try:
        return Shop.model_validate({"id": "feed_check", **ANY_SHOP, "feed": feed, "locations": locations})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"] if part != "feed")
        raise ConfigurationError(f"{place}: {problem['msg'].removeprefix('Value error, ')}.") from None


def check_address(
    address: str,
    settings: Mapping[str, Any],
    known: Shop | None,
    baseline: Shop | None,
    rules: RuleSet,
    now: datetime,
    home: Path,
) -> FeedVerdict:
    """As `check_feed`; an address that no shop may have is refused, as its shop would be.

    Raises ConfigurationError where another setting is wrong.
    """
    try:
        shop = feed_to_check(address, settings, known)
    except ConfigurationError as refused:
        feed_to_check(ANY_ADDRESS, settings, known)
        return FeedVerdict("refuse", str(refused), shown_source(address))
    return check_feed(shop, baseline, rules, now, home)


def shown_source(address: str) -> str:
    """An address as it may be shown: one on the web without login and query."""
    return shown_url(address) if "://" in address and not address.startswith("file://") else address


def check_feed(shop: Shop, baseline: Shop | None, rules: RuleSet, now: datetime, home: Path) -> FeedVerdict:
    """Judge a feed against `baseline`, the last one that was good; relative paths begin at `home`.

    Raises ConfigurationError where the baseline itself can't be read.
    """
    source = shown_source(str(shop.feed.url if shop.feed else ""))
    with FeedTally.open() as tally:
        before = None if baseline is None else _read_baseline(tally, baseline, now, home)
        try:
            with _pulled(shop, now, home) as (connector, archive):
                source = archive.manifest.source
                figures = _count(tally, shop, connector, archive, "checked")
        except RestockError as refused:
            return FeedVerdict("refuse", str(refused), source)
        risen = None if before is None else tally.count_risen()
    return _judge(source, figures, before, risen, rules)


def _read_baseline(tally: FeedTally, baseline: Shop, now: datetime, home: Path) -> FeedFigures:
    try:
        with _pulled(baseline, now, home) as (connector, archive):
            return _count(tally, baseline, connector, archive, "baseline")
    except RestockError as error:
        raise ConfigurationError(f"The baseline can't be compared with: {error}") from None


@contextmanager
def _pulled(shop: Shop, now: datetime, home: Path) -> Iterator[tuple[Connector, Archive]]:
    connector = build_connector(shop, home=home)
    window = Window.manual("feed_check")
    with TemporaryDirectory(prefix="restock-feed-check-") as folder:
        archive = Archive(Path(folder), shop.id, window)
        connector.pull(window, archive, now)
        yield connector, archive


def _count(tally: FeedTally, shop: Shop, connector: Connector, archive: Archive, feed: Feed) -> FeedFigures:
    return tally.count(connector.read(archive), (shop.locations or CountedLocations()).counts, feed)


def _judge(
    source: str, figures: FeedFigures, before: FeedFigures | None, risen: int | None, rules: RuleSet
) -> FeedVerdict:
    judged = figures.for_gates(risen or 0)
    refusals = find_refusals(judged, before.for_gates() if before is not None else None, rules)
    verdict: Verdict = "refuse" if refusals else "rows" if figures.reject_count else "accept"
    reason = f"{source}: {' '.join(refusals)}" if refusals else _reason(figures)
    return FeedVerdict(
        verdict,
        reason,
        source,
        rows=figures.row_count,
        rejected=figures.reject_count,
        variants=figures.variant_count,
        sold_out=figures.zero_count,
        back_in_stock=risen,
        rejects=figures.rejects,
    )


def _reason(figures: FeedFigures) -> str:
    if not figures.reject_count:
        return "Every row can be read, and no gate objects."
    total = figures.row_count + figures.reject_count
    first = _shown(figures.rejects[0])
    left_out = f"{figures.reject_count} of {count_of(total, 'row')}"
    return f"{left_out} would be left out, the others taken. The first: {first}."


def _shown(row: RejectedRow) -> str:
    return f"line {row.line_number}, {row.reason}"

"""The charts of the reports, drawn once as Vega-Lite (SEMANTICS 9.2): from a few rows to a drawing, no database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

import altair

from include.reports.chart_style import BLUE, GREEN, GREY, ORANGE, WIDTH, heading, no_data, rows_of

Rows = Sequence[Mapping[str, Any]]
Layers = altair.LayerChart | altair.FacetChart

MOST_BARS = 15
MOST_REASONS = 7
BAR_HEIGHT = 24
LABEL_WIDTH = 220
FEW_MOMENTS = 3
MOST_LABELS = 7
ONE_DAY = timedelta(days=1)
LONG_SPAN = timedelta(days=8)
CLOCKS = (
    (LONG_SPAN, "%-d %b"),
    (ONE_DAY, "%-d %b %H:%M"),
    (timedelta(minutes=10), "%H:%M"),
    (timedelta(0), "%H:%M:%S"),
)
FIRST_MESSAGE_BUCKETS = ("under 10 s", "10-30 s", "30-60 s", "1-5 min", "5-15 min", "15-60 min", "over 1 h")
AGE_BUCKETS = ("under 1 day", "1-7 days", "7-30 days", "30-90 days", "90-365 days", "over 1 year")


def draw_demand(rows: Rows, subtitle: str) -> altair.TopLevelMixin:
    """Who is waited for most: rows of `title` and `waiting_count`, the most wanted first; the rest is one bar."""
    title = "Most wanted: people waiting per variant"
    if not rows:
        return no_data(title, subtitle)
    bars = [{"name": row["title"], "people": row["waiting_count"], "kind": "one"} for row in rows[:MOST_BARS]]
    # A bar for the rest would dwarf all others.
    rest = rows[MOST_BARS:]
    variants = sum(row.get("variant_count", 1) for row in rest)
    others = f"{variants:,} others: {sum(row['waiting_count'] for row in rest):,} people"
    lines = [subtitle, f"and {others}"] if rest else subtitle
    return _ranking(_distinct(bars), "people", "people waiting", title, lines)


def draw_outcomes(rows: Rows, subtitle: str) -> altair.TopLevelMixin:
    """What became of messages: rows of `report_on`, `outcome` and `message_count`; `sent` is one of the outcomes."""
    title = "Messages sent, and skipped by reason"
    if not rows:
        return no_data(title, subtitle)
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["outcome"]] = totals.get(row["outcome"], 0) + row["message_count"]
    ranked = sorted(totals, key=lambda outcome: (outcome != "sent", -totals[outcome], outcome))
    shown = ranked if len(ranked) <= MOST_REASONS else ranked[: MOST_REASONS - 1]
    bars = [
        {"name": _words(name), "messages": totals[name], "kind": "one" if name == "sent" else "rest"}
        for name in shown
    ]
    if len(ranked) > len(shown):
        others = sum(totals[name] for name in ranked[len(shown) :])
        bars.append(
            {
                "name": f"{len(ranked) - len(shown)} other reasons",
                "messages": others,
                "kind": "rest",
            }
        )
    by_reason = _ranking(bars, "messages", "messages", title, subtitle)
    days = sorted({str(row["report_on"]) for row in rows})
    return (
        by_reason
        if len(days) < 2
        else altair.vconcat(by_reason, _by_day(rows), spacing=26).resolve_scale(color="independent")
    )


def draw_first_message(rows: Rows, subtitle: str) -> altair.TopLevelMixin:
    """How soon after a restock the first message left: rows of `bucket` and `restock_count`."""
    return _buckets(
        rows,
        FIRST_MESSAGE_BUCKETS,
        "restock_count",
        "From restock to first message",
        "time until the first message",
        "restocks",
        subtitle,
    )


def draw_queue_age(rows: Rows, subtitle: str) -> altair.TopLevelMixin:
    """How long people have waited: rows of `bucket` and `waiting_count`."""
    return _buckets(
        rows,
        AGE_BUCKETS,
        "waiting_count",
        "How long people have been waiting",
        "time since they asked",
        "people waiting",
        subtitle,
    )


def draw_stock(rows: Rows, subtitle: str) -> altair.TopLevelMixin:
    """One variant over time: rows of `kind` (stock, waiting, batch), `at` (the shop's clock) and `amount`."""
    title = "Stock, people waiting, and batches told"
    if not rows:
        return no_data(title, subtitle)
    # Vega-Lite shows a tooltip's time on the viewer's clock: it is given the words.
    data = rows_of(
        [{**row, "at": _as_utc(row["at"]), "moment": f"{row['at']:%d %b %Y %H:%M}"} for row in rows]
    )
    base = altair.Chart(data)
    moments = [row["at"] for row in rows]
    first, last = min(moments), max(moments)
    if first == last:
        first, last = first - ONE_DAY / 4, last + ONE_DAY / 4
    span = altair.Scale(type="utc", domain=[_as_utc(first), _as_utc(last)])
    x = altair.X("at:T", title=None, scale=span, axis=_time_axis(last - first))
    # One moment is no line: it is drawn as a point too.
    points = {"filled": True, "size": 45, "color": BLUE} if len(set(moments)) < FEW_MOMENTS else False
    moment = _tip("moment", "at", "nominal")
    most_units = max((row["amount"] for row in rows if row["kind"] == "stock"), default=0)
    stock = (
        base.transform_filter("datum.kind == 'stock'")
        .mark_area(
            interpolate="step-after",
            line={"color": BLUE, "strokeWidth": 2},
            color=BLUE,
            opacity=0.35,
            point=points,
        )
        .encode(
            x=x,
            y=_people_axis("amount:Q", "units in stock", most_units).stack(False),
            tooltip=[moment, _tip("amount", "units")],
        )
        .properties(width=WIDTH, height=130, title=heading(title, subtitle))
    )
    return altair.vconcat(stock, _crowd(base, x, moment, bool(points)), spacing=22).resolve_scale(x="shared")


CHARTS = {
    "stock": draw_stock,
    "demand": draw_demand,
    "outcomes": draw_outcomes,
    "first_message": draw_first_message,
    "queue_age": draw_queue_age,
}


def _crowd(base: altair.Chart, x: altair.X, moment: altair.Tooltip, with_points: bool) -> Layers:
    names = altair.Scale(domain=["people waiting", "people told in a batch"], range=[ORANGE, GREEN])
    legend = altair.Legend(orient="bottom", symbolType="circle", symbolOpacity=1)
    colour = altair.Color("series:N", scale=names, legend=legend)
    waiting = (
        base.transform_filter("datum.kind == 'waiting'")
        .transform_calculate(series="'people waiting'")
        .mark_line(interpolate="step-after", strokeWidth=2, point=with_points)
        .encode(
            x=x,
            y=_people_axis("amount:Q", "people"),
            color=colour,
            tooltip=[moment, _tip("amount", "waiting")],
        )
    )
    told = base.transform_filter("datum.kind == 'batch'").transform_calculate(
        series="'people told in a batch'"
    )
    stems = told.mark_rule(strokeWidth=2, opacity=0.7).encode(
        x=x, y=altair.Y("amount:Q"), y2=altair.datum(0), color=colour
    )
    heads = told.mark_point(filled=True, size=70, shape="diamond", opacity=1).encode(
        x=x, y=altair.Y("amount:Q"), color=colour, tooltip=[moment, _tip("amount", "told")]
    )
    return altair.layer(waiting, stems, heads).properties(width=WIDTH, height=150)


def _ranking(
    bars: list[dict[str, Any]], field: str, unit: str, title: str, subtitle: str | list[str]
) -> Layers:
    base = altair.Chart(rows_of(bars)).encode(
        y=altair.Y("name:N", sort=None, title=None, axis=_name_axis()),
        x=altair.X(
            f"{field}:Q", title=unit, axis=_count_axis(grid=True), scale=altair.Scale(padding=0, nice=True)
        ),
        tooltip=[_tip("name", "name", "nominal"), _tip(field, unit)],
    )
    kinds = altair.Scale(domain=["one", "rest"], range=[BLUE, GREY])
    marks = base.mark_bar(cornerRadiusEnd=3, height={"band": 0.7}).encode(
        color=altair.Color("kind:N", scale=kinds, legend=None)
    )
    figures = base.mark_text(align="left", dx=5).encode(text=altair.Text(f"{field}:Q", format=",.0f"))
    return altair.layer(marks, figures).properties(
        width=WIDTH - LABEL_WIDTH, height=BAR_HEIGHT * len(bars), title=heading(title, subtitle)
    )


def _by_day(rows: Rows) -> altair.Chart:
    reasons = sorted({row["outcome"] for row in rows if row["outcome"] != "sent"})
    counted: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (str(row["report_on"]), "sent" if row["outcome"] == "sent" else "skipped")
        counted[key] = counted.get(key, 0) + row["message_count"]
    values = [
        {
            "day": f"{day}T00:00:00Z",
            "on": f"{date.fromisoformat(day):%d %b %Y}",
            "outcome": outcome,
            "messages": count,
        }
        for (day, outcome), count in sorted(counted.items())
    ]
    names = ["sent", "skipped"] if reasons else ["sent"]
    return (
        altair.Chart(rows_of(values))
        .mark_bar()
        .encode(
            x=altair.X(
                "utcyearmonthdate(day):T",
                title="day",
                axis=_day_axis({day for day, _ in counted}),
                scale=altair.Scale(type="utc"),
            ),
            y=_people_axis("messages:Q", "messages per day"),
            color=altair.Color(
                "outcome:N", scale=altair.Scale(domain=names, range=[BLUE, GREY][: len(names)])
            ),
            order=altair.Order("outcome:O"),
            tooltip=[
                _tip("on", "day", "nominal"),
                _tip("outcome", "outcome", "nominal"),
                _tip("messages", "messages"),
            ],
        )
        .properties(width=WIDTH - LABEL_WIDTH, height=130)
    )


def _buckets(
    rows: Rows, names: Sequence[str], field: str, title: str, x_title: str, y_title: str, subtitle: str
) -> altair.TopLevelMixin:
    if not any(row[field] for row in rows):
        return no_data(title, subtitle)
    counted = {row["bucket"]: row[field] for row in rows}
    values = [{"bucket": name, "count": counted.get(name, 0)} for name in names]
    base = altair.Chart(rows_of(values)).encode(
        x=altair.X("bucket:N", sort=list(names), title=x_title, axis=altair.Axis(labelAngle=0, ticks=False)),
        y=_people_axis("count:Q", y_title),
        tooltip=[_tip("bucket", x_title, "nominal"), _tip("count", y_title)],
    )
    bars = base.mark_bar(color=BLUE, cornerRadiusEnd=3)
    figures = base.mark_text(dy=-8).encode(text=altair.Text("count:Q", format=",.0f"))
    return altair.layer(bars, figures).properties(width=WIDTH, height=240, title=heading(title, subtitle))


def _people_axis(field: str, title: str, most: float = 1) -> altair.Y:
    floor: dict[str, Any] = {} if most > 0 else {"domain": [0, 1]}
    return altair.Y(field, title=title, axis=_count_axis(), scale=altair.Scale(zero=True, nice=True, **floor))


def _count_axis(**options: Any) -> altair.Axis:
    """Whole numbers only: there is no half a person."""
    label = "datum.value % 1 ? '' : format(datum.value, datum.value < 10000 ? ',' : '~s')"
    return altair.Axis(labelExpr=label, tickMinStep=1, tickCount=5, **options)


def _name_axis() -> altair.Axis:
    return altair.Axis(
        labelLimit=LABEL_WIDTH, minExtent=LABEL_WIDTH // 2, labelPadding=8, domain=False, ticks=False
    )


def _time_axis(span: timedelta = LONG_SPAN) -> altair.Axis:
    clock = next(form for shortest, form in CLOCKS if span >= shortest)
    return altair.Axis(labelOverlap=True, labelSeparation=6, tickCount=6, grid=False, format=clock)


def _day_axis(days: Collection[str]) -> altair.Axis:
    """A label per day at most: none stands twice."""
    ordinals = [date.fromisoformat(day).toordinal() for day in days]
    step = max(1, round((max(ordinals) - min(ordinals)) / MOST_LABELS)) if ordinals else 1
    marks = altair.TimeIntervalStep(interval="day", step=step)
    return altair.Axis(labelOverlap=True, tickCount=marks, grid=False, format="%-d %b")


def _tip(field: str, title: str, kind: Literal["quantitative", "nominal"] = "quantitative") -> altair.Tooltip:
    return altair.Tooltip(
        field=field, type=kind, title=title, format=",.0f" if kind == "quantitative" else ""
    )


def _as_utc(moment: Any) -> str:
    """The shop's clock as it is, under the name of UTC: no viewer's time zone may move it."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _words(outcome: str) -> str:
    return outcome.replace("_", " ")


def _distinct(bars: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two variants of one title are two bars."""
    seen: dict[str, int] = {}
    for bar in bars:
        count = seen[bar["name"]] = seen.get(bar["name"], 0) + 1
        if count > 1:
            bar["name"] = f"{bar['name']} ({count})"
    return bars

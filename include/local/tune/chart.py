"""The settings as points: told in vain against how long people waited. PNG or SVG, for light and dark pages."""

from pathlib import Path
from typing import Any

import altair

from include.errors import ConfigurationError
from include.local.tune.outcome import HOUR, Comparison
from include.reports.chart_style import ANY_PAGE, GREEN, GREY, ORANGE, as_png, as_svg

COLOURS = {"Restock": GREEN, "others": ORANGE}
WIDTH, HEIGHT = 620, 380


def write_chart(comparison: Comparison, path: Path) -> None:
    """Draw the comparison into a .png or .svg file."""
    if path.suffix == ".svg":
        path.write_text(as_svg(draw(comparison), ANY_PAGE), encoding="utf-8")
    elif path.suffix == ".png":
        path.write_bytes(as_png(draw(comparison), ANY_PAGE))
    else:
        raise ConfigurationError(f"The chart {path} ends in neither .png nor .svg.")


def draw(comparison: Comparison) -> altair.TopLevelMixin:
    """The chart; named are the best setting and the other tools'."""
    rows = altair.Data(values=_points(comparison))
    x = altair.X(
        "wait:Q",
        title="median wait from asking to being told, days",
        scale=altair.Scale(zero=False, padding=60),
        axis=altair.Axis(tickCount=8),
    )
    y = altair.Y("share:Q", title="told in vain, % of told")
    colour = altair.Color(
        "whose:N", title=None, scale=altair.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    )
    shape = altair.Shape(
        "whose:N", title=None, scale=altair.Scale(domain=list(COLOURS), range=["circle", "diamond"])
    )
    size = altair.condition("datum.whose == 'others'", altair.value(170), altair.value(70))
    points = (
        altair.Chart(rows)
        .mark_point(filled=True, opacity=0.85)
        .encode(x=x, y=y, color=colour, shape=shape, size=size)
    )
    names = (
        altair.Chart(rows)
        .mark_text(align="left", dx=8, dy=-6, fontSize=11, color=GREY)
        .encode(x=x, y=y, text="label:N")
    )
    return altair.layer(points, names).properties(width=WIDTH, height=HEIGHT)


def _points(comparison: Comparison) -> list[dict[str, Any]]:
    points: dict[tuple[float, float, str], list[str]] = {}
    for known in comparison.outcomes:
        place = round(known.figures.median_wait / HOUR / 24, 3), round(100 * known.figures.in_vain_share, 3)
        names = points.setdefault((*place, "Restock" if known.is_own else "others"), [])
        if known is comparison.best or not known.is_own:
            names.append(known.pace.name)
    return [
        {"wait": wait, "share": share, "whose": whose, "label": ", ".join(names)}
        for (wait, share, whose), names in points.items()
    ]

"""How every chart looks and how it becomes a file: one drawing, light and dark, PNG, SVG and page (SEMANTICS 9.2)."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair
import vl_convert

WIDTH = 460
SHARPNESS = 2
FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"

# Of middle lightness: each stands out from white and from black alike. Told apart by the colour-blind too, as
# their lightness under the three kinds of it differs; no chart tells by colour alone.
BLUE, ORANGE, GREEN, PINK, VIOLET, GREY = "#2f7fc1", "#d9730d", "#1f9d74", "#c75b93", "#8069c7", "#7d828a"
PALETTE = (BLUE, ORANGE, GREEN, PINK, VIOLET)


@dataclass(frozen=True)
class Theme:
    """The colours around the marks; None leaves the page's own background."""

    background: str | None
    ink: str
    soft: str
    lines: str
    line_opacity: float = 1.0


LIGHT = Theme("#ffffff", ink="#18191b", soft="#55585d", lines="#e2e3e5")
DARK = Theme("#1b1d20", ink="#f3f3f1", soft="#b4b6b9", lines="#3a3d41")
# For a picture that stands on pages of either kind.
ANY_PAGE = Theme(None, ink=GREY, soft=GREY, lines=GREY, line_opacity=0.25)
THEMES = {"light": LIGHT, "dark": DARK}

# What the widest chart needs. A phone shrinks the page to its screen; a drawing that is shrunk by CSS instead
# mistakes where the pointer stands.
PAGE_WIDTH = 540

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width={width}">
<title>Restock</title>
<style>body {{ margin: 0; background: {background}; }}</style>
<div id="chart"></div>
<script>{bundle}</script>
<script>vegaEmbed("#chart", {spec}, {{actions: false, renderer: "svg"}});</script>
</html>
"""


def as_spec(chart: altair.TopLevelMixin, theme: Theme = LIGHT) -> dict[str, Any]:
    """The Vega-Lite drawing in a theme: what every picture and page is made of."""
    spec: dict[str, Any] = chart.to_dict()
    spec["background"] = theme.background or "transparent"
    spec["config"] = _config(theme)
    return spec


def as_png(chart: altair.TopLevelMixin, theme: Theme = LIGHT) -> bytes:
    """For mails and slides, sharp on fine screens."""
    return bytes(vl_convert.vegalite_to_png(as_spec(chart, theme), scale=SHARPNESS))


def as_svg(chart: altair.TopLevelMixin, theme: Theme = LIGHT) -> str:
    """For documents: sharp at any size."""
    return str(vl_convert.vegalite_to_svg(as_spec(chart, theme)))


def as_html(chart: altair.TopLevelMixin, theme: Theme = LIGHT) -> str:
    """A page on which the same drawing answers to the pointer; its script is in the page, nothing is fetched."""
    # A product's title stands in the script: it must not be able to end it.
    spec = json.dumps(as_spec(chart, theme)).replace("<", "\\u003c")
    background = theme.background or "transparent"
    return _PAGE.format(width=PAGE_WIDTH, background=background, bundle=chart_script(), spec=spec)


@cache
def chart_script() -> str:
    """Vega with everything it needs, as `vegaEmbed(element, spec, options)` for pages; no address is in use."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def no_data(title: str, subtitle: str) -> altair.Chart:
    """The place of a chart that has nothing to show, and says so."""
    nothing = altair.Chart(altair.Data(values=[{}]))
    return (
        nothing.mark_text(text="no data", fontSize=20, color=GREY)
        .encode(x=altair.value(WIDTH / 2), y=altair.value(60))
        .properties(width=WIDTH, height=120, title=heading(title, subtitle))
    )


def heading(title: str, subtitle: str | list[str] = "") -> altair.TitleParams:
    """What the chart shows, and below it of whom and when."""
    return altair.TitleParams(text=title, subtitle=subtitle)


def rows_of(values: list[dict[str, Any]]) -> altair.Data:
    """Rows inside the drawing; their text is data, never markup or an expression."""
    return altair.Data(values=json.loads(json.dumps(values, default=str)))


def _config(theme: Theme) -> dict[str, Any]:
    return {
        "font": FONT,
        "padding": 14,
        "view": {"stroke": None},
        "title": {
            "anchor": "start",
            "color": theme.ink,
            "fontSize": 17,
            "fontWeight": 600,
            "subtitleColor": theme.soft,
            "subtitleFontSize": 13,
            "subtitlePadding": 6,
            "offset": 16,
        },
        "axis": {
            "labelColor": theme.soft,
            "titleColor": theme.soft,
            "labelFontSize": 13,
            "titleFontSize": 13,
            "titleFontWeight": "normal",
            "titlePadding": 10,
            "gridColor": theme.lines,
            "gridOpacity": theme.line_opacity,
            "domainColor": theme.lines,
            "tickColor": theme.lines,
        },
        "legend": {
            "labelColor": theme.soft,
            "titleColor": theme.soft,
            "labelFontSize": 13,
            "orient": "top",
            "title": None,
        },
        "text": {"color": theme.ink, "fontSize": 13},
        "range": {"category": list(PALETTE)},
    }

"""Colours, fonts and axis behaviour that all figures share.

Categorical colours are Okabe & Ito's (colour-blind safe); continuous ones are
viridis without the end that would vanish into the background.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh
from bokeh import models as bm
from bokeh.models import CustomJS
from bokeh.palettes import Viridis256

__all__ = [
    "DARK",
    "LIGHT",
    "Style",
    "equal_aspect",
    "font_sizes",
    "legend_options",
    "pin_to_top",
    "style_for",
    "toolbox",
]

hv.Store.set_current_backend("bokeh")


def _diverging(low: str, middle: str, high: str) -> tuple[str, ...]:
    """256 colours from one end by way of the middle to the other."""
    ends = [[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in (low, middle, high)]
    found = []
    for step in range(256):
        share = step / 127.5
        a, b = (ends[0], ends[1]) if share < 1 else (ends[1], ends[2])
        part = share if share < 1 else share - 1
        mixed = [round(p + (q - p) * part) for p, q in zip(a, b, strict=True)]
        found.append("#{:02x}{:02x}{:02x}".format(*mixed))
    return tuple(found)


@dataclass(frozen=True)
class Style:
    """Colours of one theme; text reaches a contrast of at least 4.5:1.

    Parameters
    ----------
    background, sky : str
        Behind the figure, and inside the all-sky ellipse.
    text, muted : str
        Labels, and less important labels.
    grid : str
        Graticules and grid lines.
    flux, band, masked : str
        A spectrum, its 1 sigma band, and pixels without information.
    emission, absorption : str
        Named spectral lines.
    current, cohort : str
        The chosen galaxy and the chosen set.
    plane, unknown : str
        The galactic plane; galaxies without a value.
    palette : tuple of str
        Continuous colours, low to high.
    diverging : tuple of str
        Blue for negative, orange for positive values, grey for 0.
    categories : tuple of str
        Colours of categories, the usual or good one first.
    """

    background: str
    sky: str
    text: str
    muted: str
    grid: str
    flux: str
    band: str
    masked: str
    emission: str
    absorption: str
    current: str
    cohort: str
    plane: str
    unknown: str
    palette: tuple[str, ...]
    diverging: tuple[str, ...]
    categories: tuple[str, ...]


LIGHT = Style(
    background="#ffffff",
    sky="#f3f5f9",
    text="#1b2430",
    muted="#55606e",
    grid="#c3cad4",
    flux="#0b5a9c",
    band="#8fbfe6",
    masked="#e8b9a0",
    emission="#00705a",
    absorption="#9a4f00",
    current="#d1103f",
    cohort="#1b2430",
    plane="#8a6d3b",
    unknown="#bcc4cf",
    palette=tuple(Viridis256[:232]),
    diverging=_diverging("#005a9c", "#b3bac5", "#c24e00"),
    categories=("#0072b2", "#d55e00", "#00936a", "#a8558a", "#8a7a00", "#3a93c9", "#6b7280"),
)

DARK = Style(
    background="#141a22",
    sky="#1b232e",
    text="#e9edf3",
    muted="#a7b1bf",
    grid="#3b4656",
    flux="#7cc4ff",
    band="#2f5f8a",
    masked="#6d4636",
    emission="#4fd8b8",
    absorption="#f2a65a",
    current="#ff5d7e",
    cohort="#ffffff",
    plane="#cda45c",
    unknown="#5a6779",
    palette=tuple(Viridis256[48:]),
    diverging=_diverging("#4fb5f0", "#535d6b", "#ff9447"),
    categories=("#56b4e9", "#f0883e", "#2fc79b", "#dd92c4", "#e5d34d", "#9fb4ff", "#98a2b3"),
)


def style_for(dark: bool) -> Style:
    """The dark or the light style."""
    return DARK if dark else LIGHT


def font_sizes() -> dict[str, str]:
    """Font sizes for HoloViews' ``fontsize`` option."""
    return {"labels": "12px", "ticks": "11px", "legend": "11px", "title": "13px"}


def legend_options(**more: Any) -> dict[str, Any]:
    """HoloViews' ``legend_opts`` for a small legend that lets the data through.

    The page's theme gives sizes in em, and a legend stands in the page's own 16 px.
    """
    return {
        "padding": 2, "margin": 4, "background_fill_alpha": 0.75, "styles": {"font-size": "12px"},
        **more,
    }  # fmt: skip


_TOOLS: dict[str, Callable[[], bm.Tool]] = {
    "pan": bm.PanTool,
    "xpan": lambda: bm.PanTool(dimensions="width"),
    "wheel": bm.WheelZoomTool,
    "xwheel": lambda: bm.WheelZoomTool(dimensions="width"),
    "box_zoom": lambda: bm.BoxZoomTool(match_aspect=False),
    # Without renderers a brush only reports its shape: who is inside is worked
    # out from the drawn positions, for points and shaded pixels alike.
    "box_select": lambda: bm.BoxSelectTool(renderers=[]),
    "lasso": lambda: bm.LassoSelectTool(renderers=[], continuous=False),
    "reset": bm.ResetTool,
}


def toolbox(*names: str, drag: str = "", scroll: str = "") -> Callable[[Any, Any], None]:
    """A HoloViews hook: these tools and no others, those for drag and scroll switched on.

    Hover tools that elements brought stay. No Bokeh logo.
    """

    def hook(plot: Any, _element: hv.Element) -> None:
        figure = plot.state
        if figure.toolbar.logo is None:
            return
        # HoloViews asks for WebGL everywhere; copying its pixels is slow without a GPU.
        figure.update(output_backend="canvas", outline_line_color=None)
        if figure.title is not None and not figure.title.text:
            figure.title = None  # An empty one still takes the toolbar's place.
        made = {name: _TOOLS[name]() for name in names}
        hover = [tool for tool in figure.tools if isinstance(tool, bm.HoverTool)]
        figure.toolbar.tools = [*made.values(), *hover]
        figure.toolbar.active_drag = made.get(drag)
        figure.toolbar.active_scroll = made.get(scroll)
        figure.toolbar.active_tap = None
        # Bokeh's own separators are white in the dark.
        figure.toolbar.update(logo=None, stylesheets=[_SEPARATORS])

    return hook


_SEPARATORS = ".bk-divider { background-color: var(--line, #c3cad4); }"


_FIT = """
const [x0, x1, y0, y1] = fig.tags[0]
const w = fig.inner_width, h = fig.inner_height
if (w > 0 && h > 0) {
  const unit = Math.max((x1 - x0) / w, (y1 - y0) / h)
  const cx = (x0 + x1) / 2, cy = (y0 + y1) / 2
  const start = {x: cx - unit * w / 2, y: cy - unit * h / 2}
  const end = {x: cx + unit * w / 2, y: cy + unit * h / 2}
  for (const [r, k] of [[fig.x_range, 'x'], [fig.y_range, 'y']]) {
    r.setv({start: start[k], end: end[k], reset_start: start[k], reset_end: end[k]})
  }
}
"""


def equal_aspect(limits: tuple[float, float, float, float]) -> Callable[[Any, Any], None]:
    """A HoloViews hook: the same scale on both axes at any figure size.

    The browser widens the shorter axis about its centre whenever the figure is
    resized or gets new limits (``figure.tags[0]``).

    Parameters
    ----------
    limits : tuple of float
        ``(x0, x1, y0, y1)`` that must be visible.
    """

    def hook(plot: Any, _element: hv.Element) -> None:
        figure = plot.state
        fresh = not figure.tags
        figure.tags = [list(limits)]
        if fresh:
            fit = CustomJS(args={"fig": figure}, code=_FIT)
            for event in ("inner_width", "inner_height", "tags"):
                figure.js_on_change(event, fit)

    return hook


_PIN = """
const {start, end} = y_range
source.data = {...source.data, y: Array.from(source.data.y, () => end)}
"""


def pin_to_top(background: str) -> Callable[[Any, Any], None]:
    """A HoloViews hook for `hv.Labels`: rows of labels stay at the top under zoom.

    The element needs a value dimension ``down``: how far below the top its row is, in
    px (letters are as high in low figures as in high ones). The labels get a background
    to stay readable.
    """

    def hook(plot: Any, element: hv.Element) -> None:
        source, y_range = plot.handles["source"], plot.handles["y_range"]
        if source.tags:
            return
        plot.handles["glyph"].update(
            background_fill_color=background,
            background_fill_alpha=0.85,
            y_offset={"field": "down"},
        )
        source.data["down"] = list(element.dimension_values("down"))
        source.tags = ["pinned"]
        move = CustomJS(args={"source": source, "y_range": y_range}, code=_PIN)
        y_range.js_on_change("start", move)
        y_range.js_on_change("end", move)

    return hook

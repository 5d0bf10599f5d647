"""The sky map: all sky (Hammer-Aitoff) or a tangent plane, points or shaded pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.graticule import SkyView, decoration
from galam_explorer.evaluate.figures.shading import (
    Shader,
    category_colours,
    colour_limits,
    shade,
    shade_source,
)
from galam_explorer.evaluate.figures.style import (
    equal_aspect,
    font_sizes,
    legend_options,
    style_for,
    toolbox,
)

__all__ = ["POINT_LIMIT", "Shader", "SkyView", "galaxy_layer", "rows_source", "shade",
           "shade_source", "sky_figure"]  # fmt: skip

POINT_LIMIT = 60_000
"""Above this number of galaxies the map is shaded instead of drawn point by point."""
_CANVAS_LIMIT = 5_000
_SHADE_SIZE = (640, 320)
_NOTHING = np.zeros((1, 1, 4), dtype=np.uint8)


def sky_figure(
    ra: np.ndarray,
    dec: np.ndarray,
    values: np.ndarray | None = None,
    label: str = "",
    *,
    centred: bool = False,
    view: SkyView | None = None,
    current: int | None = None,
    cohort: Sequence[int] | np.ndarray = (),
    dark: bool = False,
) -> hv.Overlay:
    """The sky map: east to the left, with graticule and galactic plane.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees; NaN where unknown (not drawn).
    values : ndarray, shape (n,), optional
        What to colour by: numbers, or strings for categories; `label` names them.
    centred : bool
        Of numbers: whether 0 is the middle of the scale, as for residuals. Galaxies
        without a number are faint then.
    view : SkyView, optional
    current, cohort : int, sequence of int
        Row of the galaxy to ring, and rows of the set to highlight.

    Returns
    -------
    hv.Overlay
        Outline, graticule, plane, labels, shade (beyond `POINT_LIMIT`), points, cohort, current.
    """
    view, style = view or SkyView(), style_for(dark)
    x, y = view.project(np.asarray(ra, dtype=float), np.asarray(dec, dtype=float))
    many = bool(np.isfinite(x).sum() > POINT_LIMIT)
    pixels = _NOTHING
    if many:
        pixels = shade(x, y, values, view.limits, _SHADE_SIZE, dark, centred)
    chosen = [] if current is None else [current]
    layers = [
        *decoration(view, dark),
        _pixel_layer(pixels, view.limits),
        galaxy_layer(x, y, values, label, dark=dark, empty=many, centred=centred),
        _rings(x, y, cohort, size=8, line_color=style.cohort, line_width=0.8, alpha=0.75),
        _rings(x, y, chosen, size=17, line_color=style.current, line_width=3),
    ]
    return hv.Overlay(layers).opts(hv.opts.Overlay(**_map_options(view)))


def _pixel_layer(pixels: np.ndarray, limits: tuple[float, float, float, float]) -> hv.RGB:
    x0, x1, y0, y1 = limits
    return hv.RGB(pixels[::-1], bounds=(x0, y0, x1, y1)).opts(default_tools=[])


def _rings(x: np.ndarray, y: np.ndarray, rows: Sequence[int], **style: Any) -> hv.Points:
    points = hv.Points(rows_source(x, y, rows), ["x", "y"])
    return points.opts(fill_color=None, hooks=[_on_top], **style)


def _on_top(plot: Any, _element: Any) -> None:
    """Bokeh paints overlays on a canvas of their own: a ring moves and no point is drawn again."""
    plot.handles["glyph_renderer"].level = "overlay"


def _map_options(view: SkyView) -> dict[str, Any]:
    tools = ("pan", "wheel", "box_select", "lasso", "reset")
    return {
        "xlim": view.limits[:2],
        "ylim": view.limits[2:],
        "xaxis": None,
        "yaxis": None,
        "responsive": True,
        "min_height": 180,
        "toolbar": "above",
        "fontsize": font_sizes(),
        "show_legend": True,
        "legend_position": "bottom",
        "legend_opts": legend_options(orientation="horizontal", margin=2),
        "hooks": [
            equal_aspect(view.limits),
            toolbox(*tools, drag="pan", scroll="wheel"),
            _draw_fast,
        ],
    }


def _draw_fast(plot: Any, element: hv.Element) -> None:
    # Copying from WebGL costs more than drawing few points on a plain canvas.
    many = element is not None and max(len(layer) for layer in element) > _CANVAS_LIMIT
    plot.state.output_backend = "webgl" if many else "canvas"
    # Bokeh tells the new ranges this long after the last turn of the wheel (ms).
    plot.state.lod_timeout = 100


def galaxy_layer(
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray | None,
    label: str,
    *,
    dark: bool = False,
    empty: bool = False,
    centred: bool = False,
) -> hv.Points:
    """The galaxies as points, coloured by a number or a category.

    With `empty`, only the colour bar or the legend remains of it; with `centred`, the
    scale has 0 in its middle.
    """
    style, n = style_for(dark), len(x)
    size = 5.0 if n <= 3000 else 4.0 if n <= 20_000 else 2.5
    options: dict[str, Any] = {"size": size, "line_color": None, "alpha": 0.85}
    if values is None:
        shown = slice(0) if empty else slice(None)
        return hv.Points((x[shown], y[shown])).opts(color=style.categories[0], **options)
    values = np.asarray(values)
    category = values.dtype.kind not in "fiu"
    # The legend needs one galaxy of each category, the colour bar any one.
    one_each = np.unique(values.astype(str), return_index=True)[1] if category else slice(1)
    # Galaxies without a value lie below the others.
    shown = one_each if empty else slice(None)
    if not category and not empty:
        shown = np.argsort(np.isfinite(values), kind="stable")
    points = hv.Points(
        (x[shown], y[shown], values[shown]), vdims=hv.Dimension("value", label=label or "value")
    )
    if category:
        cmap = category_colours(values, dark)
        return points.opts(color="value", cmap=cmap, show_legend=True, **options)
    return points.opts(
        color="value",
        cmap=list(style.diverging if centred else style.palette),
        clim=colour_limits(values, centred),
        # Beside the grey of 0, what is not known must not look like a value.
        clipping_colors={"NaN": style.unknown + ("59" if centred else "")},
        colorbar=True,
        colorbar_position="bottom",
        colorbar_opts={"title": label, "height": 9, "title_standoff": 3, "padding": 4, "margin": 2},
        **options,
    )


def rows_source(
    x: np.ndarray, y: np.ndarray, rows: Sequence[int] | np.ndarray
) -> dict[str, np.ndarray]:
    """Columns of the Bokeh source of the cohort's or the current galaxy's rings."""
    rows = np.asarray(rows, dtype=int)
    rows = rows[np.isfinite(x[rows])]
    return {"x": x[rows], "y": y[rows]}

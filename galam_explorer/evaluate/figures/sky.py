"""The sky map: all sky (Hammer-Aitoff) or a tangent plane, points or shaded pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures import projection as proj
from galam_explorer.evaluate.figures.style import (
    Style,
    equal_aspect,
    font_sizes,
    style_for,
    toolbox,
)

__all__ = [
    "POINT_LIMIT",
    "SkyView",
    "category_colours",
    "colour_limits",
    "galaxy_layer",
    "rows_source",
    "shade",
    "shade_source",
    "sky_figure",
]

POINT_LIMIT = 60_000
"""Above this number of galaxies the map is shaded instead of drawn point by point."""
_CANVAS_LIMIT = 5_000
_SHADE_SIZE = (640, 320)
_NOTHING = np.zeros((1, 1, 4), dtype=np.uint8)
_STEPS = (30.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


@dataclass(frozen=True)
class SkyView:
    """Which part of the sky is drawn, and how.

    Parameters
    ----------
    kind : {"all-sky", "tangent"}
    centre : float
        Right ascension in the middle of the all-sky map, degrees.
    ra, dec : float
        Centre of the tangent view, degrees.
    radius : float
        Half-width of the tangent view, degrees.
    """

    kind: str = "all-sky"
    centre: float = 180.0
    ra: float = 180.0
    dec: float = 0.0
    radius: float = 3.0

    def project(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Degrees on the sky to plot coordinates; NaN where not visible."""
        if self.kind == "tangent":
            return proj.tangent(ra, dec, self.ra, self.dec)
        return proj.hammer(ra, dec, self.centre)

    def invert(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Plot coordinates to degrees on the sky."""
        if self.kind == "tangent":
            return proj.tangent_inverse(x, y, self.ra, self.dec)
        return proj.hammer_inverse(x, y, self.centre)

    @property
    def limits(self) -> tuple[float, float, float, float]:
        """``(x0, x1, y0, y1)`` that must be visible."""
        if self.kind == "tangent":
            return (-self.radius, self.radius, -self.radius, self.radius)
        return (-2.92, 2.92, -1.47, 1.47)


def sky_figure(
    ra: np.ndarray,
    dec: np.ndarray,
    values: np.ndarray | None = None,
    label: str = "",
    *,
    view: SkyView | None = None,
    current: int | None = None,
    cohort: Sequence[int] | np.ndarray = (),
    dark: bool = False,
) -> hv.Overlay:
    """The sky map with graticule, galactic plane, galaxies, chosen set and galaxy.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees; NaN where unknown (not drawn).
    values : ndarray, shape (n,), optional
        What to colour by: numbers, or strings for categories.
    label : str
        Name and unit of `values`, on the colour bar.
    view : SkyView, optional
        All sky centred on RA 180° by default.
    current : int, optional
        Row of the galaxy to ring.
    cohort : sequence of int
        Rows to highlight.
    dark : bool
        Colours for a dark page.

    Returns
    -------
    hv.Overlay
        East to the left. Eight layers, always in this order: outline,
        graticule, galactic plane, labels, shaded galaxies (when there are more
        than `POINT_LIMIT`), galaxies as points, cohort, current.
    """
    view, style = view or SkyView(), style_for(dark)
    x, y = view.project(np.asarray(ra, dtype=float), np.asarray(dec, dtype=float))
    shaded = np.isfinite(x).sum() > POINT_LIMIT
    pixels = shade(x, y, values, view.limits, _SHADE_SIZE, dark) if shaded else _NOTHING
    layers = [
        *_decoration(view, dark),
        hv.RGB(pixels[::-1], bounds=_bounds(view.limits), vdims=list(hv.RGB.vdims)).opts(
            default_tools=[]
        ),
        galaxy_layer(x, y, values, label, dark=dark, empty=shaded),
        hv.Points(rows_source(x, y, cohort), ["x", "y"]).opts(
            size=8, fill_color=None, line_color=style.cohort, line_width=0.8, alpha=0.75
        ),
        hv.Points(rows_source(x, y, [] if current is None else [current]), ["x", "y"]).opts(
            size=17, fill_color=None, line_color=style.current, line_width=3
        ),
    ]
    limits = view.limits
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            xlim=limits[:2],
            ylim=limits[2:],
            xaxis=None,
            yaxis=None,
            responsive=True,
            min_height=180,
            toolbar="above",
            fontsize=font_sizes(),
            show_legend=True,
            legend_position="bottom",
            legend_opts={"orientation": "horizontal", "padding": 2, "margin": 2},
            hooks=[
                equal_aspect(limits),
                toolbox("pan", "wheel", "box_select", "lasso", "reset", drag="pan", scroll="wheel"),
                _draw_fast,
            ],
        )
    )


def _draw_fast(plot: Any, element: hv.Element) -> None:
    # Copying from WebGL costs more than drawing few points on a plain canvas.
    many = element is not None and max(len(layer) for layer in element) > _CANVAS_LIMIT
    plot.state.output_backend = "webgl" if many else "canvas"


def _bounds(limits: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x0, x1, y0, y1 = limits
    return x0, y0, x1, y1


def _colours(values: np.ndarray | None, dark: bool) -> tuple[np.ndarray, np.ndarray]:
    """Index of each galaxy's colour (-1 for none), and the colours, uint8 (k, 3)."""
    style = style_for(dark)
    if values is None:
        index, names = None, style.categories[:1]
    elif values.dtype.kind not in "fiu":
        found, index = np.unique(values.astype(str), return_inverse=True)
        kinds = category_colours(values, dark)
        names = tuple(kinds[str(one)] for one in found)
    else:
        low, high = colour_limits(values)
        names = style.palette
        scaled = np.clip((values - low) / (high - low), 0.0, 1.0) * (len(names) - 1)
        index = np.where(np.isfinite(values), np.nan_to_num(scaled), -1.0)
    colours = np.array([[int(n[i : i + 2], 16) for i in (1, 3, 5)] for n in names], np.uint8)
    return np.zeros(0) if index is None else index, colours


def shade(
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray | None,
    limits: tuple[float, float, float, float],
    size: tuple[int, int],
    dark: bool = False,
) -> np.ndarray:
    """Many galaxies as pixels: the mean colour of each, more opaque where there are more.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Plot coordinates.
    values : ndarray, shape (n,), optional
        Numbers, or strings (then the commonest category of a pixel shows).
    limits : tuple of float
        ``(x0, x1, y0, y1)`` of the picture.
    size : tuple of int
        Its width and height, px.

    Returns
    -------
    ndarray, uint8 (height, width, 4)
        Row 0 is the lowest.
    """
    import datashader as ds
    import pandas as pd

    x0, x1, y0, y1 = limits
    canvas = ds.Canvas(size[0], size[1], x_range=(x0, x1), y_range=(y0, y1))
    frame = pd.DataFrame({"x": x, "y": y})
    index, colours = _colours(values, dark)
    counts = np.nan_to_num(canvas.points(frame, "x", "y", ds.count()).to_numpy()).astype(float)
    if not len(index):
        chosen = np.zeros(counts.shape, dtype=int)
    elif len(colours) > 16:
        frame["value"] = np.where(index < 0, np.nan, index)
        mean = canvas.points(frame, "x", "y", ds.mean("value")).to_numpy()
        chosen = np.nan_to_num(mean, nan=0.0).round().astype(int)
    else:
        frame["value"] = pd.Categorical(index.astype(int), categories=range(len(colours)))
        by = canvas.points(frame, "x", "y", ds.by("value", ds.count())).to_numpy()
        chosen = by.argmax(axis=2)
    out = np.zeros((*counts.shape, 4), dtype=np.uint8)
    out[..., :3] = colours[chosen]
    top = np.log1p(max(counts.max(), 1.0))
    out[..., 3] = np.where(counts > 0, 90 + 165 * np.log1p(counts) / top, 0).astype(np.uint8)
    return out


def shade_source(
    pixels: np.ndarray, limits: tuple[float, float, float, float]
) -> dict[str, list[Any]]:
    """Columns of the Bokeh source of the shaded layer."""
    x0, x1, y0, y1 = limits
    packed = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    return {"image": [packed], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}


def category_colours(values: np.ndarray, dark: bool) -> dict[str, str]:
    """A colour for each category, the commonest first."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    cycle = style_for(dark).categories
    order = names[np.argsort(-counts, kind="stable")]
    return {str(name): cycle[i % len(cycle)] for i, name in enumerate(order)}


def galaxy_layer(
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray | None,
    label: str,
    *,
    dark: bool = False,
    empty: bool = False,
) -> hv.Points:
    """The galaxies as points, coloured by a number or a category.

    With `empty`, only the colour bar or the legend remains of it.
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
    shown = one_each if empty else slice(None)
    points = hv.Points(
        (x[shown], y[shown], values[shown]), vdims=hv.Dimension("value", label=label or "value")
    )
    if category:
        cmap = category_colours(values, dark)
        return points.opts(color="value", cmap=cmap, show_legend=True, **options)
    return points.opts(
        color="value",
        cmap=list(style.palette),
        clim=colour_limits(values),
        clipping_colors={"NaN": style.grid},
        colorbar=True,
        colorbar_position="bottom",
        colorbar_opts={"title": label, "height": 9, "title_standoff": 3, "padding": 4, "margin": 2},
        **options,
    )


def colour_limits(values: np.ndarray) -> tuple[float, float]:
    """The central 96 % of finite values, so that outliers do not take the scale."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.percentile(finite, [2.0, 98.0])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def rows_source(
    x: np.ndarray, y: np.ndarray, rows: Sequence[int] | np.ndarray
) -> dict[str, np.ndarray]:
    """Columns of the Bokeh source of the cohort's or the current galaxy's rings."""
    rows = np.asarray(rows, dtype=int)
    rows = rows[np.isfinite(x[rows])]
    return {"x": x[rows], "y": y[rows]}


@lru_cache(maxsize=16)
def _decoration(view: SkyView, dark: bool) -> list[hv.Element]:
    """Outline, graticule, galactic plane, labels; the same objects for the same view."""
    style = style_for(dark)
    return [_outline(view, style), *_grid(view, style)]


def _outline(view: SkyView, style: Style) -> hv.Polygons:
    shape: list[Any] = []
    if view.kind == "all-sky":
        angle = np.linspace(0.0, 2.0 * np.pi, 181)
        shape = [{"x": 2 * np.sqrt(2) * np.cos(angle), "y": np.sqrt(2) * np.sin(angle)}]
    return hv.Polygons(shape).opts(fill_color=style.sky, line_color=style.grid, line_width=1)


def _lines(view: SkyView) -> tuple[list[np.ndarray], list[tuple[float, float, str]]]:
    """Graticule lines as (k, 2) arrays, and label positions with their texts."""
    if view.kind == "all-sky":
        edge = view.centre + 180.0
        ras = np.arange(0.0, 360.0, 30.0)
        decs = np.arange(-60.0, 61.0, 30.0)
        span, dec_span = np.linspace(edge - 359.99, edge - 0.01, 181), np.linspace(-90, 90, 91)
        marks = [(r, 0.0, f"{r:.0f}°") for r in ras if abs((r - edge + 180) % 360 - 180) > 20]
        marks += [(edge - 0.01, d, f"{d:+.0f}°") for d in decs if d]
    else:
        step = next((s for s in _STEPS if s <= view.radius * 0.7), _STEPS[-1])
        widen = view.radius * 3.2
        ra_step = step / max(np.cos(np.radians(min(abs(view.dec) + view.radius, 88.0))), 0.03)
        ra_step = min((s for s in (90.0, 60.0, *_STEPS) if s >= ra_step), default=90.0)
        half = min(180.0, widen / max(np.cos(np.radians(min(abs(view.dec), 88.0))), 0.03))
        ras = np.arange(np.floor((view.ra - half) / ra_step), (view.ra + half) / ra_step) * ra_step
        decs = np.arange(np.floor((view.dec - widen) / step), (view.dec + widen) / step) * step
        decs = decs[(decs >= -90) & (decs <= 90)]
        span = np.linspace(view.ra - half, view.ra + half, 121)
        dec_span = np.clip(np.linspace(view.dec - widen, view.dec + widen, 121), -90, 90)
        marks = [(r, view.dec - 0.93 * view.radius, f"{r % 360:g}°") for r in ras]
        marks += [(view.ra + 0.9 * (half / 3.2), d, f"{d:+g}°") for d in decs]
    lines = [np.column_stack(view.project(np.full_like(dec_span, r), dec_span)) for r in ras]
    lines += [np.column_stack(view.project(span, np.full_like(span, d))) for d in decs]
    return lines, marks


def _grid(view: SkyView, style: Style) -> list[hv.Element]:
    lines, marks = _lines(view)
    x0, x1, y0, y1 = view.limits
    labels = []
    for ra, dec, text in marks:
        x, y = view.project(np.array([ra]), np.array([dec]))
        if x0 <= x[0] <= x1 and y0 <= y[0] <= y1:
            labels.append((x[0], y[0], text))
    plane = _unbroken(np.column_stack(view.project(*proj.galactic_plane())), 0.5 * (x1 - x0))
    return [
        hv.Path(lines).opts(color=style.grid, line_width=0.7),
        hv.Path(plane).opts(color=style.plane, line_width=1.6, line_dash="dashed"),
        hv.Labels(labels, ["x", "y"], "text").opts(
            text_color=style.muted, text_font_size="10px", text_align="center", yoffset=0.0
        ),
    ]


def _unbroken(track: np.ndarray, jump: float) -> list[np.ndarray]:
    """Split a track where it leaves the map or jumps over its edge."""
    step = np.abs(np.diff(track[:, 0]))
    cut = np.flatnonzero(~np.isfinite(step) | (step > jump)) + 1
    return [
        part[np.isfinite(part[:, 0])]
        for part in np.split(track, cut)
        if np.isfinite(part[:, 0]).sum() > 1
    ]

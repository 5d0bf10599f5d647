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

__all__ = ["POINT_LIMIT", "SkyView", "galaxy_layer", "rows_source", "sky_figure"]

POINT_LIMIT = 60_000
"""Above this number of galaxies the map is shaded instead of drawn point by point."""
_CANVAS_LIMIT = 5_000
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
        East to the left. Seven layers, always in this order: outline,
        graticule, galactic plane, labels, galaxies, cohort, current.
    """
    view, style = view or SkyView(), style_for(dark)
    x, y = view.project(np.asarray(ra, dtype=float), np.asarray(dec, dtype=float))
    layers = [
        *_decoration(view, dark),
        galaxy_layer(x, y, values, label, dark=dark),
        hv.Points(rows_source(x, y, cohort), ["x", "y"]).opts(
            size=8, fill_color=None, line_color=style.cohort, line_width=0.8, alpha=0.75
        ),
        hv.Points(rows_source(x, y, [] if current is None else [current]), ["x", "y"]).opts(
            size=17, fill_color=None, line_color=style.current, line_width=3
        ),
    ]
    bare = view.kind == "all-sky"
    limits = view.limits
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            xlim=limits[:2],
            ylim=limits[2:],
            xaxis=None if bare else "bottom",
            yaxis=None if bare else "left",
            xlabel="offset west (°)",
            ylabel="offset north (°)",
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


def galaxy_layer(
    x: np.ndarray, y: np.ndarray, values: np.ndarray | None, label: str, *, dark: bool = False
) -> hv.Points:
    """The galaxies as points, coloured by a number or a category."""
    style, n = style_for(dark), len(x)
    size = 5.0 if n <= 3000 else 4.0 if n <= 20_000 else 2.5
    options: dict[str, Any] = {"size": size, "line_color": None, "alpha": 0.85}
    if values is None:
        return hv.Points((x, y)).opts(color=style.categories[0], **options)
    values = np.asarray(values)
    points = hv.Points((x, y, values), vdims=hv.Dimension("value", label=label or "value"))
    if values.dtype.kind not in "fiu":
        names = list(dict.fromkeys(values.tolist()))
        cycle = style.categories
        cmap = {name: cycle[i % len(cycle)] for i, name in enumerate(names)}
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
        widen = view.radius * 1.6
        ra_step = step / max(np.cos(np.radians(min(abs(view.dec) + view.radius, 88.0))), 0.03)
        ra_step = min((s for s in (90.0, 60.0, *_STEPS) if s >= ra_step), default=90.0)
        half = min(180.0, widen / max(np.cos(np.radians(min(abs(view.dec), 88.0))), 0.03))
        ras = np.arange(np.floor((view.ra - half) / ra_step), (view.ra + half) / ra_step) * ra_step
        decs = np.arange(np.floor((view.dec - widen) / step), (view.dec + widen) / step) * step
        decs = decs[(decs >= -90) & (decs <= 90)]
        span = np.linspace(view.ra - half, view.ra + half, 121)
        dec_span = np.clip(np.linspace(view.dec - widen, view.dec + widen, 121), -90, 90)
        marks = [(r, view.dec - 0.93 * view.radius, f"{r % 360:g}°") for r in ras]
        marks += [(view.ra + 0.9 * (half / 1.6), d, f"{d:+g}°") for d in decs]
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

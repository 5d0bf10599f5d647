"""Which part of the sky is drawn, and the lines that give its coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures import projection as proj
from galam_explorer.evaluate.figures.style import Style, style_for

__all__ = ["SkyView", "decoration"]

_RA_DEC = -22.0
"""Declination at which an all-sky map names its meridians."""
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


@lru_cache(maxsize=16)
def decoration(view: SkyView, dark: bool) -> list[hv.Element]:
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
        # Not at the equator, where the stripes of many surveys lie.
        marks = [(r, _RA_DEC, f"{r:.0f}°") for r in ras if abs((r - edge + 180) % 360 - 180) > 20]
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
        # Near the bottom they would meet the names of the meridians.
        low = view.dec - 0.8 * view.radius
        marks += [
            (view.ra + 0.9 * (half / 3.2), d, f"{d:+g}°" if d else "0°") for d in decs if d > low
        ]
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
            text_color=style.muted,
            text_font_size="10px",
            text_align="center",
            yoffset=0.0,
            hooks=[_above(style.sky)],
        ),
    ]


def _above(background: str) -> Any:
    """A HoloViews hook: the letters can be read where galaxies lie, too."""

    def hook(plot: Any, _element: hv.Element) -> None:
        plot.handles["glyph_renderer"].level = "annotation"
        plot.handles["glyph"].update(background_fill_color=background, background_fill_alpha=0.7)

    return hook


def _unbroken(track: np.ndarray, jump: float) -> list[np.ndarray]:
    """Split a track where it leaves the map or jumps over its edge."""
    step = np.abs(np.diff(track[:, 0]))
    cut = np.flatnonzero(~np.isfinite(step) | (step > jump)) + 1
    return [
        part[np.isfinite(part[:, 0])]
        for part in np.split(track, cut)
        if np.isfinite(part[:, 0]).sum() > 1
    ]

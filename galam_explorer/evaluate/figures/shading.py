"""Colours of galaxies by a value, and many galaxies as shaded pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from galam_explorer.evaluate.figures.style import style_for

__all__ = ["Shader", "category_colours", "colour_limits", "shade", "shade_source"]

_MOST_CATEGORIES = 16


def colour_limits(values: np.ndarray, centred: bool = False) -> tuple[float, float]:
    """The central 96 % of finite values, so that outliers do not take the scale.

    With `centred` 0 is in the middle.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return (-1.0, 1.0) if centred else (0.0, 1.0)
    if centred:
        reach = float(np.percentile(np.abs(finite), 96.0)) or 1.0
        return -reach, reach
    low, high = np.percentile(finite, [2.0, 98.0])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _colours(values: np.ndarray | None, dark: bool, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """Index of each galaxy's colour (-1 for none), and the colours, uint8 (k, 3)."""
    style = style_for(dark)
    if values is None:
        index, names = None, style.categories[:1]
    elif values.dtype.kind not in "fiu":
        found, index = np.unique(values.astype(str), return_inverse=True)
        kinds = category_colours(values, dark)
        names = tuple(kinds[str(one)] for one in found)
    else:
        low, high = colour_limits(values, centred)
        names = style.diverging if centred else style.palette
        scaled = np.clip((values - low) / (high - low), 0.0, 1.0) * (len(names) - 1)
        index = np.where(np.isfinite(values), np.nan_to_num(scaled), -1.0)
    return np.zeros(0) if index is None else index, _rgb(names)


def _rgb(names: Sequence[str]) -> np.ndarray:
    """Colours from ``#rrggbb``, uint8 (k, 3)."""
    return np.array([[int(n[i : i + 2], 16) for i in (1, 3, 5)] for n in names], np.uint8)


def shade(
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray | None,
    limits: tuple[float, float, float, float],
    size: tuple[int, int],
    dark: bool = False,
    centred: bool = False,
) -> np.ndarray:
    """Many galaxies as pixels: the mean colour of each, more opaque where there are more.

    Parameters
    ----------
    x, y, values, dark, centred
        See `Shader`.
    limits, size : tuple
        ``(x0, x1, y0, y1)`` of the picture; its width and height, px.

    Returns
    -------
    ndarray, uint8 (height, width, 4)
        Row 0 is the lowest.
    """
    return Shader(x, y, values, dark, centred).shade(limits, size)


class Shader:
    """Galaxies with their colours, ready to be shaded for one part of the plane or another.

    Parameters
    ----------
    x, y, values : ndarray, shape (n,)
        Plot coordinates; numbers, strings (the commonest of a pixel shows) or None.
    dark : bool
        For a dark page.
    centred : bool
        Whether 0 is the middle of the colour scale; galaxies without a value are faint.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        values: np.ndarray | None,
        dark: bool = False,
        centred: bool = False,
    ) -> None:
        import pandas as pd

        index, self._colours = _colours(values, dark, centred)
        self._dark, self._centred = dark, centred
        self._frame = pd.DataFrame({"x": x, "y": y})
        self._numbers = bool(len(index)) and len(self._colours) > _MOST_CATEGORIES
        if self._numbers:
            self._frame["value"] = np.where(index < 0, np.nan, index)
        elif len(index):
            kinds = range(len(self._colours))
            self._frame["value"] = pd.Categorical(index.astype(int), categories=kinds)

    def shade(self, limits: tuple[float, float, float, float], size: tuple[int, int]) -> np.ndarray:
        """A picture; see the function `shade`."""
        import datashader as ds

        x0, x1, y0, y1 = limits
        canvas = ds.Canvas(size[0], size[1], x_range=(x0, x1), y_range=(y0, y1))
        wanted = {"counts": ds.count()}
        if self._numbers:
            wanted["value"] = ds.mean("value")
        elif "value" in self._frame:
            wanted["value"] = ds.by("value", ds.count())
        found = canvas.points(self._frame, "x", "y", ds.summary(**wanted))
        counts = np.nan_to_num(found["counts"].to_numpy()).astype(float)
        chosen, blank = np.zeros(counts.shape, dtype=int), np.zeros(counts.shape, dtype=bool)
        if self._numbers:
            mean = found["value"].to_numpy()
            blank = ~np.isfinite(mean)
            chosen = np.nan_to_num(mean, nan=0.0).round().astype(int)
        elif "value" in found:
            chosen = found["value"].to_numpy().argmax(axis=2)
        return self._paint(counts, chosen, blank)

    def _paint(self, counts: np.ndarray, chosen: np.ndarray, blank: np.ndarray) -> np.ndarray:
        out = np.zeros((*counts.shape, 4), dtype=np.uint8)
        unknown = _rgb([style_for(self._dark).unknown])
        out[..., :3] = np.where(blank[..., None], unknown, self._colours[chosen])
        top = np.log1p(max(counts.max(), 1.0))
        opaque = np.where(blank & self._centred, 60, 90 + 165 * np.log1p(counts) / top)
        out[..., 3] = np.where(counts > 0, opaque, 0).astype(np.uint8)
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

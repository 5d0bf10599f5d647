"""Colours of galaxies by a value, and many galaxies as shaded pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from galam_explorer.evaluate.figures.style import style_for

__all__ = ["category_colours", "colour_limits", "shade", "shade_source"]

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
    x, y, values : ndarray, shape (n,)
        Plot coordinates; numbers, strings (the commonest of a pixel shows) or None.
    limits, size : tuple
        ``(x0, x1, y0, y1)`` of the picture; its width and height, px.
    centred : bool
        Whether 0 is the middle of the colour scale; galaxies without a value are faint.

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
    index, colours = _colours(values, dark, centred)
    counts = np.nan_to_num(canvas.points(frame, "x", "y", ds.count()).to_numpy()).astype(float)
    chosen, blank = np.zeros(counts.shape, dtype=int), np.zeros(counts.shape, dtype=bool)
    if len(index) and len(colours) > _MOST_CATEGORIES:
        frame["value"] = np.where(index < 0, np.nan, index)
        mean = canvas.points(frame, "x", "y", ds.mean("value")).to_numpy()
        blank = ~np.isfinite(mean)
        chosen = np.nan_to_num(mean, nan=0.0).round().astype(int)
    elif len(index):
        frame["value"] = pd.Categorical(index.astype(int), categories=range(len(colours)))
        chosen = (
            canvas.points(frame, "x", "y", ds.by("value", ds.count())).to_numpy().argmax(axis=2)
        )
    out = np.zeros((*counts.shape, 4), dtype=np.uint8)
    out[..., :3] = np.where(blank[..., None], _rgb([style_for(dark).unknown]), colours[chosen])
    top = np.log1p(max(counts.max(), 1.0))
    opaque = np.where(blank & centred, 60, 90 + 165 * np.log1p(counts) / top)
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

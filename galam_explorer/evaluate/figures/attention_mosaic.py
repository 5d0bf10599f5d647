"""All attention maps of a galaxy at once, to pick one from."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
from bokeh.palettes import Inferno256

from galam_explorer.evaluate.explain import AttentionMaps
from galam_explorer.evaluate.figures.cutout import grey_source, image_axes, image_options
from galam_explorer.evaluate.figures.style import style_for

__all__ = ["mosaic_cell", "mosaic_figure", "mosaic_sources"]


def _mosaic(maps: AttentionMaps) -> np.ndarray:
    """Every head (rows) and group (columns) as a small map in units of its largest weight."""
    heads, queries, side, _ = maps.weights.shape
    pitch = side + 1
    picture = np.full((heads * pitch - 1, queries * pitch - 1), np.nan)
    for head in range(heads):
        for query in range(queries):
            one = maps.weights[head, query]
            top = head * pitch
            left = query * pitch
            picture[top : top + side, left : left + side] = one / max(float(one.max()), 1e-12)
    return picture


def mosaic_cell(maps: AttentionMaps, x: float, y: float) -> tuple[int, int] | None:
    """``(head, query)`` at a place of `mosaic_figure`; None outside."""
    heads, queries, side, _ = maps.weights.shape
    row = (heads * (side + 1) - 1) - 1 - y
    head, query = int((row + 0.5) // (side + 1)), int((x + 0.5) // (side + 1))
    return (head, query) if 0 <= head < heads and 0 <= query < queries else None


def _frame(maps: AttentionMaps, head: int | None, query: int | None) -> dict[str, np.ndarray]:
    """Outline of the chosen head, group, or both."""
    heads, queries, side, _ = maps.weights.shape
    pitch, height = side + 1, heads * (side + 1) - 1
    if head is None and query is None:
        return {"x": np.empty(0), "y": np.empty(0)}
    rows = (0, heads) if head is None else (head, head + 1)
    columns = (0, queries) if query is None else (query, query + 1)
    left, right = columns[0] * pitch - 1.0, columns[1] * pitch - 1.0
    top, bottom = height - rows[0] * pitch, height - rows[1] * pitch
    return {
        "x": np.array([left, right, right, left, left]),
        "y": np.array([top, top, bottom, bottom, top], float),
    }


def mosaic_sources(
    maps: AttentionMaps, head: int | None = None, query: int | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `mosaic_figure`, and its axes; same parameters."""
    picture = _mosaic(maps)
    return [grey_source(picture), _frame(maps, head, query)], image_axes(picture.shape)


def mosaic_figure(
    maps: AttentionMaps, head: int | None = None, query: int | None = None, *, dark: bool = False
) -> hv.Overlay:
    """All maps at once, heads down and groups of features across, to pick one from.

    Each is scaled to its own largest weight.

    Returns
    -------
    hv.Overlay
        Layers: maps, frame of the chosen one.
    """
    style, picture = style_for(dark), _mosaic(maps)
    height, width = picture.shape
    image = hv.Image(picture, bounds=(-0.5, -0.5, width - 0.5, height - 0.5)).opts(
        cmap=list(Inferno256), clim=(0, 1), clipping_colors={"NaN": style.background}
    )
    frame = hv.Curve(tuple(_frame(maps, head, query).values())).opts(
        color=style.categories[0], line_width=2.5
    )
    return hv.Overlay([image, frame]).opts(
        hv.opts.Overlay(**image_options(picture.shape), show_legend=False)
    )

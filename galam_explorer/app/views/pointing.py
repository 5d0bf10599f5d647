"""What the pointer does on the sky map: geometry, and the card under it."""

from __future__ import annotations

import numpy as np

from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.data import SurveyData
from galam_explorer.app.views.base import escape

__all__ = ["POINTER", "hover_card", "rows_in_box", "rows_in_polygon"]

POINTER = """
const send = () => {
  fig.galam_timer = null
  const e = fig.galam_event
  const unit = (fig.x_range.end - fig.x_range.start) / Math.max(fig.inner_width, 1)
  pointer.data = e === null ? {x: [NaN], y: [NaN], sx: [0], sy: [0], unit: [unit]}
    : {x: [e.x], y: [e.y], sx: [e.sx], sy: [e.sy], unit: [unit]}
}
fig.galam_event = cb_obj.event_name === 'mouseleave' ? null : cb_obj
if (!fig.galam_timer) { fig.galam_timer = setTimeout(send, 70) }
"""
"""Tells Python where the pointer rests, at most every 70 ms."""


def rows_in_box(x: np.ndarray, y: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Rows with ``x0 <= x <= x1`` and ``y0 <= y <= y1``; NaN is outside."""
    x0, x1, y0, y1 = box
    return np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))


def rows_in_polygon(x: np.ndarray, y: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Rows inside a drawn polygon, shape (k, 2); NaN is outside."""
    import shapely

    if len(vertices) < 3:
        return np.array([], dtype=int)
    polygon = shapely.make_valid(shapely.Polygon(vertices))
    shapely.prepare(polygon)
    rows = rows_in_box(x, y, (*_extent(vertices[:, 0]), *_extent(vertices[:, 1])))
    return rows[shapely.contains_xy(polygon, x[rows], y[rows])]


def _extent(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def hover_card(data: SurveyData, row: int, sx: float, sy: float, said: str = "") -> str:
    """Cutout and key facts of a galaxy, placed at a point of the map.

    Parameters
    ----------
    data : SurveyData
    row : int
        Catalogue row.
    sx, sy : float
        Where the pointer is, px from the figure's upper left corner.
    said : str
        One more fact.

    Returns
    -------
    str
        Markup.
    """
    galaxy_id = str(data.ids[row])
    uri = data.thumbnail(galaxy_id, 48)
    image = f'<img src="{uri}" width="96" alt="">' if uri else "<i>no image</i>"
    facts = []
    for name in ("z", "sn_r", "petro_mag_r"):
        if name in data.catalog:
            column = COLUMNS[name]
            facts.append(f"{column.label} {column.text(float(data.catalog[name].iat[row]))}")
    more = f"<div>{escape(said)}</div>" if said else ""
    shift_x = "calc(-100% - 14px)" if sx > 280 else "14px"
    shift_y = "calc(-100% - 8px)" if sy > 150 else "8px"
    return (
        f'<div class="g" style="position:absolute;left:{sx:.0f}px;top:{sy:.0f}px;'
        f"transform:translate({shift_x},{shift_y});background:var(--paper);"
        "border:1px solid var(--line);border-radius:8px;padding:6px;width:max-content;"
        f'box-shadow:0 4px 14px rgba(0,0,0,.25);font-size:12px">{image}'
        f"<div><b>{escape(galaxy_id)}</b></div><div class='soft'>"
        f"{escape(' · '.join(facts))}</div>{more}</div>"
    )

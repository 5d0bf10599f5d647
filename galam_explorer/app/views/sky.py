"""View 1: the sky map. A tap picks the nearest galaxy, box and lasso a set."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import RangesUpdate, SelectionGeometry, Tap
from bokeh.models import ColumnDataSource, CustomJS

from galam_explorer.app.code import sky_code
from galam_explorer.app.colours import SkyColours
from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.live import DRAWING, LiveFigure
from galam_explorer.app.views.base import View, empty_card, html_pane
from galam_explorer.app.views.pointing import (
    POINTER,
    hover_card,
    rows_in_box,
    rows_in_polygon,
)
from galam_explorer.app.views.sky_controls import SkyControls
from galam_explorer.evaluate.figures import sky as fig
from galam_explorer.records import Galaxy

__all__ = ["SkyMap"]

_SHADED, _COHORT, _CURRENT = 4, 6, 7
_PICK_RADIUS_PX = 14.0


class SkyMap(View):
    """Where the galaxies are."""

    title = "Sky map"
    slug = "sky"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self.view = fig.SkyView(centre=state.centre)
        self._project()
        self._live: LiveFigure | None = None
        self._shaded: tuple[float, ...] = ()
        self._shader: fig.Shader | None = None
        self._pointed: int | None = None
        self.pointed: Callable[[str], None] = lambda _galaxy_id: None
        """Called with the id of a galaxy that the pointer has come upon."""
        self._card = html_pane(width=1, height=1, sizing_mode="fixed", styles=_OVER)
        self.colours = SkyColours(state, self._coloured)
        self._controls = SkyControls(state, self.menu())
        if state.data is not None and state.data.located.any():
            self._live = LiveFigure(self._first, "sky", self._connect, like=self._like())
            self.show(None)
            body = pn.Column(
                self._live.pane,
                self._card,
                sizing_mode="stretch_both",
                styles={"position": "relative", "overflow": "hidden"},
            )
        else:
            text = (
                "None of these galaxies has coordinates, so there is no map. "
                "They are all in the table below."
            )
            body = html_pane(empty_card("No positions", text), sizing_mode="stretch_both")
        controls = self._controls
        self._layout = pn.Column(
            controls.bar, controls.progress, body, controls.caption, sizing_mode="stretch_both"
        )
        self.watch(self._on_colour, "color_by")
        self.watch(self._on_model, "model", "model_id", "model_state")
        self.watch(self._on_view, "zoomed", "centre")
        self.watch(self._on_cohort, "cohort")
        self.watch(self._on_fates, "fates")
        self.colours.ask()
        self._summarise()

    # -- drawing -----------------------------------------------------------------

    def _project(self) -> None:
        data = self.state.data
        if data is None:
            self.x = self.y = np.array([])
        else:
            self.x, self.y = self.view.project(data.ra, data.dec)

    def _cohort_rows(self) -> np.ndarray:
        survey = self.state.data.survey
        return np.array([survey.row(one) for one in self.state.cohort], dtype=int)

    def element(self) -> hv.Overlay:
        return self._draw(self.state.row, self._cohort_rows())

    def _draw(self, row: int | None, cohort: np.ndarray) -> hv.Overlay:
        data, found = self.state.data, self.colours.current()
        with DRAWING:
            return fig.sky_figure(
                data.ra,
                data.dec,
                found.values,
                found.label,
                centred=found.centred,
                view=self.view,
                current=row,
                cohort=cohort,
                dark=self.state.dark,
            )

    def _first(self) -> hv.Overlay:
        """As a page begins: nothing is chosen yet."""
        return self._draw(None, self._cohort_rows())

    def _like(self) -> Hashable:
        """What a first map depends on; None where it can be nobody else's."""
        state, data = self.state, self.state.data
        if state.color_by not in COLUMNS or state.cohort or len(data) > fig.POINT_LIMIT:
            return None
        return (
            "sky",
            data.source,
            data.fingerprint,
            state.color_by,
            state.centre,
            state.dark,
        )

    def _redraw(self) -> None:
        self._shader = None
        if self._live is not None:
            self._live.redraw(self.element())
        self._summarise()

    def recolour(self) -> None:
        self._redraw()

    def show(self, galaxy: Galaxy | None) -> None:
        if self._live is None:
            return
        row = self.state.row
        if self.view.kind == "tangent" and row is not None and not self._in_view(row):
            self._zoom_to(row)
            self._redraw()
        else:
            rows = [] if row is None else [row]
            self._live.update_layer(_CURRENT, fig.rows_source(self.x, self.y, rows))
        self._summarise()

    def _in_view(self, row: int) -> bool:
        x, y, r = self.x[row], self.y[row], self.view.radius
        return bool(np.isfinite(x) and abs(x) <= r and abs(y) <= r)

    def _zoom_to(self, row: int) -> None:
        data = self.state.data
        if data.located[row]:
            self.view = fig.SkyView("tangent", ra=float(data.ra[row]), dec=float(data.dec[row]))
            self._project()

    def _on_colour(self, *_events: Any) -> None:
        self.colours.ask()
        self._controls.offer()
        self._redraw()

    def _on_model(self, *_events: Any) -> None:
        self._controls.offer()
        if self.colours.residual is not None:
            self.colours.ask()
            self._redraw()

    def _coloured(self) -> None:
        """There is news of the colours: they are there, they cannot be, or how far they are."""
        if self.colours.waiting:
            self._summarise()
        else:
            self._redraw()

    def _on_view(self, *_events: Any) -> None:
        row = self.state.row
        if self.state.zoomed and row is not None and self.state.data.located[row]:
            self._zoom_to(row)
        else:
            self.view = fig.SkyView(centre=self.state.centre)
            self._project()
        self._redraw()

    def _on_fates(self, *_events: Any) -> None:
        self._controls.offer()
        if self.state.color_by == "status":
            self._redraw()

    def _on_cohort(self, *_events: Any) -> None:
        if self._live is not None:
            columns = fig.rows_source(self.x, self.y, self._cohort_rows())
            self._live.update_layer(_COHORT, columns)
        self._summarise()

    def _summarise(self) -> None:
        self._controls.follow(self.view, self.colours)

    # -- pointing ------------------------------------------------------------------

    def _connect(self, figure: Any) -> None:
        pointer = ColumnDataSource({"x": [math.nan], "y": [0], "sx": [0], "sy": [0], "unit": [1]})
        code = CustomJS(args={"fig": figure, "pointer": pointer}, code=POINTER)
        for event in ("mousemove", "mouseleave"):
            figure.js_on_event(event, code)
        pointer.on_change("data", lambda _attr, _old, new: self._hover(new))
        figure.on_event(Tap, self._tap)
        figure.on_event(SelectionGeometry, self._brush)
        if int(np.isfinite(self.x).sum()) > fig.POINT_LIMIT:
            figure.on_event(RangesUpdate, self._ranged)

    def _ranged(self, event: RangesUpdate) -> None:
        """Shade again after a pan or zoom, at the resolution of the screen."""
        figure = self._live.figure
        limits = (event.x0, event.x1, event.y0, event.y1)
        if limits == self._shaded or None in limits:
            return
        self._shaded = limits
        try:
            size = (int(figure.inner_width), int(figure.inner_height))
        except UnsetValueError:  # The browser has not told them yet.
            size = (640, 320)
        pixels = self._current_shader().shade(limits, size)
        self._live.update_layer(_SHADED, fig.shade_source(pixels, limits))

    def _current_shader(self) -> fig.Shader:
        """Kept from one pan to the next: to colour a million galaxies takes a while."""
        if self._shader is None:
            found = self.colours.current()
            self._shader = fig.Shader(self.x, self.y, found.values, self.state.dark, found.centred)
        return self._shader

    def nearest_row(self, x: float, y: float, within: float = math.inf) -> tuple[int | None, float]:
        """Row of the drawn galaxy nearest to a point, and its distance in plot units."""
        # Few are within reach of the pointer; distances to all of a million take a while.
        rows = np.flatnonzero(np.abs(self.x - x) <= within)
        squared = (self.x[rows] - x) ** 2 + (self.y[rows] - y) ** 2
        if not np.isfinite(squared).any():
            return None, math.inf
        first = int(np.nanargmin(squared))
        return int(rows[first]), math.sqrt(squared[first])

    def _tap(self, event: Tap) -> None:
        if event.x is None or event.y is None:
            return
        row, _ = self.nearest_row(event.x, event.y)
        if row is not None:
            self.state.select(str(self.state.data.ids[row]))

    def _brush(self, event: SelectionGeometry) -> None:
        if not event.final:
            return
        geometry = event.geometry
        if geometry["type"] == "rect":
            xs = sorted((geometry["x0"], geometry["x1"]))
            ys = sorted((geometry["y0"], geometry["y1"]))
            rows = rows_in_box(self.x, self.y, (*xs, *ys))
        elif geometry["type"] == "poly":
            rows = rows_in_polygon(self.x, self.y, np.column_stack([geometry["x"], geometry["y"]]))
        else:
            return
        self.state.set_cohort(self.state.data.ids[rows].tolist())

    def _hover(self, new: dict[str, Any]) -> None:
        x, y, unit = new["x"][0], new["y"][0], float(new["unit"][0])
        reach = _PICK_RADIUS_PX * unit
        row, distance = (None, math.inf)
        if x is not None and np.isfinite(x):
            row, distance = self.nearest_row(float(x), float(y), reach)
        if row is None or distance > reach:
            if self._card.object:
                self._card.object = ""
            return
        if row != self._pointed:
            self._pointed = row
            self.pointed(str(self.state.data.ids[row]))
        place = float(new["sx"][0]), float(new["sy"][0])
        self._card.object = hover_card(self.state.data, row, *place, self._said(row))

    def _said(self, row: int) -> str:
        """The value that a galaxy is coloured by, where its card does not say it anyway."""
        if self.state.color_by in ("z", "sn_r", "petro_mag_r"):
            return ""
        found = self.colours.current()
        value = found.values[row]
        if isinstance(value, str):
            return value
        if not np.isfinite(value):
            return f"{found.label}: unknown"
        return f"{found.label}: {value:+.2f}" if found.centred else f"{found.label}: {value:.2f}"

    # -- export --------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return ["sky"]

    def file_stem(self) -> str:
        return f"sky-{self.state.survey_id}"

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        data, state = self.state.data, self.state
        frame, found = data.catalog[["id", "ra", "dec"]].copy(), self.colours.current()
        frame[state.color_by] = found.values
        frame["in_set"] = frame["id"].isin(set(state.cohort))
        about = {"ra": ("deg", COLUMNS["ra"].definition), "dec": ("deg", COLUMNS["dec"].definition)}
        if found.centred:
            about[state.color_by] = ("dex", f"{found.label}; {self.colours.note()}")
        return frame, about

    def code(self) -> str:
        state = self.state
        return sky_code(
            state.data.source, state.color_by, repr(self.view), state.galaxy_id, state.cohort,
            self.colours.residual, state.model_source,
        )  # fmt: skip


_OVER = {"position": "absolute", "left": "0", "top": "0", "pointer-events": "none", "z-index": "5"}

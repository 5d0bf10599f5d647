"""View 7: predictions of the whole survey against label or truth, by S/N and by set."""

from __future__ import annotations

from functools import partial
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel_material_ui as pmui
from bokeh.events import SelectionGeometry, Tap

from galam_explorer.app.background import Progress, compute
from galam_explorer.app.colours import RESIDUALS, Residual
from galam_explorer.app.drawing import DRAWING, KEPT
from galam_explorer.app.live import LiveFigure
from galam_explorer.app.population import SETS, Population, load_population, population_code
from galam_explorer.app.views.base import View, empty_card, html_pane, icon_button
from galam_explorer.app.views.pointing import rows_in_box, rows_in_polygon
from galam_explorer.app.views.population_layout import COVER, arrange_population, share_of_row
from galam_explorer.app.views.population_parts import (
    MODELS,
    PLACES,
    REFERENCES,
    Choice,
    Points,
    apart_html,
    blank,
    draw,
    facts_html,
    makers,
    places,
    table,
    worst,
)
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures import population as fig
from galam_explorer.records import Galaxy

__all__ = ["PopulationView"]

_QUANTITIES = {"age": "log_age", "[M/H]": "m_h"}
_RIGHT = ("Signal-to-noise", "Sets and coverage")
_COHORT, _CURRENT = 2, 3


class PopulationView(View):
    """All galaxies at once; a brush chooses a set, a tap a galaxy."""

    title = "Population"
    slug = "population"
    columns = 2

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._found: Population | None = None
        self._key: tuple[Any, ...] = ()
        self._filling = False
        self._points: Points = {}
        self._figures = {
            place: LiveFigure(
                blank, f"population-{place.replace(' ', '-')}", partial(self._connect, place),
                like="population-blank",
            )
            for place in PLACES
        }  # fmt: skip
        self._build()
        self.watch(self._on_cohort, "cohort")

    def _build(self) -> None:
        small = {"size": "small", "margin": 0}
        self._model = pmui.Select(label="Model", options=[], **share_of_row(105), **small)
        self._quantity = pmui.RadioButtonGroup(
            options=_QUANTITIES, value="log_age", color="primary", variant="outlined", **small
        )
        self._against = pmui.Select(label="Against", options=[], **share_of_row(130), **small)
        self._set = pmui.Select(label="Galaxies", options=[], **share_of_row(135), **small)
        self._clip = pmui.Checkbox(label="clipped as published", value=False, **small)
        self._right = pmui.RadioButtonGroup(
            options=list(_RIGHT), value=_RIGHT[0], color="primary", variant="outlined", **small
        )
        for widget in (self._model, self._quantity, self._against, self._set, self._clip,
                       self._right):  # fmt: skip
            widget.param.watch(lambda _e: self._draw(), "value")
        self._paint = icon_button(
            "palette", "Colour the sky map by this residual", lambda _e: self._colour_map()
        )
        self._facts = html_pane(styles={"flex": "0 0 auto", "padding": "4px 0"})
        self._worst = pmui.Button(
            label="Take the worst", icon="crisis_alert", on_click=lambda _e: self.take_worst(),
            variant="outlined", color="primary", **small,
        )  # fmt: skip
        self._apart = html_pane(styles={"flex": "0 0 auto"})
        self._cover = html_pane(styles=COVER, sizing_mode="stretch_both")
        self._busy = pmui.LinearProgress(
            variant="indeterminate", visible=False, margin=0, sizing_mode="stretch_width",
            styles={"position": "absolute", "top": "0", "left": "0", "z-index": "5"},
        )  # fmt: skip
        self._layout = arrange_population(
            {place: live.pane for place, live in self._figures.items()},
            [self._model, self._quantity, self._against, self._set, self.menu()],
            self._facts,
            [self._right, self._worst, self._clip, self._paint],
            [self._apart, self._busy],
            self._cover,
        )
        self._say("No model", "Choose a model above to see how its predictions fare.")

    # -- data ----------------------------------------------------------------------

    def show(self, galaxy: Galaxy | None) -> None:
        state = self.state
        model = state.model
        if model is None or state.data is None:
            waits = state.model_state in ("waiting", "loading")
            why = state.model_problem or "Choose a model above."
            self._found, self._key = None, ()
            self._say("Loading the model" if waits else "No model", "" if waits else why)
            return
        key = (state.data.source, model.hash)
        if key != self._key:
            self._key, self._found = key, None
            self._busy.param.update(visible=True, variant="indeterminate")
            self._say(
                "Predicting the survey", "This takes a moment, once for each survey and model."
            )
            data = state.data
            tell = Progress(state, lambda *far: self._progress(key, *far))
            compute(
                state, "population", lambda: load_population(data, model, tell), self._came,
                self._failed, slow=True,
            )  # fmt: skip
        elif self._found is not None:
            self._mark()

    def _progress(self, key: tuple[Any, ...], done: int, total: int) -> None:
        if self._key == key and self._found is None:
            self._busy.param.update(variant="determinate", value=int(100 * done / max(total, 1)))
            self._say(
                "Predicting the survey",
                f"{done:,} of {total:,} galaxies. This is kept for the next time.",
            )

    def _came(self, found: Population) -> None:
        self._found = found
        self._busy.visible = False
        known = {MODELS.get(name, name): name for name in found.predictors}
        counts = found.counts()
        sets = {f"{SETS[name]} ({n:,})": name for name, n in counts.items()}
        sets[f"all ({sum(counts.values()):,})"] = "all"
        usual = self.state.residual_model
        first = usual if usual in found.predictors else found.predictors[0]
        against = {REFERENCES[name]: name for name in found.references}
        # One drawing for all of them.
        self._filling = True
        for widget, options, value in (
            (self._model, known, first),
            (self._against, against, next(iter(against.values()))),
            (self._set, sets, next(iter(sets.values()))),
        ):
            keep = widget.value if widget.value in options.values() else value
            widget.param.update(options=options, value=keep)
        self._filling = False
        self._cover.visible = False
        self._draw()

    def _failed(self, error: Exception) -> None:
        self._busy.visible, self._key = False, ()
        self._say("No predictions", str(error))

    def _say(self, title: str, text: str) -> None:
        self._cover.object = empty_card(title, text)
        self._cover.visible = True

    # -- drawing -------------------------------------------------------------------

    def _choice(self) -> Choice:
        return Choice(
            self._model.value, self._quantity.value, self._against.value, self._set.value,
            bool(self._clip.value), self._right.value == _RIGHT[0],
        )  # fmt: skip

    def _elements(self) -> dict[str, hv.Overlay]:
        """The four figures as they are exported, with words."""
        state = self.state
        rows = np.array([state.data.survey.row(one) for one in state.cohort], int)
        return draw(self._found, self._choice(), rows, state.row, state.dark, words=True)

    def _draw(self) -> None:
        chosen = self._model.value and self._against.value
        if self._found is None or self._filling or not chosen:
            return
        found, choice, dark = self._found, self._choice(), self.state.dark
        kept = bool(found.key) and len(found.ids) <= KEPT
        for place, make in makers(found, choice, dark).items():
            like = (place, *found.key, choice, dark) if kept else None
            self._figures[place].redraw(make, like)
        self._points = places(found, choice)
        self._mark()
        self._facts.object = facts_html(self._found, self._choice())
        self._tell_apart()
        self._paint.disabled = self._residual() is None

    def _connect(self, place: str, figure: Any) -> None:
        figure.on_event(Tap, partial(self._tap, place))
        figure.on_event(SelectionGeometry, partial(self._brush, place))

    def _residual(self) -> Residual | None:
        """What the map can be coloured by to show these residuals."""
        choice = self._choice()
        wanted = Residual(choice.model, choice.against, choice.quantity)
        return wanted if wanted in RESIDUALS.values() else None

    def _colour_map(self) -> None:
        found = None if self._found is None else self._residual()
        if found is not None:
            self.state.color_by = found.name

    def recolour(self) -> None:
        self._draw()

    # -- marking and pointing ------------------------------------------------------

    def take_worst(self) -> None:
        """Choose the galaxies with the largest residuals, and open the first of them."""
        if self._found is None or not self._model.value:
            return
        ids = [str(one) for one in self._found.ids[worst(self._found, self._choice())]]
        self.state.set_cohort(ids)
        if ids:
            self.state.select(ids[0])

    def _tell_apart(self) -> None:
        data = self.state.data
        rows = np.array([data.survey.row(one) for one in self.state.cohort], int)
        self._apart.object = apart_html(self._found, self._choice(), data.catalog, rows)

    def _on_cohort(self, *_events: Any) -> None:
        self._mark()
        if self._found is not None and self._model.value and self._against.value:
            self._tell_apart()

    def _mark(self) -> None:
        """Move the rings."""
        if self._found is None:
            return
        rows = [self.state.data.survey.row(one) for one in self.state.cohort]
        current = [] if self.state.row is None else [self.state.row]
        for place, (x, y) in self._points.items():
            live = self._figures[place]
            live.update_layer(_COHORT, fig.rings_source(x, y, rows))
            live.update_layer(_CURRENT, fig.rings_source(x, y, current))

    def _tap(self, place: str, event: Tap) -> None:
        if event.x is None or event.y is None or place not in self._points:
            return
        x, y = self._points[place]
        figure = self._figures[place].figure
        width = float(figure.x_range.end - figure.x_range.start) or 1.0
        height = float(figure.y_range.end - figure.y_range.start) or 1.0
        distance = ((x - event.x) / width) ** 2 + ((y - event.y) / height) ** 2
        if np.isfinite(distance).any():
            self.state.select(str(self._found.ids[int(np.nanargmin(distance))]))

    def _brush(self, place: str, event: SelectionGeometry) -> None:
        if not event.final or place not in self._points:
            return
        (x, y), shape = self._points[place], event.geometry
        if shape["type"] == "rect":
            box = (*sorted((shape["x0"], shape["x1"])), *sorted((shape["y0"], shape["y1"])))
            rows = rows_in_box(x, y, box)
        elif shape["type"] == "poly":
            rows = rows_in_polygon(x, y, np.column_stack([shape["x"], shape["y"]]))
        else:
            return
        self.state.set_cohort(self._found.ids[rows].tolist())

    # -- export --------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return [live.name for live in self._figures.values()]

    def file_stem(self) -> str:
        return f"population-{self.state.survey_id}-{self._model.value or 'none'}"

    def _require(self) -> None:
        if self._found is None:
            raise GalamError("there are no predictions yet", "population", "choose a model")

    def element(self) -> hv.Layout:
        self._require()
        with DRAWING:
            return fig.layout(list(self._elements().values()), columns=2)

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        self._require()
        return table(self._found, self._choice())

    def code(self) -> str:
        self._require()
        return population_code(
            self.state.data.source, self.state.model_source, self._model.value,
            self._quantity.value, self._against.value, self._set.value, bool(self._clip.value),
        )  # fmt: skip

"""The path of a galaxy over residual and S/N, part of the what-if view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.background import compute
from galam_explorer.app.drawing import KEPT
from galam_explorer.app.live import LiveFigure
from galam_explorer.app.population import SETS, Population, load_population
from galam_explorer.app.views.base import bar, escape, html_pane
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures.whatif import PREDICTOR_NAMES, Against
from galam_explorer.evaluate.figures.whatif_path import path_figure, path_sources
from galam_explorer.evaluate.predict_survey import saved_predictions
from galam_explorer.evaluate.whatif import Outcome, WhatIf, observed_sn
from galam_explorer.evaluate.whatif_sweep import path_table, sweep
from galam_explorer.records import Galaxy

__all__ = ["DRAWS", "TracePanel"]

DRAWS = 4
"""Noise patterns of each step of a path along S/N."""
_KNOBS = {"sn": "S/N", "image_scale": "image size", "ellipse_scale": "ellipse scale"}
_REFERENCES = {"simulated truth": "truth", "pPXF label": "label"}
_NONE = path_table([])


class TracePanel(pn.viewable.Viewer):
    """Where the networks' residuals go while a galaxy is altered, and the button that sweeps.

    Parameters
    ----------
    state : ExplorerState
    remembering : callable
        Makes the ``remember`` of `galam_explorer.evaluate.whatif.what_ifs`.
    """

    def __init__(self, state: Any, remembering: Any) -> None:
        super().__init__()
        self.state, self._remembering = state, remembering
        self._galaxy: Galaxy | None = None
        self._outcomes: tuple[Outcome, ...] = ()
        self._against: Mapping[str, Against] = {}
        self.swept: pd.DataFrame | None = None
        self.asked: tuple[str, WhatIf, int] | None = None
        self._population: Population | None = None
        self._of: tuple[str, str] = ("", "")
        self._filling = False
        self._make()
        self._drawn: tuple[Any, ...] = self._fixed()
        self.figure = LiveFigure(self._element, "whatif-path", like=self._drawn)
        self._layout = pn.Column(
            bar(self._title, self._quantity, self._predictor, self._knob, self.button,
                styles={"flex-wrap": "wrap", "padding": "4px 0 0"}),
            pn.Column(self.figure.pane, sizing_mode="stretch_both", styles=_SHRINK),
            bar(self._note, self.behind),
            sizing_mode="stretch_both", styles={**_SHRINK, "flex": "1.5 1 0"},
        )  # fmt: skip

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout

    def _make(self) -> None:
        small = {"size": "small", "margin": 0}
        self._quantity = pmui.RadioButtonGroup(
            options={"age": "log_age", "[M/H]": "m_h"}, value="log_age", color="primary",
            variant="outlined", **small,
        )  # fmt: skip
        self._predictor = pmui.Select(
            label="Intervals of", options={}, width=152, variant="outlined", **small
        )
        self._knob = pmui.Select(label="Along", options={}, width=130, variant="outlined", **small)
        self.button = pmui.Button(
            label="Sweep", icon="timeline", variant="contained", on_click=lambda _e: self.sweep(),
            **small,
        )  # fmt: skip
        self.behind = pmui.Button(
            label="Draw the survey behind (predicts it first)", variant="text", visible=False,
            on_click=lambda _e: self._want_population(make=True), **small,
        )  # fmt: skip
        self._title = html_pane('<div class="g"><b style="font-size:12px">Path</b></div>',
                                sizing_mode=None)  # fmt: skip
        self._note = html_pane(styles={"min-width": "0"})
        for widget in (self._quantity, self._predictor, self._knob):
            widget.param.watch(self._chosen, "value")

    # -- what is shown ---------------------------------------------------------------

    @property
    def knob(self) -> str:
        """Key of `galam_explorer.evaluate.whatif_sweep.KNOBS`."""
        return self._knob.value or "sn"

    @property
    def predictor(self) -> str:
        """Whose intervals are drawn."""
        return self._predictor.value or "m4"

    def forget(self) -> None:
        """Another galaxy or model: no path has been traced."""
        self.swept = self.asked = None
        self._outcomes = ()

    def show(
        self,
        galaxy: Galaxy | None,
        before: Outcome | None,
        after: Outcome | None,
        against: Mapping[str, Against],
    ) -> None:
        """Draw the path from `before` to `after`, or the traced one with the present place."""
        self._galaxy, self._against = galaxy, against
        self._outcomes = () if before is None or after is None else (before, after)
        if self.asked is not None and after is not None:
            knob, base, _ = self.asked
            if self._rest(after.what, knob) != self._rest(base, knob):
                # Something else was changed: the traced path is of another galaxy.
                self.swept = self.asked = None
        self._offer()
        self._want_population()
        self.draw()

    @staticmethod
    def _rest(what: WhatIf, knob: str) -> WhatIf:
        """A change without that of one knob."""
        return what.replace(**{knob: getattr(WhatIf(), knob)})

    def _offer(self) -> None:
        """Knobs that this galaxy has, and predictors that this model has."""
        galaxy, model = self._galaxy, self.state.model
        knobs = []
        if galaxy is not None and np.isfinite(observed_sn(galaxy)):
            knobs.append("sn")
        if galaxy is not None and galaxy.cutout is not None:
            knobs += ["image_scale", "ellipse_scale"]
        names = [key for key in PREDICTOR_NAMES if key in getattr(model, "predictors", ())]
        self._filling = True
        for widget, keys, texts, first in (
            (self._knob, knobs, _KNOBS, "sn"),
            (self._predictor, names, PREDICTOR_NAMES, "m1" if "sn" in knobs else "m4"),
        ):
            options = {texts[key]: key for key in keys}
            if widget.options != options or widget.value not in keys:
                usual = first if first in keys else next(iter(keys), None)
                value = widget.value if widget.value in keys else usual
                widget.param.update(options=options, value=value)
        self._filling = False
        self.button.disabled = not knobs or not self._outcomes

    def _chosen(self, event: Any) -> None:
        if self._filling:
            return
        if event.obj is self._knob:
            self.swept = self.asked = None
        self.draw()

    # -- the sweep -------------------------------------------------------------------

    def sweep(self) -> None:
        """Trace the path along the chosen knob in the background."""
        galaxy, model = self._galaxy, self.state.model
        if galaxy is None or model is None or not self._outcomes:
            return
        knob, base = self.knob, self._outcomes[1].what
        draws = DRAWS if knob == "sn" else 1
        remember, wanted = self._remembering(), (galaxy.id, model.hash)
        self.button.disabled = True

        def came(table: pd.DataFrame) -> None:
            self.button.disabled = False
            now = self._galaxy
            if now is None or (now.id, getattr(self.state.model, "hash", "")) != wanted:
                return
            if self.knob == knob:
                self.swept, self.asked = table, (knob, base, draws)
                self.draw()

        def failed(error: GalamError) -> None:
            self.button.disabled = False
            self.state.notify("error", error)

        compute(
            self.state, "whatif-sweep",
            lambda: sweep(model, galaxy, knob, base=base, draws=draws, remember=remember),
            came, failed,
        )  # fmt: skip

    # -- the population behind it ----------------------------------------------------

    def _want_population(self, make: bool = False) -> None:
        """Take the survey's predictions if they were made before, or make them."""
        data, model = self.state.data, self.state.model
        if data is None or model is None:
            return
        key = (data.source, model.hash)
        if key == self._of and not make:
            return
        self._of, self._population = key, None
        self.behind.visible = False

        def work() -> Population | None:
            if not make and saved_predictions(model, data.survey) is None:
                return None
            return load_population(data, model)

        def came(found: Population | None) -> None:
            if self._of == key:
                self._population = found
                self.behind.visible = found is None
                self.draw()

        def failed(error: GalamError) -> None:
            if make:
                self.state.notify("error", error)

        compute(self.state, "whatif-population", work, came, failed)

    def _set(self) -> str:
        """Galaxies that the training has not seen, if there are any."""
        found = self._population
        return "test" if found is not None and "test" in found.counts() else "all"

    def clouds(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """S/N and residual of the survey's galaxies by quantity; empty where unknown."""
        found, clouds = self._population, {}
        for quantity, against in self._against.items():
            reference = _REFERENCES.get(against.name, "")
            if found is None or reference not in found.references:
                continue
            if self.predictor in found.predictors:
                predicted = found.predicted(self.predictor, quantity, self._set())
                clouds[quantity] = found.sn_r, predicted - found.reference(reference, quantity)
        return clouds

    # -- drawing ---------------------------------------------------------------------

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the figure's functions take."""
        quantity, now = self._quantity.value, None
        path = path_table(self._outcomes, self.knob) if self._outcomes else _NONE
        if self.swept is not None:
            now = path_table(self._outcomes[1:], self.knob)
            path = self.swept
        against = self._against.get(quantity, Against())
        # While the answer is awaited the path is empty and does not say along what it goes.
        cloud = self.clouds().get(quantity) if self.knob == "sn" else None
        # Lines of all predictors of the model: a figure serves every galaxy then.
        keys = getattr(self.state.model, "predictors", ())
        return (path, quantity, self.predictor, against, cloud), {"now": now, "keys": keys}

    def _element(self) -> hv.Overlay:
        arguments, options = self._arguments()
        return path_figure(*arguments, **options, legend=False, dark=self.state.dark)

    def draw(self) -> None:
        """Bring the figure to what is known."""
        arguments, options = self._arguments()
        *_, against, cloud = arguments
        fixed = self._fixed()
        if fixed != self._drawn:
            self._drawn = fixed
            shared = cloud is None or (self._population.key and len(cloud[0]) <= KEPT)
            self.figure.redraw(self._element, fixed if shared else None)
        self.figure.update(*path_sources(*arguments, **options, dark=self.state.dark))
        self._note.object = self._words(cloud, against)

    def _fixed(self) -> tuple[Any, ...]:
        """What a figure has for good: layers, words of the axis, the galaxies behind."""
        (_, quantity, predictor, against, cloud), options = self._arguments()
        behind = None if cloud is None else (*self._population.key, self._set())
        return ("path", quantity, predictor, against.name, tuple(options["keys"]), self.knob,
                behind, self.state.dark)  # fmt: skip

    def _words(self, cloud: Any, against: Against) -> str:
        marks = f"Δ from the {against.name}; " if against.name else ""
        marks += "circle: start, square: end"
        if self.swept is not None:
            marks += ", diamond: now"
            marks += "; dots: other noise" if self.knob == "sn" else ""
        if cloud is not None:
            count = int(np.isfinite(cloud[0] + cloud[1]).sum())
            which = SETS["test"] if self._set() == "test" else "galaxies of the survey"
            marks += f"; grey: {count:,} {which}"
        if not against.name and self._outcomes:
            marks += "; no label or truth: the prediction itself is drawn"
        state = "swept" if self.swept is not None else "step"
        return (
            f'<div class="g" data-path="{state}" style="font-size:12px"><span class="soft">'
            f"{escape(marks[:1].upper() + marks[1:])}.</span></div>"
        )


_SHRINK = {"min-width": "0", "min-height": "0"}

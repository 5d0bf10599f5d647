"""View 5: real and simulated spectral features, and the wavelengths that move one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap

from galam_explorer.app.background import compute
from galam_explorer.app.live import DRAWING
from galam_explorer.app.views.base import View, bar, empty_card, html_pane
from galam_explorer.app.views.domain import known_badge
from galam_explorer.app.views.features_text import (
    features_code,
    heading_html,
    lack_text,
    target_html,
)
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.explain import WavelengthGradient, wavelength_gradient
from galam_explorer.evaluate.figures import features as fig
from galam_explorer.evaluate.figures.features_gradient import gradient_figure, gradient_sources
from galam_explorer.evaluate.model import FeatureComparison
from galam_explorer.evaluate.predict_survey import saved_predictions
from galam_explorer.records import Galaxy

__all__ = ["FeaturesView"]

_NAN = float("nan")
_NOTHING = FeatureComparison("", None, None, None, _NAN, _NAN, None, "", "", "no galaxy is chosen")
_EMPTY = (np.empty(0), np.empty(0))
_TARGETS = {"log age": "log_age", "[M/H]": "m_h", "feature": "feature"}


class FeaturesView(View):
    """M1's features beside M2's, their residuals, R² in context, and gradients."""

    title = "Features"
    slug = "features"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._galaxy: Galaxy | None = None
        self.found = _NOTHING
        self.gradient: WavelengthGradient | None = None
        self.feature = 0
        self._survey_r2 = _EMPTY
        self._order = pmui.RadioButtonGroup(
            options={"by number": "number", "by value": "value", "by R²": "r2"}, value="number",
            size="small", margin=0, color="primary", variant="outlined",
        )  # fmt: skip
        self._target = pmui.RadioButtonGroup(
            options=_TARGETS, value="log_age", size="small", margin=0, color="primary",
            variant="outlined",
        )  # fmt: skip
        self._number = pmui.IntInput(
            label="Feature", value=0, start=0, end=1023, size="small", width=110, margin=0
        )
        self._figures = {name: self.live(name, self._connect) for name in _NAMES}
        shared = self._figures["features"].figure.x_range
        self._figures["residual"].figure.x_range = shared
        self._head = html_pane(styles={"min-width": "0"})
        # On a line of its own where the row is short.
        self._about = html_pane(styles={"min-width": "0", "flex": "1 1 280px"})
        self._card, self._no_residual, self._no_gradient, self._no_survey = (
            html_pane(styles=_COVER, sizing_mode="stretch_both") for _ in range(4)
        )
        self._all = pmui.Button(
            label="Predict the whole survey", size="small", variant="outlined", margin=0,
            on_click=self._predict_survey, visible=False,
        )  # fmt: skip
        self._order.param.watch(lambda _e: self._display(), "value")
        self._target.param.watch(lambda _e: self._ask_gradient(), "value")
        self._number.param.watch(lambda e: self.choose(e.new), "value")
        self._layout = self._arrange()

    def _arrange(self) -> pn.Column:
        panes = {name: live.pane for name, live in self._figures.items()}
        curves = pn.Column(
            pn.Column(panes["features"], sizing_mode="stretch_both", styles=_TALL),
            pn.Column(
                panes["residual"], self._no_residual, sizing_mode="stretch_width", styles=_LOW
            ),
            self._card,
            sizing_mode="stretch_both",
            styles={**_SHRINK, "position": "relative"},
        )
        gradient = pn.Column(
            panes["gradient"], self._no_gradient, sizing_mode="stretch_both",
            styles={**_SHRINK, "position": "relative"},
        )  # fmt: skip
        distribution = pn.Column(
            panes["r2"], self._no_survey, sizing_mode="stretch_both",
            styles={**_SHRINK, "position": "relative", "flex": "0 0 34%"},
        )  # fmt: skip
        lower = pn.Row(gradient, distribution, sizing_mode="stretch_width", styles=_LOWER)
        controls = bar(
            self._target,
            self._number,
            self._all,
            self._about,
            styles={"padding-top": "6px", "flex-wrap": "wrap", "row-gap": "2px"},
        )
        return pn.Column(
            bar(self._head, self._order, self.menu()), curves, controls, lower,
            sizing_mode="stretch_both", styles={**_SHRINK, "padding": "10px 14px 8px"},
        )  # fmt: skip

    # -- content -------------------------------------------------------------------

    def show(self, galaxy: Galaxy | None) -> None:
        self._galaxy = galaxy
        self.found, self.gradient = _NOTHING, None
        model = self.state.model
        if galaxy is None or model is None:
            self._display()
            return
        compute(self.state, "features", lambda: model.features(galaxy), self._came, self._failed)
        self._ask_gradient()
        self._ask_survey()

    def _came(self, found: FeatureComparison) -> None:
        if self._galaxy is not None and found.id == self._galaxy.id:
            self.found = found
            self._display()

    def _failed(self, error: GalamError) -> None:
        self.found = FeatureComparison("", None, None, None, _NAN, _NAN, None, "", "", str(error))
        self._display()

    def _ask_gradient(self) -> None:
        galaxy, model = self._galaxy, self.state.model
        if galaxy is None or model is None:
            return
        target = self.feature if self._target.value == "feature" else self._target.value
        compute(
            self.state,
            "wavelength gradient",
            lambda: wavelength_gradient(model, galaxy, target),
            self._gradient_came,
            self._no_gradient_for,
        )

    def _gradient_came(self, found: WavelengthGradient) -> None:
        if self._galaxy is not None and found.id == self._galaxy.id:
            self.gradient = found
            self._show_gradient("")

    def _no_gradient_for(self, error: GalamError) -> None:
        self.gradient = None
        self._show_gradient(error.what)

    def _show_gradient(self, problem: str) -> None:
        z = self._galaxy.z if self._galaxy is not None else _NAN
        self._figures["gradient"].update(*gradient_sources(self.gradient, z))
        self._about.object = target_html(self.gradient)
        self._no_gradient.object = empty_card("No gradient", problem) if problem else ""

    def _ask_survey(self) -> None:
        """R² of every galaxy, where the survey has been predicted."""
        model, survey = self.state.model, self.state.data.survey

        def work() -> Any:
            return saved_predictions(model, survey)

        compute(self.state, "survey features", work, self._survey_came)

    def _predict_survey(self, _event: Any = None) -> None:
        model, survey = self.state.model, self.state.data.survey
        self._all.param.update(disabled=True, label="Predicting…")
        compute(
            self.state,
            "survey features",
            lambda: model.predict(survey, workers=1),
            self._survey_came,
            self._survey_failed,
            slow=True,
        )

    def _survey_failed(self, error: GalamError) -> None:
        self._all.param.update(disabled=False, label="Predict the whole survey")
        self.state.notify("error", error)

    def _survey_came(self, table: pd.DataFrame | None) -> None:
        self._all.param.update(
            visible=table is None, disabled=False, label="Predict the whole survey"
        )
        self._survey_r2 = _EMPTY
        if table is not None:
            self._survey_r2 = (table["m2_r2"].to_numpy(float), table["m2_r2_mean"].to_numpy(float))
        text = "Where this galaxy stands is known once the whole survey has been predicted."
        self._no_survey.object = empty_card("No distribution yet", text) if table is None else ""
        self._figures["r2"].update(*fig.r2_sources(*self._survey_r2, self.found))

    def choose(self, feature: int) -> None:
        """Mark a feature and show which wavelengths move it."""
        self.feature = int(np.clip(feature, 0, 1023))
        if self._number.value != self.feature:
            self._number.value = self.feature
            return
        self._target.value = "feature"
        self._display()
        self._ask_gradient()

    def _connect(self, figure: Any) -> None:
        if figure.name in ("features-features", "features-residual"):
            figure.on_event(Tap, self._tap)

    def _tap(self, event: Tap) -> None:
        if event.x is None or self.found.real is None:
            return
        order = fig.feature_order(self.found, self._order.value)
        self.choose(int(order[int(np.clip(round(event.x), 0, len(order) - 1))]))

    def _chosen(self) -> int | None:
        return self.feature if self._target.value == "feature" else None

    @classmethod
    def blanks(cls, dark: bool) -> dict[str, Callable[[], hv.Overlay]]:
        return {
            "features": lambda: fig.features_figure(_NOTHING, "number", None, dark=dark),
            "residual": lambda: fig.residual_figure(_NOTHING, "number", None, dark=dark),
            "gradient": lambda: gradient_figure(None, _NAN, dark=dark),
            "r2": lambda: fig.r2_figure(*_EMPTY, _NOTHING, dark=dark),
        }

    def _draw(self, name: str) -> hv.Overlay:
        found, dark, order = self.found, self.state.dark, self._order.value
        with DRAWING:
            if name == "features":
                return fig.features_figure(found, order, self._chosen(), dark=dark)
            if name == "residual":
                return fig.residual_figure(found, order, self._chosen(), dark=dark)
            if name == "r2":
                return fig.r2_figure(*self._survey_r2, found, dark=dark)
            z = self._galaxy.z if self._galaxy is not None else _NAN
            return gradient_figure(self.gradient, z, dark=dark)

    def _display(self) -> None:
        found, order, chosen = self.found, self._order.value, self._chosen()
        figures = self._figures
        figures["features"].update(*fig.features_sources(found, order, chosen))
        figures["residual"].update(*fig.residual_sources(found, order, chosen))
        figures["r2"].update(*fig.r2_sources(*self._survey_r2, found))
        flag = known_badge(self.state, self._galaxy)
        self._head.object = heading_html(found, self._galaxy, flag)
        nothing = found.real is None and found.simulated is None
        self._card.object = empty_card("No features", found.reason) if nothing else ""
        lack = lack_text(found)
        self._no_residual.object = empty_card("No residuals", lack) if lack else ""

    def recolour(self) -> None:
        for name, live in self._figures.items():
            live.redraw(self._draw(name))
        self._figures["residual"].figure.x_range = self._figures["features"].figure.x_range

    # -- export --------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return [live.name for live in self._figures.values()]

    def element(self) -> hv.Layout:
        with DRAWING:
            return hv.Layout([self._draw(name) for name in _NAMES]).cols(1).opts(shared_axes=False)

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        found = self.found
        columns = {
            "real": found.real, "simulated": found.simulated, "mean": found.mean,
            "r2": found.feature_r2,
        }  # fmt: skip
        known = {name: one for name, one in columns.items() if one is not None}
        if "real" not in known and "simulated" not in known:
            raise GalamError("there are no features to export", self.state.galaxy_id, found.reason)
        frame = pd.DataFrame({"feature": np.arange(1024), **known})
        return frame, {
            "real": ("", "M1's feature of the spectrum, min-max normalised in the galaxy"),
            "simulated": ("", "M2's feature from the image, clipped at 0"),
            "mean": ("", "Mean normalised feature of training galaxies"),
            "r2": ("", "R2 of the simulated feature across validation galaxies"),
        }

    def code(self) -> str:
        state = self.state
        target = self.feature if self._target.value == "feature" else self._target.value
        return features_code(
            state.data.source, state.galaxy_id, state.model_source, self._order.value, target
        )


_NAMES = ("features", "residual", "gradient", "r2")
_COVER = {"position": "absolute", "inset": "0", "z-index": "4", "pointer-events": "none"}
_SHRINK = {"min-width": "0", "min-height": "0"}
_TALL = {"min-width": "0", "min-height": "100px"}
_LOW = {"min-width": "0", "flex": "0 0 auto", "height": "clamp(112px, 15vh, 140px)",
        "position": "relative"}  # fmt: skip
_LOWER = {"gap": "14px", **_SHRINK, "flex": "0 0 auto", "height": "clamp(190px, 27vh, 270px)"}

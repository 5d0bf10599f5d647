"""The stellar populations of one galaxy: full-spectrum fit, weights, noise draws."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.fitting import (
    FitRequest,
    Fitted,
    fit_code,
    is_loaded,
    known_fit,
    load_then,
    once_loaded,
    saved_fit,
    with_curve,
)
from galam_explorer.app.live import DRAWING
from galam_explorer.app.views.base import View, html_pane, icon_button
from galam_explorer.app.views.fit_controls import START, FitControls
from galam_explorer.app.views.fit_layout import COVERS, arrange_fit, cover
from galam_explorer.app.views.fit_text import (
    curve_card,
    draws_card,
    facts_html,
    fit_table,
    heading_html,
    reason_card,
    true_labels,
)
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures import fit as fit_figures
from galam_explorer.evaluate.figures import fit_grid
from galam_explorer.records import Galaxy, StellarPopulation

__all__ = ["FitView"]

_NOTHING = Fitted(
    "", START, StellarPopulation("not_fitted"), np.array([8.0, 10.0]),
    np.array([-1.0, 0.0]),
)  # fmt: skip


class FitView(View):
    """Full-spectrum fit of the chosen galaxy: saved labels, or a fit made now."""

    title = "Stellar populations"
    slug = "fit"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        # Without a server, results come from another thread while the user chooses.
        self._lock = threading.RLock()
        self._galaxy: Galaxy | None = None
        self._shown = _NOTHING
        self._request: FitRequest | None = None
        self._survey: Any = None
        self._closed = False
        self._controls = FitControls(
            self._refresh, self.fit_now, lambda error: state.notify("error", error)
        )
        self._figures = {name: self.live(name) for name in _NAMES}
        self._figures["residual"].figure.x_range = self._figures["spectrum"].figure.x_range
        self._head = html_pane(styles={"min-width": "0"})
        self._facts = html_pane(styles={"flex": "0 0 auto"})
        self._card, self._no_curve, self._no_draws = (cover() for _ in COVERS)
        self._progress = pmui.LinearProgress(
            variant="indeterminate", visible=False, margin=0, sizing_mode="stretch_width"
        )
        self._stop = icon_button(
            "close", "Stop this fit", lambda _e: self._cancel(tell=True), visible=False
        )
        self._layout = self._arrange()

    def _arrange(self) -> pn.Column:
        controls = self._controls
        return arrange_fit(
            {name: live.pane for name, live in self._figures.items()},
            dict(zip(COVERS, (self._card, self._no_curve, self._no_draws), strict=True)),
            self._facts,
            [self._head, self._stop, controls.follow, controls.button, self.menu()],
            [self._progress, controls],
        )

    def close(self) -> None:
        self._closed = True
        self._cancel()
        super().close()

    # -- which fit -----------------------------------------------------------------

    def show(self, galaxy: Galaxy | None) -> None:
        with self._lock:
            before, self._galaxy = self._galaxy, galaxy
            same = before is not None and galaxy is not None and before.id == galaxy.id
        if same and self.state.data is not None and self.state.data.survey is self._survey:
            # Another model came, say: no reason to end a fit that somebody waits for.
            self._offer()
            return
        self._cancel()
        if is_loaded():
            self._look()
        else:
            self._shown = _NOTHING
            self._display()
            load_then(self.state, once_loaded(self._look), lambda: not self._closed)

    def _look(self) -> None:
        """Find the survey's saved labels, and show the galaxy."""
        if self._closed:
            return
        if self.state.data is not None:
            self._offer()
        # "Fit now" may have come before the templates were read.
        if self._request is None:
            self._refresh()

    def _offer(self) -> None:
        """Let the user choose among the saved labels that there are now."""
        from galam_explorer.labels import saved_labels

        survey = self.state.data.survey
        self._controls.offer(saved_labels(survey), first=survey is not self._survey)
        self._survey = survey

    def _refresh(self) -> None:
        """Show what is known of the chosen galaxy, and fit it if that is wanted."""
        with self._lock:
            self._cancel()
            self._choose()

    def _choose(self) -> None:
        galaxy, data = self._galaxy, self.state.data
        self._shown = _NOTHING
        if galaxy is None or galaxy.spectrum is None or data is None:
            self._display()
            return
        try:
            saved = self._controls.saved
            known = saved_fit(data, *saved, galaxy.id) if saved is not None else None
        except GalamError as error:
            self._failed(error)
            return
        config = self._controls.config
        if known is not None:
            self._shown = known
            if known.population.status == "ok":
                self._fit(saved[1].replace(draws=0))  # the curve, which is not saved
                return
        elif (found := known_fit(data, galaxy.id, config)) is not None:
            self._shown = found
        elif self._controls.follow.value:
            self._fit(config)
            return
        self._display()

    def fit_now(self) -> None:
        """Fit the chosen galaxy with the live parameters."""
        if self._galaxy is None or self._galaxy.spectrum is None:
            return
        with self._lock:
            self._cancel()
            self._controls.go_live()
            self._shown = _NOTHING
            self._fit(self._controls.config)

    def _fit(self, config: Any) -> None:
        data, galaxy = self.state.data, self._galaxy
        found = known_fit(data, galaxy.id, config)
        if found is not None:
            self._arrived(found)
            return
        self._request = FitRequest(
            self.state,
            galaxy,
            config,
            once_loaded(self._arrived),
            once_loaded(self._failed),
            self._tell,
        )
        self._display()

    def _cancel(self, tell: bool = False) -> None:
        with self._lock:
            if self._request is not None:
                self._request.cancel()
                self._request = None
                if tell:
                    self._display()

    def _arrived(self, fitted: Fitted) -> None:
        with self._lock:
            if self._galaxy is None or fitted.galaxy_id != self._galaxy.id:
                return
            self._request, shown = None, self._shown
            if shown.saved and shown.galaxy_id == fitted.galaxy_id:
                fitted = with_curve(shown, fitted)
            self._shown = fitted
            self._display()

    def _failed(self, error: GalamError) -> None:
        with self._lock:
            self._request, galaxy = None, self._galaxy
            if self._shown.saved:
                self.state.notify("warning", f"The saved fit cannot be drawn: {error}")
            elif galaxy is not None:
                population = StellarPopulation("fit_failed", str(error))
                self._shown = replace(_NOTHING, galaxy_id=galaxy.id, population=population)
            self._display()

    def _tell(self, done: int, total: int) -> None:
        self._progress.param.update(variant="determinate", value=int(100 * done / total))

    # -- drawing -------------------------------------------------------------------

    def _labels(self) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
        fit = self._shown.population
        label = (fit.log_age, fit.m_h) if fit.status == "ok" else None
        return label, true_labels(self._galaxy)

    @classmethod
    def blanks(cls, dark: bool) -> dict[str, Callable[[], hv.Overlay]]:
        return {name: partial(_figure, name, _NOTHING, None, None, dark) for name in _NAMES}

    def _draw(self, name: str) -> hv.Overlay:
        with DRAWING:
            return _figure(name, self._shown, *self._labels(), self.state.dark)

    def _display(self) -> None:
        shown, dark = self._shown, self.state.dark
        fit, (label, truth) = shown.population, self._labels()
        figures = self._figures
        figures["spectrum"].update(*fit_figures.fit_sources(fit))
        figures["residual"].update(*fit_figures.residual_sources(fit, shown.error))
        figures["weights"].update(
            *fit_grid.weights_sources(fit.weights, *_grid(shown), label, truth, dark)
        )
        figures["draws"].update(*fit_grid.draws_sources(fit.draws, label, truth))
        waiting = self._request is not None
        self._progress.param.update(visible=waiting, variant="indeterminate")
        self._stop.visible = waiting
        self._facts.object = facts_html(fit, truth) if fit.status == "ok" else ""
        self._card.object = reason_card(fit, self._galaxy, waiting)
        self._no_curve.object = curve_card(fit, waiting)
        self._no_draws.object = draws_card(fit)
        fitting = self._request.config if waiting else None
        self._head.object = heading_html(shown, self._galaxy, fitting)

    def recolour(self) -> None:
        for name, live in self._figures.items():
            live.redraw(self._draw(name))
        self._figures["residual"].figure.x_range = self._figures["spectrum"].figure.x_range

    # -- export --------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return [live.name for live in self._figures.values()]

    def _known(self) -> Fitted:
        if self._shown.population.wavelength is None:
            raise GalamError("there is no fit to export", self.state.galaxy_id, "fit it first")
        return self._shown

    def element(self) -> hv.Layout:
        shown = self._known()
        with DRAWING:
            return fit_figures.population_figure(
                shown.population, shown.log_age, shown.m_h, error=shown.error,
                truth=true_labels(self._galaxy), dark=self.state.dark,
            )  # fmt: skip

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        shown = self._known()
        return fit_table(shown)

    def code(self) -> str:
        return fit_code(self.state.data.source, self._known(), true_labels(self._galaxy))


_NAMES = ("spectrum", "residual", "weights", "draws")
_Pair = tuple[float, float] | None


def _grid(shown: Fitted) -> tuple[np.ndarray, np.ndarray]:
    shown = shown if len(shown.log_age) else _NOTHING
    return shown.log_age, shown.m_h


def _figure(name: str, shown: Fitted, label: _Pair, truth: _Pair, dark: bool) -> hv.Overlay:
    fit = shown.population
    if name == "spectrum":
        return fit_figures.fit_figure(fit, dark=dark)
    if name == "residual":
        return fit_figures.residual_figure(fit, shown.error, dark=dark)
    if name == "weights":
        return fit_grid.weights_figure(fit.weights, *_grid(shown), label, truth, dark=dark)
    return fit_grid.draws_figure(fit.draws, label, truth, dark=dark)

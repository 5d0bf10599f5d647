"""The four-model strip: every network's value beside the label and the simulated truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn

from galam_explorer.app.background import Task
from galam_explorer.app.code import strip_code
from galam_explorer.app.live import DRAWING, LiveFigure
from galam_explorer.app.predicting import (
    Judgement,
    begin_judging,
    judge,
    known_judgement,
    truth_of,
)
from galam_explorer.app.preload import preloaded
from galam_explorer.app.views.base import View, bar, escape, html_pane
from galam_explorer.app.views.domain import domain_badge
from galam_explorer.evaluate.figures import predictions as fig
from galam_explorer.records import Galaxy

__all__ = ["StripPanel", "image_prediction_html", "verdict_html"]

_NOTHING = Judgement("")
_PATIENCE_S = 0.06
"""How long the page waits for running networks; usually they need a third of it."""
_SPLITS = {
    "train": ("training galaxy", "The networks have learned from this very galaxy: that they "
              "are right here says little"),
    "validation": ("validation galaxy", "Its intervals were calibrated with this galaxy"),
    "test": ("test galaxy", "Neither training nor calibration has seen this galaxy"),
}  # fmt: skip


def verdict_html(found: Judgement, truths: dict[str, float], waiting: str = "") -> str:
    """What must be known before the numbers: domain, split, disagreement, what the line is."""
    parts = ['<h2 style="white-space:nowrap">Age and metallicity</h2>']
    if flag := domain_badge(found.predictions):
        parts.append(flag)
    if waiting or found.problem:
        parts.append(f'<span class="soft">{escape(waiting or found.problem)}</span>')
    if found.split in _SPLITS:
        text, about = _SPLITS[found.split]
        parts.append(f'<span class="badge waits" title="{escape(about)}">{text}</span>')
    pairs = []
    for quantity, name in (("log_age", "age"), ("m_h", "[M/H]")):
        rows = fig.strip_rows(found.predictions, quantity, found.population)
        pairs += [f"{name}: {one} ≠ {other}" for one, other in fig.disagreements(rows)]
    if pairs:
        about = "Their 90 % intervals do not overlap. " + "; ".join(pairs)
        parts.append(
            f'<span class="badge bad" title="{escape(about)}">disagree: {escape(pairs[0])}'
            f"{f' (+{len(pairs) - 1})' if len(pairs) > 1 else ''}</span>"
        )
    legend = "thick 68 %, thin 90 %"
    known = [f"{truths[q]:z.2f}" for q in fig.QUANTITIES if np.isfinite(truths[q])]
    if known:
        legend += f"; dashed: simulated truth {' / '.join(known)}"
    parts.append(f'<span class="soft" style="font-size:12px">{legend}</span>')
    return f'<div class="g strip" data-strip="{escape(found.galaxy_id)}">{"".join(parts)}</div>'


def image_prediction_html(now: Any, usual: Any = None) -> str:
    """What the image network says with the present preprocessing, and with the model's own.

    Parameters
    ----------
    now, usual : mapping of str to Prediction, optional
        By predictor; `usual` is what the preprocessing of the training gives.
    """
    key = next((one for one in ("m4", "m3") if one in now), "")
    found = now.get(key)
    if found is None or found.status != "ok":
        return '<div class="g soft" data-film="none">no prediction from this image</div>'
    parts = []
    for quantity, name in (("log_age", "log age"), ("m_h", "[M/H]")):
        value = getattr(found, quantity)
        text = f"{name} <b>{value:.2f}</b>"
        before = getattr((usual or {}).get(key), quantity, np.nan)
        if np.isfinite(before) and abs(value - before) >= 0.005:
            text += f" ({value - before:+.2f})"
        parts.append(text)
    about = (
        f"{fig.PREDICTORS[key][1]}. In brackets: the change against the preprocessing that the "
        "model was trained with"
    )
    name = f'<abbr title="{escape(about)}">{fig.PREDICTORS[key][0]}</abbr>'
    return (
        f'<div class="g" data-film="{key}" style="white-space:nowrap">{domain_badge(now)} '
        f"{name}: {', '.join(parts)}</div>"
    )


class StripPanel(View):
    """Two axes, log age and [M/H], and a line of warnings above them; part of the galaxy view."""

    title = "Age and metallicity"
    slug = "strip"
    columns = 2

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._galaxy: Galaxy | None = None
        self.found = _NOTHING
        self._begun: tuple[Galaxy, Any, Task] | None = None
        self.told: Callable[[], None] = lambda: None
        self._figures = {
            quantity: LiveFigure(
                lambda quantity=quantity: self._axis(quantity),
                f"strip-{quantity}",
                like=("strip", quantity, state.dark),
            )
            for quantity in fig.QUANTITIES
        }
        self._verdict = html_pane(styles={"min-width": "0"})
        axes = pn.Row(
            *[live.pane for live in self._figures.values()], sizing_mode="stretch_width",
            height=138, styles={"gap": "14px"}, stylesheets=[_AXES],
        )  # fmt: skip
        self._layout = pn.Column(
            bar(self._verdict, self.menu()), axes, sizing_mode="stretch_width",
            styles={"flex": "0 0 auto", "padding-top": "8px"},
        )  # fmt: skip

    # -- content -----------------------------------------------------------------

    def _truths(self) -> dict[str, float]:
        return {quantity: truth_of(self._galaxy, quantity) for quantity in fig.QUANTITIES}

    def _axis(self, quantity: str) -> hv.Overlay:
        found, truth = self.found, truth_of(self._galaxy, quantity)
        with DRAWING:
            return fig.strip_figure(
                found.predictions, quantity, found.population, truth, dark=self.state.dark
            )

    def begin(self, galaxy: Galaxy | None) -> None:
        """Let the networks work while the other views are drawn."""
        self._begun = None
        if galaxy is not None and self._known(galaxy) is None:
            self._begun = (galaxy, self.state.model, begin_judging(self.state, galaxy))

    def _known(self, galaxy: Galaxy) -> Judgement | None:
        return known_judgement(self.state.data, galaxy.id, self.state.model)

    def show(self, galaxy: Galaxy | None) -> None:
        """Show what is known of a galaxy now, and the rest when it has been worked out."""
        self._galaxy = galaxy
        state = self.state
        if galaxy is None:
            self._draw(_NOTHING)
            return
        if self._begun is None or self._begun[:2] != (galaxy, state.model):
            self.begin(galaxy)
        task, self._begun = self._begun and self._begun[-1], None
        # To draw once, a little later, is sooner ready than to draw twice.
        if task is not None and preloaded():
            task.wait(_PATIENCE_S)
        known = self._known(galaxy)
        complete = known is not None and state.model_state in ("none", "ready")
        self._draw(known or Judgement(galaxy.id), "" if complete else self._waiting())
        if known is None:
            judge(state, galaxy, self._came, task)

    def _waiting(self) -> str:
        state = self.state
        return {
            "none": "",
            "ready": "predicting…",
            "failed": f"the model cannot be used: {state.model_problem}",
        }.get(state.model_state, "the model is being loaded…")

    def _came(self, found: Judgement) -> None:
        if self._galaxy is not None and found.galaxy_id == self._galaxy.id:
            self._draw(found, "" if self.state.model_state == "ready" else self._waiting())

    def _draw(self, found: Judgement, waiting: str = "") -> None:
        self.found = found
        state, truths = self.state, self._truths()
        # Without a model and a label there is nothing to compare.
        self._layout.visible = bool(state.models) or found.population is not None
        if not self._layout.visible:
            return
        absent = "…" if waiting else "not in this model" if found.predictions else "no prediction"
        for quantity, live in self._figures.items():
            sources, axes = fig.strip_sources(
                found.predictions,
                quantity,
                found.population,
                truths[quantity],
                absent=absent,
                dark=state.dark,
            )
            live.update(sources, axes)
        self._verdict.object = verdict_html(found, truths, waiting)
        self.told()

    def recolour(self) -> None:
        for quantity, live in self._figures.items():
            live.redraw(self._axis(quantity))

    # -- export ------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return [live.name for live in self._figures.values()]

    def element(self) -> hv.Layout:
        return hv.Layout([self._axis(quantity) for quantity in fig.QUANTITIES]).cols(1)

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        rows, truths = [], self._truths()
        for quantity in fig.QUANTITIES:
            for row in fig.strip_rows(self.found.predictions, quantity, self.found.population):
                rows.append(
                    {
                        "id": self.found.galaxy_id, "quantity": quantity, "source": row.key,
                        "value": row.value, "low_68": row.low68, "high_68": row.high68,
                        "low_90": row.low90, "high_90": row.high90,
                        "in_domain": row.in_domain, "split": self.found.split,
                        "simulated_truth": truths[quantity], "note": row.note,
                    }
                )  # fmt: skip
        about = {
            "value": ("", "log10(age/yr), or [M/H] in dex, weighted by light"),
            "low_68": ("", "Lower end of the 68 % interval; the label's from its dispersion"),
            "simulated_truth": ("", "Put in by the simulation, not observed"),
            "split": ("", "Set of the model's training that the galaxy was in"),
        }
        return pd.DataFrame(rows), about

    def code(self) -> str:
        truths = {k: round(v, 4) for k, v in self._truths().items() if np.isfinite(v)}
        state = self.state
        return strip_code(
            state.data.source,
            state.galaxy_id,
            state.model_source if state.model is not None else "",
            self.found.population is not None,
            truths,
        )


_AXES = "@media (max-height: 820px) { :host { height: 122px !important; } }"

"""What if this galaxy had been observed or prepared otherwise? Live, with every network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn

from galam_explorer.app.background import compute
from galam_explorer.app.live import DRAWING, hold
from galam_explorer.app.predicting import Judgement, judgement_of, truth_of
from galam_explorer.app.views.base import View, bar, html_pane
from galam_explorer.app.views.whatif_controls import WhatIfControls
from galam_explorer.app.views.whatif_figures import PICTURES, QUANTITIES, WhatIfFigures
from galam_explorer.app.views.whatif_text import (
    captions,
    cover_card,
    heading_html,
    legend_html,
    said_html,
    whatif_code,
)
from galam_explorer.app.views.whatif_trace import TracePanel
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures import whatif as fig
from galam_explorer.evaluate.figures.whatif_path import whatif_figure
from galam_explorer.evaluate.whatif import Outcome, feasible, what_ifs
from galam_explorer.evaluate.whatif_change import WhatIf
from galam_explorer.evaluate.whatif_sweep import describe_path, path_table
from galam_explorer.records import CutoutStages, Galaxy

__all__ = ["WhatIfView"]

_SETTLE_MS = 40


@dataclass(frozen=True, eq=False)
class Shown:
    """What is on the page: a galaxy before and after a change.

    Parameters
    ----------
    before, after : Outcome
    notes : tuple of str
        What could not be done as asked.
    judgement : Judgement
        Of the galaxy as it is: label, and the set of the training that it was in.
    """

    before: Outcome
    after: Outcome
    notes: tuple[str, ...] = ()
    judgement: Judgement = field(default_factory=lambda: Judgement(""))


class WhatIfView(View):
    """Knobs, what they do to spectrum and image, what every network says then, and the path."""

    title = "What if"
    slug = "whatif"
    columns = 3

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._galaxy: Galaxy | None = None
        self.shown: Shown | None = None
        self._key: tuple[str, str] = ("", "")
        self._problem = ""
        self._pending: Any = None
        self.controls = WhatIfControls(self._on_knob, lambda error: state.notify("error", error))
        self.trace = TracePanel(state, self._remembering)
        self._figures = WhatIfFigures(self._predictors(), state.dark)
        self._head = html_pane(styles={"min-width": "0"})
        self._said = html_pane(styles={"flex": "0 0 auto", "min-height": "17px"})
        self._captions = {name: html_pane(styles={"flex": "0 0 auto"}) for name in PICTURES}
        self._covers = {name: html_pane(styles=_COVER, sizing_mode="stretch_both")
                        for name in PICTURES}  # fmt: skip
        self._legend = html_pane(styles={"flex": "0 0 auto", "padding-top": "3px"})
        self._card = html_pane(styles=_COVER, sizing_mode="stretch_both")
        self._layout = self._arrange()

    def _arrange(self) -> pn.Column:
        pictures = pn.Row(
            *[self._picture(name) for name in PICTURES], sizing_mode="stretch_width",
            styles={"gap": "10px", **_SHRINK, "flex": "1 1 0", "min-height": "112px"},
        )  # fmt: skip
        strips = pn.Row(
            *[self._figures[quantity].pane for quantity in QUANTITIES],
            sizing_mode="stretch_width",
            styles={"gap": "12px", **_SHRINK, "flex": "0 0 auto",
                    "height": "clamp(122px, 19vh, 172px)"},
        )  # fmt: skip
        body = pn.Column(
            self._said, pictures, self._legend, strips, self.trace, self._card,
            sizing_mode="stretch_both",
            styles={**_SHRINK, "position": "relative", "padding-top": "4px"},
        )  # fmt: skip
        return pn.Column(
            bar(self._head, self.controls.reset, self.menu()), self.controls, body,
            sizing_mode="stretch_both", styles={**_SHRINK, "padding": "8px 14px 6px"},
        )  # fmt: skip

    def _picture(self, name: str) -> pn.Column:
        inside = pn.Column(
            self._figures[name].pane, self._covers[name], sizing_mode="stretch_both",
            styles={**_SHRINK, "position": "relative"},
        )  # fmt: skip
        # Images are as wide as they are high; the spectrum takes the rest.
        share = "1 1 0" if name == "spectrum" else "0 0 clamp(112px, 20%, 190px)"
        return pn.Column(
            self._captions[name], inside, sizing_mode="stretch_both",
            styles={**_SHRINK, "flex": share},
        )  # fmt: skip

    def close(self) -> None:
        self._galaxy = None
        super().close()

    # -- which galaxy ----------------------------------------------------------------

    def show(self, galaxy: Galaxy | None) -> None:
        self._galaxy, self._problem = galaxy, ""
        model = self.state.model
        key = ("" if galaxy is None else galaxy.id, getattr(model, "hash", ""))
        if key != self._key or galaxy is None:
            self._key, self.shown = key, None
            self.trace.forget()
        if model is not None:
            self.controls.offer(galaxy, model.preprocess)
        self._display()
        self._ask()

    def _on_knob(self) -> None:
        """Follow a slider; while it moves, only the latest value is drawn."""
        doc = pn.state.curdoc
        if doc is None or doc.session_context is None:
            self._ask()
        elif self._pending is None:
            self._pending = doc.add_timeout_callback(lambda: hold(self._ask), _SETTLE_MS)

    def _ask(self) -> None:
        """Have the present question answered in the background."""
        self._pending = None
        state, galaxy, model = self.state, self._galaxy, self.state.model
        if galaxy is None or model is None or state.data is None:
            return
        if galaxy.spectrum is None and galaxy.cutout is None:
            return
        data, asked, known, key = state.data, self.controls.what, self.shown, self._key
        remember = self._remembering()

        def work() -> Shown:
            what, notes = feasible(galaxy, asked)
            whats = [what] if known is not None else [WhatIf(), what]
            found = what_ifs(model, galaxy, whats, remember)
            if known is not None:
                return Shown(known.before, found[0], notes, known.judgement)
            return Shown(found[0], found[1], notes, judgement_of(data, galaxy, model))

        compute(state, "whatif", work, lambda shown: self._came(key, shown),
                lambda error: self._failed(key, error))  # fmt: skip

    def _remembering(self) -> Callable[[WhatIf, Any], CutoutStages]:
        """Prepared images of the galaxy, as long as the survey's cache keeps them."""
        key, stages = self._key, self.state.data.stages
        return lambda what, make: stages.get(("whatif", *key, what), make)

    def _came(self, key: tuple[str, str], shown: Shown) -> None:
        if key != self._key:
            return
        self.shown, self._problem = shown, ""
        self._display()

    def _failed(self, key: tuple[str, str], error: GalamError) -> None:
        if key == self._key:
            self.shown, self._problem = None, str(error)
            self._display()

    # -- drawing ---------------------------------------------------------------------

    def _predictors(self) -> tuple[str, ...]:
        """Of what there are predictions, or will be."""
        found = None if self.shown is None else self.shown.after.predictions
        return tuple(getattr(self.state.model, "predictors", ()) if found is None else found)

    def _against(self) -> dict[str, fig.Against]:
        fit = self.shown.judgement.population if self.shown is not None else None
        return {
            quantity: fig.Against(
                truth_of(self._galaxy, quantity),
                float("nan") if fit is None else float(getattr(fit, quantity)),
            )
            for quantity in QUANTITIES
        }

    def _display(self) -> None:
        shown, galaxy = self.shown, self._galaxy
        before, after = (None, None) if shown is None else (shown.before, shown.after)
        against, waiting = self._against(), shown is None
        self._figures.show(before, after, against, self._predictors())
        split = "" if shown is None else shown.judgement.split
        self._head.object = heading_html(galaxy, after, waiting, split)
        self._said.object = said_html(before, after, (
            *self.controls.reasons, *(() if shown is None else shown.notes)))  # fmt: skip
        self._legend.object = legend_html(against)
        for name, text in captions(before, after).items():
            self._captions[name].object = text
        self._cover(before)
        self._card.object = cover_card(galaxy, self._problem, waiting)
        self.trace.show(galaxy, before, after, against)

    def _cover(self, before: Outcome | None) -> None:
        """Cards in place of what the galaxy does not have."""
        lack = {"spectrum": "", "before": "", "after": ""}
        if before is not None and before.galaxy.spectrum is None:
            lack["spectrum"] = "no spectrum"
        if before is not None and before.image is None:
            lack["before"] = lack["after"] = "no image"
        for name, text in lack.items():
            self._covers[name].object = text and (
                f'<div class="g" style="height:100%"><div class="empty"><span>{text}</span>'
                "</div></div>"
            )

    def recolour(self) -> None:
        self._figures.recolour(self.state.dark)
        self._display()

    # -- export ----------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return [*(live.name for live in self._figures.by_name.values()), self.trace.figure.name]

    def _require(self) -> Shown:
        if self.shown is None:
            raise GalamError("there is no answer yet", self.state.galaxy_id, "wait a moment")
        return self.shown

    def element(self) -> hv.Layout:
        shown = self._require()
        with DRAWING:
            return whatif_figure(
                shown.before, shown.after, self.trace.swept, self._against(),
                chosen=self.trace.predictor, cloud=self.trace.clouds(), dark=self.state.dark,
            )  # fmt: skip

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        shown = self._require()
        frame = path_table([shown.before, shown.after], self.trace.knob)
        parts = np.where(frame["step"] == 0, "as it is", "altered").astype(object)
        frame.insert(1, "part", pd.Series(parts, dtype=object))
        if self.trace.swept is not None:
            swept = self.trace.swept.copy()
            swept.insert(1, "part", pd.Series("sweep", index=swept.index, dtype=object))
            frame = pd.concat([frame, swept], ignore_index=True)
        return frame, {"part": ("", "The galaxy as it is, altered, or a sweep")} | describe_path()

    def code(self) -> str:
        shown, state = self._require(), self.state
        return whatif_code(
            state.data.source, state.galaxy_id, state.model_source, shown.after.what,
            self.trace.asked, self._against(), self.trace.predictor,
        )  # fmt: skip


_COVER = {"position": "absolute", "inset": "0", "z-index": "4", "pointer-events": "none"}
_SHRINK = {"min-width": "0", "min-height": "0"}

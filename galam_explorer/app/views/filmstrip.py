"""View 4: the preprocessing of the chosen galaxy, with live parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import holoviews as hv
import pandas as pd
import panel as pn

from galam_explorer.app.background import compute
from galam_explorer.app.code import filmstrip_code
from galam_explorer.app.live import DRAWING, LiveFigure, hold
from galam_explorer.app.predicting import known_judgement
from galam_explorer.app.stages import stages_of
from galam_explorer.app.views.base import View, bar, escape, html_pane
from galam_explorer.app.views.fate import FatePanel
from galam_explorer.app.views.parameters import Parameters
from galam_explorer.app.views.strip import image_prediction_html
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures import preprocess as fig
from galam_explorer.records import CutoutStages, Galaxy

__all__ = ["Filmstrip"]

_EMPTY = CutoutStages("no_cutout", "no galaxy is chosen")
_SETTLE_MS = 60


class Filmstrip(View):
    """Every step, and what the survey as a whole does."""

    title = "Preprocessing"
    slug = "preprocessing"
    columns = 4

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._galaxy: Galaxy | None = None
        self._stages = _EMPTY
        self._pending: Any = None
        self._figures: dict[str, LiveFigure] = {}
        self._captions: dict[str, Any] = {}
        self._covers: dict[str, Any] = {}
        cells = [self._cell(index, step) for index, step in enumerate(fig.STEPS)]
        self._link_ranges()
        self._verdict = html_pane(styles={"min-width": "0"})
        self._prediction = html_pane(sizing_mode=None)
        self._fate = FatePanel(state)
        self._parameters = Parameters(state)
        grid = pn.Column(*cells, sizing_mode="stretch_width", stylesheets=[_GRID])
        controls = pn.Row(
            self._parameters, self._fate, sizing_mode="stretch_both",
            styles={"gap": "22px", "min-height": "0", "padding-top": "6px"},
        )  # fmt: skip
        top = bar(self._verdict, self._prediction, self.menu())
        self._layout = pn.Column(
            top, grid, controls, sizing_mode="stretch_both", styles={"padding": "10px 14px 8px"}
        )
        self.watch(self._on_config, "config")
        self.watch(self._on_mask, "show_mask")

    def close(self) -> None:
        self._fate.close()
        super().close()

    # -- pictures ------------------------------------------------------------------

    @classmethod
    def blanks(cls, dark: bool) -> dict[str, Callable[[], hv.Overlay]]:
        made: dict[str, Callable[[], hv.Overlay]] = {
            step.key: partial(fig.stage_figure, _EMPTY, step.key) for step in fig.STEPS
        }
        made["threshold"] = partial(fig.histogram_figure, _EMPTY, dark=dark)
        return made

    def _cell(self, index: int, step: fig.Step) -> pn.Column:
        live = self.live(step.key)
        self._figures[step.key] = live
        self._captions[step.key] = html_pane(styles={"flex": "0 0 auto"})
        self._covers[step.key] = html_pane(styles=_COVER, sizing_mode="stretch_both")
        self._caption(index, step, reached=True)
        picture = pn.Column(
            live.pane, self._covers[step.key], sizing_mode="stretch_width", styles=_PICTURE
        )
        return pn.Column(
            self._captions[step.key], picture, sizing_mode="stretch_width",
            styles={"min-width": "0"},
        )  # fmt: skip

    def _caption(self, index: int, step: fig.Step, reached: bool) -> None:
        text = f'<abbr title="{escape(step.about)}">{index + 1} {escape(step.title)}</abbr>'
        stages = self._stages
        if step.key == "threshold" and stages.thresholds:
            steps = len(stages.thresholds)
            text += (
                f' <span class="soft">{stages.thresholds[-1]:.1f} after {steps} '
                f"{'try' if steps == 1 else 'tries'}</span>"
            )
        elif step.key == "edges" and reached:
            text += f' <span class="soft">{len(stages.ellipses)} fitted</span>'
        elif step.key in ("segmentation", "deblended") and reached:
            labels = getattr(stages, step.key)
            if labels is not None:
                text += f' <span class="soft">{len(set(labels.ravel().tolist()) - {0})}</span>'
        weight = "600" if reached else "400"
        self._captions[step.key].object = (
            f'<div class="g" style="font-size:12px;font-weight:{weight};padding:0 2px 3px;'
            f'white-space:nowrap;overflow:hidden;text-overflow:ellipsis">{text}</div>'
        )

    def _link_ranges(self) -> None:
        """The pictures of the working image zoom together."""
        first = self._figures["original"].figure
        for key, live in self._figures.items():
            if key not in ("original", "threshold", "cropped"):
                live.figure.x_range, live.figure.y_range = first.x_range, first.y_range

    def show(self, galaxy: Galaxy | None) -> None:
        self._galaxy = galaxy
        self._refresh()
        self._fate.look()

    def _refresh(self) -> None:
        galaxy, state = self._galaxy, self.state
        if galaxy is None:
            self._stages = _EMPTY
        else:
            try:
                self._stages = stages_of(state.data, galaxy, state.config)
            except GalamError as error:
                self._stages = CutoutStages("bad_cutout", str(error))
        stopped = False
        for index, step in enumerate(fig.STEPS):
            reached = getattr(self._stages, step.needs) is not None
            self._draw(step.key)
            self._caption(index, step, reached)
            cover = ""
            if not reached:
                cover = self._cover(step, first=not stopped)
                stopped = True
            self._covers[step.key].object = cover
        self._judge()
        self._predict()

    def _predict(self) -> None:
        """The prediction from what the network now gets."""
        state, galaxy, stages = self.state, self._galaxy, self._stages
        data, model = state.data, state.model
        if model is None or galaxy is None:
            self._prediction.object = ""
            return
        if stages.status != "ok":
            self._prediction.object = image_prediction_html({})
            return
        key = ("stages", galaxy.id, model.hash, state.config.hash)
        usual = known_judgement(data, galaxy.id, model)

        def came(found: Any) -> None:
            before = usual.predictions if usual is not None else None
            self._prediction.object = image_prediction_html(found, before)

        compute(
            state,
            "film",
            lambda: data.judged.get(key, lambda: model.predict_stages(galaxy, stages)),
            came,
        )

    def _cover(self, step: fig.Step, first: bool) -> str:
        reason = self._stages.reason if first else "not reached"
        return (
            '<div class="g" style="height:100%;background:var(--ground);display:flex;'
            "align-items:center;justify-content:center;text-align:center;padding:0 10px;"
            f'box-sizing:border-box;font-size:12px">'
            f'<span class="soft">{escape(reason)}</span></div>'
        )

    def _draw(self, key: str) -> None:
        stages = self._stages
        if key == "threshold":
            self._figures[key].update(*fig.histogram_sources(stages))
            return
        shown = "original" if key == "masked" and self.state.show_mask else key
        sources, axes = fig.stage_sources(stages, shown, self.state.config.size)
        if key == "masked" and shown == "original":
            sources[2] = {"x": [], "y": []}
        self._figures[key].update(sources, axes)

    def _judge(self) -> None:
        stages = self._stages
        text = fig.STATUS_TEXT.get(stages.status, stages.status)
        kind = "good" if stages.status == "ok" else "bad"
        reason = escape(stages.reason)
        name = escape(self._galaxy.id) if self._galaxy is not None else ""
        self._verdict.object = (
            f'<div class="g" data-verdict="{escape(stages.status)}" style="display:flex;gap:10px;'
            f'align-items:center"><h2 style="white-space:nowrap">{name}</h2>'
            f'<span class="badge {kind}">{escape(text)}</span>'
            f'<span class="soft" title="{reason}" style="overflow:hidden;display:-webkit-box;'
            f'-webkit-box-orient:vertical;-webkit-line-clamp:2">{reason}</span></div>'
        )

    # -- parameters ------------------------------------------------------------------

    def _on_config(self, *_events: Any) -> None:
        """Follow a slider; while it moves, only the latest value is drawn."""
        self._parameters.describe()
        doc = pn.state.curdoc
        if doc is None or doc.session_context is None:
            self._follow()
        elif self._pending is None:
            self._pending = doc.add_timeout_callback(lambda: hold(self._follow), _SETTLE_MS)

    def _follow(self) -> None:
        self._pending = None
        if self.state.tab == self.slug:
            with pn.io.hold():
                self._refresh()
                self._fate.look()
        else:
            self.stale = True

    def _on_mask(self, *_events: Any) -> None:
        self._draw("masked")

    def recolour(self) -> None:
        with DRAWING:
            overlay = fig.histogram_figure(self._stages, dark=self.state.dark)
        self._figures["threshold"].redraw(overlay)
        self._fate.look()

    # -- export ----------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return [live.name for live in self._figures.values()]

    def element(self) -> hv.Layout:
        with DRAWING:
            return fig.filmstrip_figure(self._stages, dark=self.state.dark)

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        stages = self._stages
        frame = pd.DataFrame(
            {
                "ellipse": range(len(stages.ellipses)),
                "x": [one.x for one in stages.ellipses],
                "y": [one.y for one in stages.ellipses],
                "width": [one.width for one in stages.ellipses],
                "height": [one.height for one in stages.ellipses],
                "angle": [one.angle for one in stages.ellipses],
            }
        )
        frame["status"] = stages.status
        about = dict.fromkeys("xy", ("pix", "Fitted ellipse, pixels of the working image"))
        about |= dict.fromkeys(("width", "height"), ("pix", "Full axis before scaling"))
        return frame, about | {"angle": ("deg", "OpenCV's convention")}

    def code(self) -> str:
        config = self.state.config
        named = next((n for n in ("robust", "paper") if PreprocessConfig.named(n) == config), None)
        if named:
            text = f"PreprocessConfig.{named}()"
        else:
            text = f"PreprocessConfig.from_json({config.to_json()!r})"
        return filmstrip_code(self.state.data.source, self.state.galaxy_id, text)


_COVER = {"position": "absolute", "inset": "0", "z-index": "4", "pointer-events": "none"}
_PICTURE = {
    "position": "relative",
    "aspect-ratio": "1",
    "border-radius": "8px",
    "overflow": "hidden",
    "border": "1px solid var(--line)",
}
_GRID = """
:host { display: grid !important; grid-template-columns: repeat(4, minmax(0, 1fr));
  gap: 8px 10px; padding: 8px 0 0; flex: 0 0 auto !important; }
"""

"""One run on the page: where it is, its curves, its best epochs, what went wrong."""

from __future__ import annotations

import html
from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.live import DRAWING, LiveFigure, when_locked
from galam_explorer.app.runs import RunView, headline
from galam_explorer.app.views.base import bar, escape, html_pane
from galam_explorer.app.views.training_text import facts_html
from galam_explorer.evaluate.figures import run_curves as curves

__all__ = ["RunPanel"]

_FOLLOW = "live"
_MEASURES = ("loss", "skill")


class RunPanel:
    """Shows a run; `show` is given what its folder says.

    Parameters
    ----------
    buttons : Viewable
        What stands beside the headline.
    """

    def __init__(self, buttons: pn.viewable.Viewable) -> None:
        self._run: RunView | None = None
        self._drawn: tuple[Any, ...] = ()
        self._dark = False
        with DRAWING:
            self._figures = {
                name: LiveFigure(self._empty(name), f"monitor-{name}") for name in _MEASURES
            }
        self._stage = pmui.Select(
            label="Stage", options=[_FOLLOW], value=_FOLLOW, width=110, size="small", margin=0
        )
        self._stage.param.watch(lambda _e: self.show(self._run), "value")
        self._head, self._trouble, self._legend = html_pane(), html_pane(), html_pane()
        self._bar = pmui.LinearProgress(value=0, margin=(4, 0), sizing_mode="stretch_width")
        self._facts = html_pane()
        pictures = pn.Row(
            *(live.pane for live in self._figures.values()),
            sizing_mode="stretch_width", height=270, styles={"gap": "14px"},
        )  # fmt: skip
        self.layout = pn.Column(
            bar(self._head, self._stage, buttons),
            self._bar, self._trouble, self._legend, pictures, self._facts,
            sizing_mode="stretch_width", visible=False,
        )  # fmt: skip

    def _empty(self, measure: str) -> Any:
        return curves.curves_figure((), (), "m1", measure, dark=self._dark)

    def recolour(self, dark: bool) -> None:
        """Follow the page's theme."""
        self._dark, self._drawn = dark, ()
        for name, live in self._figures.items():
            with DRAWING:
                figure = self._empty(name)
            live.redraw(figure)
        self.show(self._run)

    def show(self, run: RunView | None) -> None:
        """Show what a run's folder says; None: there is no run."""
        self._run = run
        if self.layout.visible != (run is not None):
            self.layout.visible = run is not None
        if run is None:
            return
        state = escape(run.status.get("state", "unknown"))
        _set(
            self._head,
            f'<div class="g" data-view="monitor" data-state="{state}">'
            f"<b>{escape(run.name)}</b> {escape(headline(run))}</div>",
        )
        share = round(100 * float(run.status.get("progress") or 0))
        if self._bar.value != share:
            self._bar.value = share
        _set(self._trouble, _note(run))
        stages = [_FOLLOW, *run.stages]
        if self._stage.options != stages:
            keep = self._stage.value if self._stage.value in stages else _FOLLOW
            self._stage.param.update(options=stages, value=keep)
        _set(self._facts, facts_html(run))
        self._draw(run)

    def _current_stage(self, run: RunView) -> str:
        if self._stage.value != _FOLLOW:
            return str(self._stage.value)
        if run.metrics:
            return str(run.metrics[-1].get("stage", "m1"))
        return str(run.status.get("stage") or (run.stages or ["m1"])[0])

    def _draw(self, run: RunView) -> None:
        stage = self._current_stage(run)
        last = run.metrics[-1].get("epoch") if run.metrics else None
        drawn = (run.path, stage, len(run.metrics), last)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        for measure, live in self._figures.items():
            label = f"{stage}: loss" if measure == "loss" else curves.stage_measure(stage)[1]
            when_locked(lambda live=live, label=label: _label_y(live, label))
            sources = curves.curves_sources(run.metrics, (), stage, measure)
            live.update(sources, curves.curves_axes(sources, run.epochs(stage)))
        _set(
            self._legend,
            f'<div class="g soft" style="font-size:12px" data-epochs="{len(run.metrics)}">'
            f"<b>{escape(stage)}</b>, solid: training · dashed: validation · ring: the epoch whose "
            "weights are kept</div>",
        )


def _note(run: RunView) -> str:
    """What to do with a run that has ended."""
    state = run.status.get("state")
    if state == "done" and run.has_model:
        code = f'ge.load_model("{run.path}")'
        return f'<div class="g soft">Its model: <code>{html.escape(code)}</code></div>'
    if state != "failed":
        return ""
    why = str(run.status.get("message") or "")
    log = str(run.status.get("log") or "")
    # What ended before the run began has said why in its log alone.
    words = log if log and not run.info else why
    more = f" The log has more: {run.path / 'log.txt'}" if log else ""
    return (
        '<div class="g"><span class="bad" style="padding:4px 8px;border-radius:6px">'
        f"{escape(words)}</span> <span class='soft'>{escape(more)}</span></div>"
    )


def _set(pane: Any, markup: str) -> None:
    if pane.object != markup:
        pane.object = markup


def _label_y(live: LiveFigure, label: str) -> None:
    if live.figure.yaxis[0].axis_label != label:
        live.figure.yaxis[0].axis_label = label

"""View 9: the runs, live: losses, time left, pause, cancel, resume, compare, adopt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import holoviews as hv
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.live import DRAWING, LiveFigure, hold, when_locked
from galam_explorer.app.runs import RunView, find_runs, headline, read_run, runs_folder
from galam_explorer.app.views.base import View, bar, empty_card, escape, html_pane
from galam_explorer.app.views.training_text import MEANINGS, facts_html, how_to_begin
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures import run_curves as curves
from galam_explorer.records import Galaxy

__all__ = ["TrainingView"]

_POLL_MS = 1000
_FOLLOW = "live"
_NONE = "nothing"
_MEASURES = {"loss": "Loss", "skill": "Validation"}


class TrainingView(View):
    """Every run of the runs folder; one of them in detail, beside another if wanted."""

    title = "Training"
    slug = "training"
    columns = 2

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self.folder = runs_folder()
        self._runs: dict[str, RunView] = {}
        self._drawn: tuple[Any, ...] = ()
        self._poll: Any = None
        self._figures = {name: self.live(name) for name in _MEASURES}
        self._build()
        self.refresh()

    @classmethod
    def blanks(cls, dark: bool) -> dict[str, Callable[[], hv.Overlay]]:
        return {
            name: partial(curves.curves_figure, (), (), "m1", name, dark=dark) for name in _MEASURES
        }

    def _build(self) -> None:
        small = {"size": "small", "margin": 0}
        wide = {"sizing_mode": "stretch_width", "min_width": 100, **small}
        self._run = pmui.Select(label="Run", options=[], max_width=250, **wide)
        self._other = pmui.Select(
            label="Compare with", options=[_NONE], value=_NONE, max_width=210, **wide
        )
        self._stage = pmui.Select(
            label="Stage", options=[_FOLLOW], value=_FOLLOW, width=120, **small
        )
        for widget in (self._run, self._other, self._stage):
            widget.param.watch(lambda _e: self.refresh(), "value")
        self._buttons = {
            "pause": pmui.Button(label="Pause", icon="pause", **small),
            "run": pmui.Button(label="Go on", icon="play_arrow", **small),
            "cancel": pmui.Button(label="Cancel", icon="stop", variant="outlined", **small),
            "resume": pmui.Button(label="Resume", icon="replay", **small),
            "adopt": pmui.Button(label="Use its model", icon="check", color="success", **small),
        }
        for what, button in self._buttons.items():
            button.visible = False
            button.on_click(lambda _e, what=what: self._do(what))
        self._head = html_pane(styles={"min-width": "0"})
        self._bar = pmui.LinearProgress(value=0, margin=(4, 0), sizing_mode="stretch_width")
        self._legend = html_pane(styles={"flex": "0 0 auto"})
        self._facts = html_pane(sizing_mode="stretch_width", styles={"overflow": "auto"})
        self._cover = html_pane(styles=_COVER, sizing_mode="stretch_both")
        self._layout = self._arrange()

    def _arrange(self) -> pn.Column:
        pictures = pn.Row(
            *(live.pane for live in self._figures.values()),
            sizing_mode="stretch_both",
            styles={"gap": "14px", "min-height": "230px", "min-width": "0"},
        )  # fmt: skip
        title = html_pane('<div class="g"><h2>Training</h2></div>', width=90, sizing_mode=None)
        top = bar(title, self._run, self._other, self._stage, pn.Spacer(), self.menu())
        return pn.Column(
            top,
            bar(self._head, *self._buttons.values()),
            self._bar,
            self._legend,
            pictures,
            self._facts,
            self._cover,
            sizing_mode="stretch_both",
            styles={
                "padding": "10px 14px 8px", "position": "relative", "min-height": "0",
                "min-width": "0",
            },
        )  # fmt: skip

    # -- life --------------------------------------------------------------------------

    def show(self, galaxy: Galaxy | None) -> None:
        """Runs do not depend on the galaxy; from now on they are watched."""
        self.refresh()
        if self._poll is None and pn.state.curdoc is not None:
            self._poll = pn.state.add_periodic_callback(self._tick, period=_POLL_MS)

    def close(self) -> None:
        if self._poll is not None:
            self._poll.stop()
            self._poll = None
        super().close()

    def _tick(self) -> None:
        if self.state.tab == self.slug or self._stands_alone:
            hold(self.refresh)

    # -- what is there -----------------------------------------------------------------

    def refresh(self) -> None:
        """Read the run folders again and show what has changed."""
        runs = [read_run(path) for path in find_runs(self.folder)]
        self._runs = {run.name: run for run in runs if run is not None}
        names = list(self._runs)
        if self._run.options != names:
            keep = self._run.value if self._run.value in names else (names[0] if names else None)
            self._run.param.update(options=names, value=keep)
        others = [_NONE, *(name for name in names if name != self._run.value)]
        if self._other.options != others:
            keep = self._other.value if self._other.value in others else _NONE
            self._other.param.update(options=others, value=keep)
        self._show_run(self._runs.get(self._run.value))

    def _show_run(self, run: RunView | None) -> None:
        self._cover.object = (
            "" if run else empty_card("No training run yet", how_to_begin(self.folder))
        )
        self._cover.visible = run is None
        if run is None:
            return
        stages = [_FOLLOW, *run.stages]
        if self._stage.options != stages:
            keep = self._stage.value if self._stage.value in stages else _FOLLOW
            self._stage.param.update(options=stages, value=keep)
        self._show_status(run)
        other = self._runs.get(self._other.value)
        stage = self._current_stage(run)
        drawn = (
            run.name,
            other and other.name,
            stage,
            len(run.metrics),
            _latest(run),
            _latest(other),
        )
        if drawn != self._drawn:
            self._drawn = drawn
            self._draw(run, other, stage)

    def _current_stage(self, run: RunView) -> str:
        if self._stage.value != _FOLLOW:
            return self._stage.value
        if run.metrics:
            return str(run.metrics[-1].get("stage", "m1"))
        return str(run.status.get("stage") or (run.stages or ["m1"])[0])

    def _show_status(self, run: RunView) -> None:
        state = run.state
        survey = run.info.get("survey", {})
        badge = f'<span class="badge">{escape(survey.get("kind", "unknown survey"))}</span>'
        self._head.object = (
            f'<div class="g" data-view="training" data-state="{escape(state)}">'
            f"<b>{escape(run.name)}</b> {badge} {escape(headline(run))}</div>"
        )
        self._bar.value = round(100 * float(run.status.get("progress") or 0))
        shown = {
            "pause": state == "running",
            "run": state == "paused",
            "cancel": state in ("running", "paused", "queued"),
            "resume": state in ("cancelled", "failed", "stopped"),
            "adopt": run.has_model,
        }
        for what, button in self._buttons.items():
            if button.visible != shown[what]:
                button.visible = shown[what]
        facts = facts_html(run)
        if self._facts.object != facts:
            self._facts.object = facts

    def _draw(self, run: RunView, other: RunView | None, stage: str) -> None:
        theirs = other.metrics if other else ()
        for measure, live in self._figures.items():
            sources = curves.curves_sources(run.metrics, theirs, stage, measure)
            axes = curves.curves_axes(sources, run.epochs(stage))
            live.update(sources, axes)
            label = f"{stage}: loss" if measure == "loss" else curves.stage_measure(stage)[1]
            when_locked(lambda live=live, label=label: _label_y(live, label))
        beside = f" · grey: {escape(other.name)}" if other else ""
        self._legend.object = (
            f'<div class="g soft" style="font-size:12px" data-epochs="{len(run.metrics)}">'
            f"<b>{escape(stage)}</b>, solid: training · dashed: validation · ring: the epoch whose "
            f"weights are kept{beside}</div>"
        )

    def recolour(self) -> None:
        self._drawn = ()
        run = self._runs.get(self._run.value)
        stage = self._current_stage(run) if run else "m1"
        for measure, live in self._figures.items():
            with DRAWING:
                figure = curves.curves_figure((), (), stage, measure, dark=self.state.dark)
            live.redraw(figure)
        self._show_run(run)

    # -- buttons -------------------------------------------------------------------------

    def _do(self, what: str) -> None:
        run = self._runs.get(self._run.value)
        if run is None:
            return
        try:
            if what == "adopt":
                name = self.state.offer_model(run.name, str(run.path.resolve()))
                if self.state.open_model(name):
                    self.state.notify("success", f"The dashboard now uses the model of {run.name}.")
            elif what == "resume":
                from galam_explorer.train.jobs import TrainingJob

                TrainingJob.attach(run.path).resume()
                self.state.notify("info", f"{run.name} goes on in a process of its own.")
            else:
                from galam_explorer.train.folder import RunFolder

                RunFolder(run.path).ask(what)
                self.state.notify("info", _ASKED[what])
        except GalamError as error:
            self.state.notify("error", error)
        self.refresh()

    # -- export --------------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return [live.name for live in self._figures.values()]

    def element(self) -> Any:
        run = self._runs[self._run.value]
        stage = self._current_stage(run)
        parts = [curves.curves_figure(run.metrics, (), stage, name) for name in _MEASURES]
        return parts[0] + parts[1]

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        run = self._runs.get(self._run.value)
        frame = pd.DataFrame(run.metrics if run else [], columns=None)
        return frame, {name: MEANINGS.get(name, ("", name)) for name in frame.columns}

    def file_stem(self) -> str:
        return f"training-{self._run.value or 'none'}"

    def code(self) -> str:
        run = self._runs.get(self._run.value)
        path = str(run.path.resolve()) if run else "runs/NAME"
        stage = self._current_stage(run) if run else "m1"
        return (
            "from galam_explorer.evaluate.figures.run_curves import curves_figure\n"
            "from galam_explorer.train.folder import RunFolder\n\n"
            f"metrics = RunFolder({path!r}).metrics()\n"
            f"figure = curves_figure(metrics, (), {stage!r})\n"
            "figure\n"
        )


def _label_y(live: LiveFigure, label: str) -> None:
    if live.figure.yaxis[0].axis_label != label:
        live.figure.yaxis[0].axis_label = label


def _latest(run: RunView | None) -> Any:
    return run.metrics[-1].get("epoch") if run and run.metrics else None


_COVER = {
    "position": "absolute", "inset": "0", "background": "var(--paper)", "z-index": "3",
}  # fmt: skip
_ASKED = {
    "pause": "The run pauses after the batch that it is at.",
    "run": "The run goes on.",
    "cancel": "The run stops after the batch that it is at; it can be resumed.",
}

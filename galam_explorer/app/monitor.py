"""A training in a notebook: a button starts it, live curves show it, a new kernel finds it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.cell import in_cell, paint
from galam_explorer.app.monitor_form import TrainingForm
from galam_explorer.app.monitor_panel import RunPanel
from galam_explorer.app.runs import ACTIVE, RunView, find_runs, read_run, runs_folder
from galam_explorer.app.surroundings import Surroundings
from galam_explorer.app.theme import variables
from galam_explorer.app.views.base import bar, escape, html_pane
from galam_explorer.config import LabelConfig, NetworkConfig, PreprocessConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey import Survey, load_survey
from galam_explorer.train.folder import RunFolder, default_run_dir
from galam_explorer.train.jobs import TrainingJob

__all__ = ["TrainingMonitor"]

_POLL_MS = 1000
_WAIT_S = 0.5
_BUTTONS = {
    "pause": ("Pause", "pause", ("running",)),
    "run": ("Go on", "play_arrow", ("paused",)),
    "cancel": ("Cancel", "stop", ("queued", "running", "paused")),
    "resume": ("Resume", "replay", ("cancelled", "failed", "stopped")),
}


class TrainingMonitor(pn.viewable.Viewer):
    """Start, watch, pause, cancel and resume a training, from a cell or from code.

    The training has a process of its own: it goes on when the kernel is restarted or
    the notebook is closed, and a new monitor finds it again. The dashboard's Training
    tab shows the same run if it looks into the same folder.

    Parameters
    ----------
    survey : Survey, str or Path, optional
        What to train on: prepared and, unless the truth is learned, labelled. It may be
        left out where `run_dir` has a run.
    run_dir : str or Path, optional
        The run's folder; a run that is there already is shown. By default a training at
        work on this survey in the folder of runs (``runs``, or what GALAM_RUNS names), or
        else a new folder in it.
    network : NetworkConfig, optional
    train : TrainConfig, optional
        Where the controls start; what they do not offer stays as it is here.
    preprocess, label
        As of `TrainingJob.start`.

    Raises
    ------
    GalamError
        If there is neither a survey nor a run.
    """

    def __init__(
        self,
        survey: Survey | str | Path | None = None,
        run_dir: str | Path | None = None,
        network: NetworkConfig | None = None,
        train: TrainConfig | None = None,
        preprocess: PreprocessConfig | str = "robust",
        label: LabelConfig | str | None = None,
    ) -> None:
        super().__init__()
        self._wanted = None if run_dir is None else Path(run_dir).expanduser()
        self.folder = runs_folder() if self._wanted is None else self._wanted.parent
        named = survey is None or isinstance(survey, Survey)
        self.survey: Survey | None = survey if named else load_survey(survey)
        self._others = {"preprocess": preprocess, "label": label}
        found = self._find()
        if found is None and self.survey is None:
            remedy = "give a survey, or the run_dir of a run"
            raise GalamError("nothing to train on, and no run to watch", run_dir or "", remedy)
        self.job: TrainingJob | None = None if found is None else TrainingJob.attach(found)
        self._poll: Any = None
        self._was_shown = False
        self._last_state = ""
        self._build(*self._start_choices(network, train))
        self.refresh()
        self._follow()

    def __repr__(self) -> str:
        return f"<TrainingMonitor {self.job!r}>"

    def _find(self) -> Path | None:
        """The run to show: the one that was asked for, or one at work on this survey."""
        if self._wanted is not None:
            run = RunFolder(self._wanted)
            return run.path if run.exists or run.status() else None
        if self.survey is None:
            return None
        mine = self.survey.path.resolve()
        for path in find_runs(self.folder):
            run = read_run(path)
            trained = run.info.get("survey", {}).get("path", "") if run and run.alive else ""
            if trained and Path(trained).resolve() == mine:
                return path
        return None

    def _start_choices(
        self, network: NetworkConfig | None, train: TrainConfig | None
    ) -> tuple[NetworkConfig, TrainConfig]:
        """What was given, or what the run that is shown was asked for."""
        info = {} if self.job is None else getattr(read_run(self.job.folder.path), "info", {})
        if network is None:
            network = NetworkConfig.from_dict(info.get("network", {}))
        return network, train or TrainConfig.from_dict(info.get("train", {}))

    # -- what is on the page -------------------------------------------------------------

    def _build(self, network: NetworkConfig, train: TrainConfig) -> None:
        simulated = self.survey is None or self.survey.kind == "simulated"
        self.form = TrainingForm(network, train, simulated)
        small = {"size": "small", "margin": 0}
        self._train = pmui.Button(label="Train", icon="play_arrow", color="primary", **small)
        self._train.on_click(lambda _e: self._do("start"))
        self._buttons = {
            what: pmui.Button(label=label, icon=icon, visible=False, variant="outlined", **small)
            for what, (label, icon, _states) in _BUTTONS.items()
        }
        for what, button in self._buttons.items():
            button.on_click(lambda _e, what=what: self._do(what))
        buttons = pn.Row(*self._buttons.values(), styles={"gap": "8px"})
        self._panel = RunPanel(buttons)
        self._said = html_pane()
        around = Surroundings()
        around.param.watch(lambda event: self._recolour(event.new), "dark")
        self._card = pn.Column(
            bar(*self.form.items, self._train, styles={"flex-wrap": "wrap"}),
            self._said, self._panel.layout, around,
            sizing_mode="stretch_width", stylesheets=[variables(False)], styles=_CARD,
        )  # fmt: skip
        self._layout = in_cell(self._card)

    def __panel__(self) -> pn.viewable.Viewable:
        self._follow()
        return self._layout

    def _recolour(self, dark: bool) -> None:
        paint(self._layout, dark)
        self._card.stylesheets = [variables(dark)]
        self._panel.recolour(dark)

    def _say(self, text: object = "", kind: str = "soft") -> None:
        words = f'<div class="g {kind}" style="padding:4px 8px">{escape(text)}</div>'
        self._said.object = words if str(text) else ""

    # -- the run ---------------------------------------------------------------------------

    def _run(self) -> RunView | None:
        """What the run's folder says now; a run without a process counts as failed."""
        if self.job is None:
            return None
        path = self.job.folder.path
        run = read_run(path) or RunView(path, {}, {}, (), False)
        return dataclasses.replace(run, status=self.job.status())

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``paused``, ``done``, ``cancelled``, ``failed``; or ``none``."""
        run = self._run()
        return "none" if run is None else str(run.status.get("state", "unknown"))

    @property
    def model(self) -> Path | None:
        """The trained model's folder, once there is one."""
        return None if self.job is None else self.job.model

    def refresh(self) -> None:
        """Read the run's folder again and show what has changed."""
        run = self._run()
        state = "none" if run is None else str(run.status.get("state", "unknown"))
        if state != self._last_state:
            # What was promised has come, or something else has.
            self._last_state = state
            self._say()
        active = state in ACTIVE
        self.form.enable(not active)
        if self._train.disabled != active:
            self._train.disabled = active
        for what, (_label, _icon, states) in _BUTTONS.items():
            shown = state in states and (what != "resume" or self._began())
            if self._buttons[what].visible != shown:
                self._buttons[what].visible = shown
        self._panel.show(run)

    def _began(self) -> bool:
        return self.job is not None and self.job.folder.exists

    def _follow(self) -> None:
        """Look every second, while the run is at work and where there is a loop that can."""
        if self._poll is None and self.state in ACTIVE and _loop_runs():
            self._poll = pn.state.add_periodic_callback(self._tick, period=_POLL_MS)

    def _tick(self) -> None:
        on_page = bool(self._layout._models)
        gone = self._was_shown and not on_page
        self._was_shown = on_page
        if gone:
            self.close()
            return
        self.refresh()
        if self.state not in ACTIVE:
            self.close()

    def close(self) -> None:
        """Stop looking; the training goes on."""
        if self._poll is not None:
            self._poll.stop()
            self._poll = None

    # -- what one can do ---------------------------------------------------------------------

    def _do(self, what: str) -> None:
        try:
            self._say()
            {"start": self.start, "pause": self.pause, "cancel": self.cancel}.get(
                what, self.resume
            )()
        except GalamError as error:
            self._say(error, "bad")

    def start(self) -> TrainingJob:
        """Start a training with what the controls say.

        Returns
        -------
        TrainingJob
            At once; the monitor shows it.

        Raises
        ------
        GalamError
            If one is at work here already, a choice is not allowed, or the folder cannot
            be written.
        """
        if self.state in ACTIVE:
            raise GalamError("a training is at work here", self.job.folder.path, "cancel it first")
        network, train = self.form.choices()
        survey = self._survey()
        self.job = TrainingJob.start(
            survey, network, train, run_dir=self._new_folder(survey, network, train), **self._others
        )
        self.refresh()
        self._follow()
        return self.job

    def _survey(self) -> Survey:
        if self.survey is None:
            self.survey = load_survey(self.job.folder.info()["survey"]["path"])
        return self.survey

    def _new_folder(self, survey: Survey, network: NetworkConfig, train: TrainConfig) -> Path:
        if self._wanted is not None and not RunFolder(self._wanted).exists:
            return self._wanted
        name = default_run_dir(survey.path.name, network, train).name
        path, number = self.folder / name, 2
        while path.exists():
            path, number = self.folder / f"{name}-{number}", number + 1
        return path

    def _at_work(self) -> TrainingJob:
        if self.job is None:
            raise GalamError("no training was started", "TrainingMonitor", "start one")
        return self.job

    def pause(self) -> None:
        """Ask the training to wait after the batch that it is at.

        Raises
        ------
        GalamError
            If there is none.
        """
        self._at_work().pause()
        self._say("The run pauses after the batch that it is at.")

    def cancel(self) -> None:
        """Ask the training to stop after the batch that it is at; it can be resumed.

        Raises
        ------
        GalamError
            If there is none.
        """
        self._at_work().cancel()
        self._say("The run stops after the batch that it is at; it can be resumed.")

    def resume(self) -> None:
        """Go on after a pause, a cancel or a failure.

        Raises
        ------
        GalamError
            If there is no training, or it never began.
        """
        self._at_work().resume()
        self.refresh()
        self._follow()

    def wait(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait until the training has ended; the curves go on growing meanwhile.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Returns
        -------
        dict
            The run's last status.

        Raises
        ------
        GalamError
            If there is no training, or it is still at work after `timeout`.
        """
        job, began = self._at_work(), time.monotonic()
        while self.state in ACTIVE:
            if timeout is not None and time.monotonic() - began > timeout:
                raise GalamError(f"still at work after {timeout:g} s", job.folder.path)
            time.sleep(_WAIT_S)
            self.refresh()
        status = job.wait(timeout)
        self.refresh()
        return status


def _loop_runs() -> bool:
    """Whether callbacks are called here: in a kernel or a server, not in a plain script."""
    if pn.state.curdoc is not None:
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


_CARD = {"background": "var(--paper)", "padding": "10px 12px", "gap": "6px", "border-radius": "8px"}

"""The monitor of a training, without a browser: its methods, a kernel that dies, its polling."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_training_view import make_run
from training_survey import QUICK, TINY, make_training_survey

import galam_explorer as ge
from galam_explorer.app.monitor import TrainingMonitor
from galam_explorer.app.runs import find_runs, read_run
from galam_explorer.config import NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey import Survey
from galam_explorer.train.folder import RunFolder
from galam_explorer.train.jobs import TrainingJob

ONE = QUICK.replace(stages=("m1",))
LONG = QUICK.replace(stages=("m1",), epochs=900)
CHILD = """
import sys, time
from training_survey import QUICK, TINY
from galam_explorer.app.monitor import TrainingMonitor
train = QUICK.replace(stages=("m1",), epochs=900)
TrainingMonitor(sys.argv[1], network=TINY, train=train).start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return make_training_survey(tmp_path_factory.mktemp("monitor") / "s")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GALAM_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def until(condition: Callable[[], object], seconds: float = 180) -> None:
    """Wait for something that another process does."""
    for _ in range(int(seconds / 0.2)):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError("it never came")


def buttons(monitor: TrainingMonitor) -> set[str]:
    return {what for what, button in monitor._buttons.items() if button.visible}


def drawn(monitor: TrainingMonitor) -> int:
    """Epochs on the loss curve of the stage that is shown."""
    return len(monitor._panel._figures["loss"]._sources[2].data["value"])


def test_the_button_trains_to_the_end(survey: Survey, runs: Path) -> None:
    monitor = TrainingMonitor(survey, runs / "first", TINY, QUICK)
    assert monitor.state == "none"
    assert not monitor._panel.layout.visible
    monitor.form.stages.value = ["m1"]
    monitor.form.seed.value = 7
    monitor._do("start")
    assert monitor.state in ("queued", "running")
    assert monitor._train.disabled
    assert monitor.form.epochs.disabled
    assert "cancel" in buttons(monitor)
    # The dashboard lists it before the process has begun to write.
    assert [read_run(path).state for path in find_runs(runs)] in (["queued"], ["running"])
    with pytest.raises(GalamError, match="a training is at work here"):
        monitor.start()
    assert monitor.wait(300)["state"] == "done"
    info = RunFolder(runs / "first").info()
    assert info["train"]["seed"] == 7
    assert info["train"]["stages"] == ["m1"]
    assert info["network"]["width"] == TINY.width
    assert drawn(monitor) == 2
    assert buttons(monitor) == set()
    assert not monitor._train.disabled
    assert f'ge.load_model("{runs / "first"}")'.replace('"', "&quot;") in str(
        monitor._panel._trouble.object
    )
    assert ge.load_model(monitor.model).stages == ("m1",)
    # The folder is taken now: the next one gets another.
    assert monitor._new_folder(survey, TINY, ONE).parent == runs
    assert monitor._new_folder(survey, TINY, ONE) != runs / "first"


def test_a_training_outlives_its_kernel_and_is_found_again(survey: Survey, runs: Path) -> None:
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(survey.path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout.readline() == b"started\n"
    until(lambda: [path for path in find_runs(runs) if RunFolder(path).metrics()])
    # As Jupyter ends a kernel: with all of its process group.
    os.killpg(child.pid, signal.SIGKILL)
    child.stdout.close()
    child.wait(30)

    monitor = TrainingMonitor(survey)
    assert monitor.job is not None
    path = monitor.job.folder.path
    try:
        before = drawn(monitor)
        until(lambda: (monitor.refresh(), drawn(monitor))[1] > before + 1)
        assert monitor.state == "running"
        assert buttons(monitor) == {"pause", "cancel"}
        monitor.pause()
        until(lambda: monitor.state == "paused")
        monitor.refresh()
        assert buttons(monitor) == {"run", "cancel"}
        monitor.resume()
        until(lambda: monitor.state == "running")
        monitor._do("cancel")
        assert monitor.wait(120)["state"] == "cancelled"
        assert buttons(monitor) == {"resume"}
        epochs = len(RunFolder(path).metrics())

        again = TrainingMonitor(run_dir=path)
        assert again.form.epochs.value == LONG.epochs
        again.resume()
        until(lambda: len(RunFolder(path).metrics()) > epochs)
    finally:
        TrainingJob.attach(path).cancel()
    assert again.wait(120)["state"] == "cancelled"


def test_a_training_that_cannot_begin_says_why(tmp_path: Path, runs: Path) -> None:
    raw = make_training_survey(tmp_path / "raw", n=20, prepare=False)
    monitor = TrainingMonitor(raw.path, runs / "none", TINY, ONE)
    monitor._do("start")
    assert monitor.wait(120)["state"] == "failed"
    assert "galam prepare" in str(monitor._panel._trouble.object)
    # There is nothing to resume, but another start is allowed.
    assert buttons(monitor) == set()
    assert not monitor._train.disabled
    assert [read_run(path) for path in find_runs(runs)] == [None]


def test_wrong_choices_and_nothing_to_watch(survey: Survey, runs: Path) -> None:
    with pytest.raises(GalamError, match="nothing to train on, and no run to watch"):
        TrainingMonitor(run_dir=runs / "nowhere")
    monitor = TrainingMonitor(survey, train=ONE)
    monitor.form.stages.value = []
    monitor._do("start")
    assert "TrainConfig.stages" in monitor._said.object
    with pytest.raises(GalamError, match="no training was started"):
        monitor.pause()
    assert monitor.model is None


def test_choices_of_the_form_and_those_that_it_does_not_offer(survey: Survey, runs: Path) -> None:
    given = TrainConfig(batch_size=17, stage_epochs=(("m1", 5),), stages=("m1",))
    monitor = TrainingMonitor(survey, network=NetworkConfig(width=0.5), train=given)
    assert monitor.form.choices() == (NetworkConfig(width=0.5), given)
    monitor.form.epochs.value = 3
    monitor.form.target.value = "simulated truth"
    assert monitor.form.choices()[1] == given.replace(epochs=3, stage_epochs=(), target="truth")
    monitor.form.preset.value = "paper"
    network, train = monitor.form.choices()
    assert network == NetworkConfig.paper()
    assert (train.loss, train.epochs, train.stages) == ("mse", 3, ("m1",))


def test_it_looks_by_itself_and_stops_when_the_run_has_ended(runs: Path) -> None:
    path = make_run(runs / "first", epochs=2)

    async def live() -> None:
        monitor = TrainingMonitor(run_dir=path)
        assert drawn(monitor) == 2
        folder = RunFolder(path)
        folder.add_metrics({"stage": "m1", "epoch": 3, "train_loss": 0.1, "val_loss": 0.2})
        for _ in range(200):
            await asyncio.sleep(0.1)
            if drawn(monitor) == 3:
                break
        assert drawn(monitor) == 3
        folder.write_status({**folder.status(), "state": "done"})
        for _ in range(200):
            await asyncio.sleep(0.1)
            if monitor._poll is None:
                break
        assert monitor._poll is None
        assert buttons(monitor) == set()

    asyncio.run(live())


def test_notebook_does_nothing_outside_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    ge.notebook()
    ge.notebook()
    assert capsys.readouterr().out == ""

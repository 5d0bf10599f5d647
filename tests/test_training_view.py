"""The training view watches run folders: live curves, buttons, and runs that died."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from galam_explorer.app.runs import find_runs, headline, read_run
from galam_explorer.app.views.training import TrainingView
from galam_explorer.train.folder import RunFolder


def make_run(path: Path, epochs: int = 3, state: str = "running", pid: int | None = None) -> Path:
    path.mkdir(parents=True)
    folder = RunFolder(path)
    train = {"epochs": 5, "stage_epochs": [["m1", 8]], "stages": ["m1", "m2"]}
    folder.write_info({"survey": {"kind": "simulated"}, "train": train})
    for epoch in range(1, epochs + 1):
        folder.add_metrics(
            {
                "stage": "m1", "epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.5 / epoch,
                "lr": 1e-3, "seconds": 2.0, "val_rmse_log_age": 0.3 / epoch, "val_rmse_m_h": 0.2,
            }
        )  # fmt: skip
    folder.write_status(
        {"state": state, "stage": "m1", "stages": ["m1", "m2"], "epoch": epochs, "epochs": 8,
         "progress": 0.25, "eta_s": 120.0, "message": ""}
    )  # fmt: skip
    if pid is not None:
        status = folder.status() | {"pid": pid}
        (path / "status.json").write_text(json.dumps(status))
    return path


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GALAM_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def shown(view: TrainingView) -> set[str]:
    return {what for what, button in view._buttons.items() if button.visible}


def test_without_a_run_it_says_how_to_start_one(runs: Path) -> None:
    view = TrainingView.from_survey("demo")
    view.show(None)
    assert "galam train" in view._cover.object
    assert view._cover.visible


def test_a_run_that_appears_is_shown_and_grows(runs: Path) -> None:
    view = TrainingView.from_survey("demo")
    view.show(None)
    path = make_run(runs / "first", epochs=2)
    view.refresh()
    assert view._run.value == "first"
    assert not view._cover.visible
    assert "epoch 2 of 8" in view._head.object
    assert "2 min left" in view._head.object
    live = view._figures["loss"]
    assert list(live._sources[2].data["value"]) == [1.0, 0.5]
    RunFolder(path).add_metrics({"stage": "m1", "epoch": 3, "train_loss": 0.1, "val_loss": 0.2})
    view.refresh()
    assert list(live._sources[2].data["value"]) == [1.0, 0.5, 0.1]
    assert list(live._sources[4].data["epoch"]) == [3.0]
    assert live.figure.x_range.end == 8.5


def test_buttons_ask_the_run(runs: Path) -> None:
    path = make_run(runs / "first")
    view = TrainingView.from_survey("demo")
    view.show(None)
    assert shown(view) == {"pause", "cancel"}
    view._do("pause")
    assert RunFolder(path).control() == "pause"
    view._do("cancel")
    assert RunFolder(path).control() == "cancel"


def test_a_run_whose_process_is_gone_is_stopped_and_can_be_resumed(runs: Path) -> None:
    gone = os.spawnlp(os.P_WAIT, "true", "true") or 2**22 - 3
    make_run(runs / "first", pid=gone)
    run = read_run(runs / "first")
    assert run.state == "stopped"
    assert headline(run).startswith("stopped")
    view = TrainingView.from_survey("demo")
    view.show(None)
    assert shown(view) == {"resume"}


def test_two_runs_are_compared_and_a_damaged_one_is_left_out(runs: Path) -> None:
    make_run(runs / "first", state="done")
    make_run(runs / "second", epochs=5, state="done")
    (runs / "broken").mkdir()
    (runs / "broken" / "run.json").write_text("{")
    assert len(find_runs(runs)) == 3
    view = TrainingView.from_survey("demo")
    view.show(None)
    assert set(view._run.options) == {"first", "second"}
    view._run.value = "first"
    view._other.value = "second"
    live = view._figures["loss"]
    assert len(live._sources[0].data["value"]) == 5
    assert len(live._sources[2].data["value"]) == 3
    view._stage.value = "m2"
    assert len(live._sources[2].data["value"]) == 0


def test_a_run_that_is_deleted_while_open_leaves_no_error(runs: Path) -> None:
    path = make_run(runs / "first")
    view = TrainingView.from_survey("demo")
    view.show(None)
    for file in path.iterdir():
        file.unlink()
    view.refresh()
    assert view._cover.visible
    view._do("pause")
    assert view._run.options == []


def test_table_and_code_give_the_same_numbers(runs: Path) -> None:
    make_run(runs / "first")
    view = TrainingView.from_survey("demo")
    view.show(None)
    frame, meanings = view.table()
    assert list(frame["val_loss"]) == [1.5, 0.75, 0.5]
    assert meanings["val_rmse_log_age"][0] == "dex"
    names: dict = {}
    exec(view.code(), names)
    curve = names["figure"].get(3)
    assert list(curve.dimension_values("value")) == [1.5, 0.75, 0.5]

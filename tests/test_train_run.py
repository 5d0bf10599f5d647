"""Whole trainings: what they write, stopping and going on, and what they refuse."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_survey import QUICK, TINY, make_training_survey, without_time
from typer.testing import CliRunner

from galam_explorer.cli.main import app
from galam_explorer.config import NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.networks import build_network, image_tensor, normalise_features
from galam_explorer.survey import Survey
from galam_explorer.train import (
    Split,
    TrainingJob,
    list_runs,
    load_training_data,
    read_model_folder,
    train_run,
)
from galam_explorer.train.folder import RunFolder
from galam_explorer.train.jobs import read_choices, run_status, write_choices

ALL = QUICK.replace(stages=("m1", "m2", "m3", "m4", "m4_real", "image_only"))
STOPPED = QUICK.replace(stages=("m1", "m3"), epochs=3)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return make_training_survey(tmp_path_factory.mktemp("train") / "s")


@pytest.fixture(scope="module")
def finished(survey: Survey) -> tuple[RunFolder, list[dict[str, Any]]]:
    """A run of all stages, and every status that it reported."""
    seen: list[dict[str, Any]] = []
    folder = train_run(
        survey, TINY, ALL, run_dir=survey.path.parent / "runs" / "all", callback=seen.append
    )
    return folder, seen


@pytest.fixture(scope="module")
def undisturbed(survey: Survey) -> list[dict[str, Any]]:
    folder = train_run(survey, TINY, STOPPED, run_dir=survey.path.parent / "undisturbed")
    return without_time(folder.metrics())


def test_every_stage_is_trained_and_told(finished: tuple) -> None:
    folder, seen = finished
    metrics = folder.metrics()
    assert [(one["stage"], one["epoch"]) for one in metrics] == [
        (stage, epoch) for stage in ALL.stages for epoch in (1, 2)
    ]
    for one in metrics:
        assert np.isfinite([one["train_loss"], one["val_loss"], one["lr"], one["seconds"]]).all()
        assert ("val_r2" in one and one["val_r2_baseline"] < 1) == (one["stage"] == "m2")
        assert ("val_rmse_log_age" in one and "val_rmse_m_h" in one) == (one["stage"] != "m2")
    assert folder.status()["state"] == "done"
    assert folder.status()["progress"] == 1
    shares = [one["progress"] for one in seen]
    assert shares == sorted(shares)
    assert {one["stage"] for one in seen} >= set(ALL.stages)
    assert not folder.alive()
    assert folder.info()["survey"]["fingerprint"]
    assert folder.info()["train"]["seed"] == 0


def test_m1_learns(finished: tuple) -> None:
    # The constant answer of a scaled uniform label has a scatter of 0.29 of its range.
    folder, _ = finished
    losses = [one["train_loss"] for one in folder.metrics() if one["stage"] == "m1"]
    assert losses[1] < losses[0]


def test_the_model_folder_is_the_run(finished: tuple, survey: Survey) -> None:
    folder, _ = finished
    model = read_model_folder(folder.model)
    assert model.stages == ALL.stages
    assert model.network == TINY
    assert model.train == ALL
    assert model.label is None
    split = Split.read(folder.split)
    assert model.split.hash == split.hash == model.info["split"]["hash"]
    data = load_training_data(survey, "robust", ALL)
    training = data.labels[split.mask(data.ids, "train")]
    assert model.scaling.low == pytest.approx(training.min(axis=0), abs=1e-6)
    assert model.scaling.high == pytest.approx(training.max(axis=0), abs=1e-6)
    network = build_network("m1", TINY).eval()
    network.load_state_dict(model.weights["m1"])
    with torch.inference_mode():
        features = normalise_features(network(torch.from_numpy(data.spectra)).features)
    rows = split.mask(data.ids, "train") & data.has_spectrum & data.has_label
    mean = features[torch.from_numpy(rows)].mean(dim=0)
    assert torch.allclose(model.statistics["mean_features"], mean, atol=1e-4)
    assert "image → age" in (folder.model / "README.md").read_text(encoding="utf-8")


def test_the_best_epoch_is_kept(finished: tuple, survey: Survey) -> None:
    folder, _ = finished
    epochs = [one for one in folder.metrics() if one["stage"] == "m3"]
    best = min(epochs, key=lambda one: one["val_loss"])
    model = read_model_folder(folder.model)
    data = load_training_data(survey, "robust", ALL)
    rows = model.split.mask(data.ids, "validation") & data.has_image & data.has_label
    network = build_network("m3", TINY).eval()
    network.load_state_dict(model.weights["m3"])
    with torch.inference_mode():
        mean = network(image_tensor(data.images[rows], TINY)).mean
    residual = model.scaling.unscale(mean).numpy() - data.labels[rows]
    assert np.sqrt((residual[:, 0] ** 2).mean()) == pytest.approx(
        best["val_rmse_log_age"], rel=1e-3
    )


def test_a_run_folder_is_never_overwritten(finished: tuple, survey: Survey) -> None:
    folder, _ = finished
    before = (folder.path / "run.json").read_bytes()
    with pytest.raises(GalamError, match="there is a run in this folder already"):
        train_run(survey, TINY, ALL, run_dir=folder.path)
    other = TINY.replace(dropout=0.2)
    with pytest.raises(GalamError, match=r"another network \(dropout\)"):
        train_run(survey, other, ALL, run_dir=folder.path, resume=True)
    with pytest.raises(GalamError, match=r"another train \(epochs\)"):
        train_run(survey, TINY, ALL.replace(epochs=9), run_dir=folder.path, resume=True)
    assert (folder.path / "run.json").read_bytes() == before
    assert folder.status()["state"] == "done"


def test_resuming_a_finished_run_trains_nothing(finished: tuple, survey: Survey) -> None:
    folder, _ = finished
    before, model = folder.metrics(), read_model_folder(folder.model).hash
    train_run(survey, TINY, ALL, run_dir=folder.path, resume=True)
    assert folder.metrics() == before
    assert read_model_folder(folder.model).hash == model


def test_a_changed_checkpoint_is_refused(finished: tuple, survey: Survey, tmp_path: Path) -> None:
    folder = RunFolder(shutil.copytree(finished[0].path, tmp_path / "run"))
    path = folder.checkpoints / "m3.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(GalamError, match="has changed since it was written"):
        train_run(survey, TINY, ALL, run_dir=folder.path, resume=True)
    assert folder.status()["state"] == "failed"


def test_cancel_and_resume_give_the_same_metrics(
    survey: Survey, undisturbed: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("galam_explorer.train.callbacks.Reporter.every_seconds", 0.0)
    monkeypatch.setattr("galam_explorer.train.progress._EVERY_SECONDS", 0.0)
    folder = RunFolder(tmp_path / "run")

    def stop(status: dict[str, Any]) -> None:
        if status["stage"] == "m3" and status["epoch"] == 2:
            folder.ask("cancel")

    train_run(survey, TINY, STOPPED, run_dir=folder.path, callback=stop)
    status = folder.status()
    assert status["state"] == "cancelled"
    assert "resumed" in status["message"]
    assert not folder.model.exists()
    assert len(folder.metrics()) < len(undisturbed)
    train_run(survey, TINY, STOPPED, run_dir=folder.path, resume=True)
    assert folder.status()["state"] == "done"
    assert without_time(folder.metrics()) == undisturbed


def test_pause(survey: Survey, undisturbed: list, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    states = []

    def ask(status: dict[str, Any]) -> None:
        if status["stage"] == "m1" and status["state"] == "running" and "paused" not in states:
            folder.ask("pause")
        if status["state"] == "paused":
            folder.ask("run")
        states.append(status["state"])

    train_run(survey, TINY, STOPPED, run_dir=folder.path, callback=ask)
    assert "paused" in states
    assert states[-1] == "done"
    assert without_time(folder.metrics()) == undisturbed


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from training_survey import TINY
from galam_explorer.config import TrainConfig
from galam_explorer.survey import load_survey
from galam_explorer.train import progress, train_run
from galam_explorer.train.callbacks import Reporter

def kill(status):
    if (status["stage"], status["epoch"], status["batch"]) == ("m3", 2, 2):
        os.kill(os.getpid(), signal.SIGKILL)

progress._EVERY_SECONDS = Reporter.every_seconds = 0.0
train_run(
    load_survey(sys.argv[2]), TINY, TrainConfig.from_json(sys.argv[3]), run_dir=sys.argv[4],
    callback=kill,
)
"""


def test_kill_9_and_resume_give_the_same_metrics(
    survey: Survey, undisturbed: list, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    arguments = [Path(__file__).parent, survey.path, STOPPED.to_json(), path]
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], check=False)
    assert killed.returncode == -signal.SIGKILL
    job = TrainingJob.attach(path)
    assert job.status()["state"] == "failed"
    assert "can be resumed" in job.status()["message"]
    assert job.model is None
    assert list_runs(tmp_path)[0]["state"] == "failed"
    # What a crash in the middle of a line leaves.
    with (path / "metrics.jsonl").open("a") as stream:
        stream.write('{"stage": "m3", "epo')
    job.resume()
    assert job.wait(1800)["state"] == "done", (path / "log.txt").read_text()
    assert without_time(job.metrics()) == undisturbed
    assert job.model == path / "model"
    assert read_model_folder(job.model).info["calibration"]


def test_a_run_that_is_at_work_is_left_alone(survey: Survey, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from galam_explorer.train.folder import RunFolder\n"
        "with RunFolder(sys.argv[1]).locked():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    path = tmp_path / "run"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(GalamError, match=f"in use by process {holder.pid} on"):
            train_run(survey, TINY, STOPPED, run_dir=path)
        assert [one.name for one in path.iterdir()] == ["lock"]
        holder.kill()
    with RunFolder(path).locked():
        pass


def test_a_run_on_another_machine_is_judged_by_its_heartbeat(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_status({"state": "running"})
    status = {**folder.status(), "host": "elsewhere"}
    (tmp_path / "status.json").write_text(json.dumps(status))
    with pytest.raises(GalamError, match="on elsewhere"), folder.locked():
        pass
    (tmp_path / "status.json").write_text(json.dumps({**status, "heartbeat": time.time() - 3600}))
    assert run_status(folder)["state"] == "failed"
    with folder.locked():
        pass


def test_bad_requests_write_nothing(survey: Survey, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(GalamError, match="m4 needs m2"):
        train_run(survey, TINY, QUICK.replace(stages=("m1", "m3", "m4")), run_dir=path)
    with pytest.raises(GalamError, match="no run to resume"):
        train_run(survey, TINY, QUICK, run_dir=path, resume=True)
    if not torch.cuda.is_available():
        with pytest.raises(GalamError, match="no cuda device"):
            train_run(survey, TINY, QUICK.replace(device="cuda"), run_dir=path)
    shares = (0.96, 0.02, 0.02)
    with pytest.raises(GalamError, match="1 validation galaxies and needs at least 2"):
        train_run(survey, TINY, QUICK.replace(fractions=shares), run_dir=path)
    same = make_training_survey(tmp_path / "same", 30)
    same.catalog["true_m_h"] = 0.0
    with pytest.raises(GalamError, match="m_h is 0 for all"):
        train_run(same, TINY, QUICK, run_dir=path)
    assert not path.exists()


def test_a_loss_that_is_no_number(
    survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(array: np.ndarray) -> np.ndarray:
        copy = np.array(array)
        return copy if copy.dtype == np.uint8 else np.full_like(copy, np.nan)

    monkeypatch.setattr("galam_explorer.train.data._resident", spoilt)
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(GalamError, match="no longer a number after epoch 1"):
        train_run(survey, TINY, QUICK.replace(stages=("m1",)), run_dir=folder.path)
    assert folder.status()["state"] == "failed"
    assert "no longer a number" in folder.status()["message"]
    assert not folder.model.exists()


def test_the_batch_is_halved_when_memory_runs_out(
    survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from galam_explorer.networks.m1_spectrum import CompactM1

    forward, said = CompactM1.forward, []

    def small_memory(self: CompactM1, spectra: torch.Tensor) -> Any:
        if self.training and len(spectra) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, spectra)

    monkeypatch.setattr(CompactM1, "forward", small_memory)
    train = QUICK.replace(stages=("m1",), batch_size=16)
    folder = train_run(
        survey, TINY, train, run_dir=tmp_path / "a", callback=lambda s: said.append(s["message"])
    )
    assert "out of memory in m1: going on with batches of 4" in said
    assert len(folder.metrics()) == 2
    monkeypatch.setattr(CompactM1, "forward", forward)
    same = train_run(survey, TINY, train.replace(batch_size=4), run_dir=tmp_path / "b")
    assert without_time(same.metrics()) == without_time(folder.metrics())


def test_learning_rates_are_searched(survey: Survey, tmp_path: Path) -> None:
    train = QUICK.replace(stages=("m1",), epochs=1)
    folder = train_run(survey, TINY, train, run_dir=tmp_path / "run", lr_grid=(1e-6, 3e-3))
    found = json.loads((folder.path / "search.json").read_text())["m1"]
    losses = found["val_loss"]
    assert set(losses) == {"1e-06", "0.003"}
    assert losses[f"{found['chosen']:g}"] == min(losses.values())
    assert len(folder.metrics()) == 1
    assert folder.metrics()[0]["val_loss"] == min(losses.values())
    model = read_model_folder(folder.model)
    assert model.train.rate("m1") == found["chosen"]
    alone = train_run(survey, TINY, model.train, run_dir=tmp_path / "alone")
    assert without_time(alone.metrics()) == without_time(folder.metrics())


def test_joint_fine_tuning(survey: Survey, tmp_path: Path) -> None:
    train = QUICK.replace(stages=("m1", "m2", "m3", "m4"), epochs=1, joint_epochs=1)
    folder = train_run(survey, TINY, train, run_dir=tmp_path / "run")
    metrics = folder.metrics()
    assert [one["stage"] for one in metrics] == ["m1", "m2", "m3", "m4", "joint"]
    info = json.loads((folder.checkpoints / "joint.json").read_text())
    model = read_model_folder(folder.model)
    assert model.stages == ("m1", "m2", "m3", "m4")
    from galam_explorer.train.checkpoint import read_stage

    before, _ = read_stage(folder.checkpoints, "m4")
    changed = any(not torch.equal(before[name], one) for name, one in model.weights["m4"].items())
    assert changed != info.get("undone", False)
    if changed:
        assert metrics[-1]["val_loss"] < metrics[-2]["val_loss"]


def test_early_stopping(survey: Survey, tmp_path: Path) -> None:
    train = QUICK.replace(
        stages=("m1",), epochs=30, patience=1, learning_rate=0.03, schedule="constant"
    )
    folder = train_run(survey, TINY, train, run_dir=tmp_path / "run")
    losses = [one["val_loss"] for one in folder.metrics()]
    assert len(losses) < 30
    assert losses[-1] > min(losses)
    assert int(np.argmin(losses)) == len(losses) - 2


def test_paper_networks_train(survey: Survey, tmp_path: Path) -> None:
    train = TrainConfig.paper(
        stages=("m2", "m1"), epochs=1, target="truth", threads=1, fractions=(0.6, 0.2, 0.2)
    )
    assert train.stages == ("m1", "m2")
    assert train.rate("m2") == 1e-3
    folder = train_run(survey, NetworkConfig.paper(resolution=64), train, run_dir=tmp_path / "run")
    assert [one["lr"] for one in folder.metrics()] == [1e-4, 1e-3]


def test_two_processes(survey: Survey, tmp_path: Path) -> None:
    train = QUICK.replace(stages=("m1", "m3"), epochs=1, devices=2, device="cpu")
    job = TrainingJob.start(survey, TINY, train, run_dir=tmp_path / "run")
    status = job.wait(1800)
    assert status["state"] == "done", (tmp_path / "run" / "log.txt").read_text()
    assert [one["stage"] for one in job.metrics()] == ["m1", "m3"]
    alone = train_run(
        survey, TINY, train.replace(devices=1, batch_size=16), run_dir=tmp_path / "alone"
    )
    # Two batches of 8 are one of 16, but for batch normalisation.
    assert alone.metrics()[0]["val_loss"] == pytest.approx(job.metrics()[0]["val_loss"], abs=0.5)
    assert read_model_folder(job.model).stages == ("m1", "m3")


def test_command_line_and_choices(survey: Survey, tmp_path: Path) -> None:
    runner = CliRunner()
    choices = tmp_path / "choices.json"
    write_choices(choices, TINY, QUICK.replace(stages=("m3",), epochs=1))
    assert read_choices(choices)["network"] == TINY
    command = ["train", str(survey.path), "--choices", str(choices), "--run", str(tmp_path / "r/a")]
    done = runner.invoke(app, [*command, "--lr", "m3=1e-3", "--json"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["state"] == "done"
    assert summary["stages"]["m3"]["epoch"] == 1
    listed = runner.invoke(app, ["runs", str(tmp_path / "r"), "--json"])
    [run] = json.loads(listed.stdout.splitlines()[-1])["runs"]
    assert (run["name"], run["state"]) == ("a", "done")
    assert run["model"] == summary["model"]
    info = RunFolder(tmp_path / "r" / "a").info()
    assert info["train"]["learning_rates"] == [["m3", 1e-3]]
    again = runner.invoke(app, command)
    assert again.exit_code == 1
    assert "there is a run in this folder already" in again.stderr
    for wrong in (["--lr", "m3=fast"], ["--stages", "m5"], ["--resume", str(tmp_path)]):
        refused = runner.invoke(app, ["train", str(survey.path), *wrong])
        assert refused.exit_code == 1, wrong
        assert "Error" in refused.stderr

"""Labelling whole surveys: resuming, statuses, processes, a Dask cluster that loses a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from typer.testing import CliRunner

from galam_explorer.cli.main import app
from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels import (
    fit_galaxy,
    label_survey,
    load_label,
    load_labels,
    saved_labels,
)
from galam_explorer.labels.dispersion import (
    dispersion_by_sn,
    recovery_by_sn,
    spread_over_choices,
)
from galam_explorer.records import Galaxy
from galam_explorer.survey import Survey, SurveyWriter, load_survey

QUICK = LabelConfig(mdegree=4, draws=4)


@pytest.fixture(scope="module")
def galaxies() -> list[Galaxy]:
    survey = load_survey("demo")
    ids = [one for one in survey.ids if one.startswith("sim-")]
    found = (survey[one] for one in ids)
    return [one for one, _ in zip((g for g in found if g.spectrum), range(12), strict=False)]


def write_survey(path: Path, galaxies: list[Galaxy], shards: int) -> Survey:
    writer = SurveyWriter(path, "test", "simulated", {})
    size = len(galaxies) // shards
    for index in range(shards):
        writer.write_shard(index, galaxies[index * size : (index + 1) * size])
    return load_survey(path)


@pytest.fixture
def survey(tmp_path: Path, galaxies: list[Galaxy]) -> Survey:
    some = [*galaxies[:10], replace(galaxies[10], spectrum=None), replace(galaxies[11], z=np.nan)]
    return write_survey(tmp_path / "s", some, 3)


def test_every_galaxy_gets_a_label_or_a_reason(survey: Survey) -> None:
    seen = []
    labels = label_survey(survey, QUICK, 1, lambda *now: seen.append(now))
    table = labels.table
    assert table["id"].tolist() == survey.ids
    assert labels.counts() == {"ok": 10, "no_spectrum": 1, "no_redshift": 1}
    assert table["reason"][10:].str.len().min() > 10
    good = table[table["status"] == "ok"]
    assert good["log_age"].between(7.7, 10.2).all()
    assert good["m_h"].between(-1.71, 0.22).all()
    assert all(len(one) == 36 and np.isclose(one.sum(), 1) for one in good["weights"])
    assert good["log_age_std"].to_numpy() == pytest.approx(
        [np.std(one, ddof=1) for one in good["draws_log_age"]], rel=1e-4
    )
    assert table["log_age"][10:].isna().all()
    assert seen[-1] == (12, 12)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_results_are_named_by_their_configuration(survey: Survey) -> None:
    one = label_survey(survey, QUICK.replace(draws=0), 1)
    two = label_survey(survey, QUICK.replace(draws=0, mdegree=3), 1)
    assert one.path != two.path
    assert one.config.template_digest
    assert one.path.stem == one.config.hash
    assert set(saved_labels(survey)) == {one.config.hash, two.config.hash}
    again = load_labels(survey, QUICK.replace(draws=0))
    pd.testing.assert_frame_equal(again.table, one.table)
    with pytest.raises(GalamError, match="no labels with this configuration"):
        load_labels(survey, QUICK.replace(draws=7))


def test_a_stopped_run_goes_on_and_finished_shards_stay(survey: Survey) -> None:
    config = QUICK.replace(draws=0)

    def stop(done: int, total: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_survey(survey, config, 1, stop)
    assert not saved_labels(survey)
    parts = sorted(next((survey.path / "labels").glob("*.parts")).iterdir())
    stamps = [path.stat().st_mtime_ns for path in parts]
    assert len(parts) == 1
    labels = label_survey(survey, config, 1)
    assert labels.notes == ("1 of 3 shards were done",)
    assert [path.stat().st_mtime_ns for path in parts] == stamps
    assert labels.counts()["ok"] == 10


def test_a_survey_that_grew_is_labelled_where_it_is_new(
    survey: Survey, galaxies: list[Galaxy]
) -> None:
    config = QUICK.replace(draws=0)
    before = label_survey(survey, config, 1)
    SurveyWriter(survey.path, "test", "simulated", {}).write_shard(
        3, [replace(galaxies[0], id="new")]
    )
    after = label_survey(load_survey(survey.path), config, 1)
    assert after.notes == ("3 of 4 shards were done",)
    assert len(after) == 13
    pd.testing.assert_frame_equal(after.table[:12], before.table)


def test_processes_and_ppxf_give_the_same_galaxies(survey: Survey) -> None:
    config = QUICK.replace(draws=0, mdegree=0, degree=4)
    one = label_survey(survey, config, 1).table
    copy = Survey(survey.path)
    for path in (survey.path / "labels").rglob("*.parquet"):
        path.unlink()
    two = label_survey(copy, config, 2).table
    pd.testing.assert_frame_equal(one, two, rtol=1e-4, atol=1e-3)
    referee = label_survey(copy, config.replace(engine="ppxf"), 1).table
    assert (referee["status"] == one["status"]).all()
    np.testing.assert_allclose(referee["log_age"][:10], one["log_age"][:10], atol=0.01)


def test_one_saved_label_is_that_of_the_table(survey: Survey) -> None:
    labels = label_survey(survey, QUICK, 1)
    name = labels.config.hash
    for row in (0, 9, 10):
        expected = labels.table.iloc[row]
        one = load_label(survey, name, expected["id"])
        assert (one.status, one.reason) == (expected["status"], expected["reason"])
        np.testing.assert_equal(one.log_age, expected["log_age"])
        if one.status == "ok":
            np.testing.assert_array_equal(one.weights.astype(np.float32), expected["weights"])
            np.testing.assert_array_equal(one.draws[:, 1], expected["draws_m_h"])
        else:
            assert one.weights is one.draws is None
    assert load_label(survey, name, "nobody") is None
    with pytest.raises(GalamError, match="cannot be read"):
        load_label(survey, "0000", "nobody")


def test_one_galaxy_by_either_engine(galaxies: list[Galaxy]) -> None:
    told = []
    config = QUICK.replace(degree=4, mdegree=0)
    one = fit_galaxy(galaxies[0], config)
    two = fit_galaxy(galaxies[0], config.replace(engine="ppxf"), lambda *now: told.append(now))
    assert one.log_age == pytest.approx(two.log_age, abs=0.01)
    assert one.best_fit.shape == two.best_fit.shape
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def worker_processes() -> list[psutil.Process]:
    """Worker processes that label for this one: children of its fork server."""
    servers = psutil.Process().children()
    return [worker for server in servers for worker in server.children()]


def test_a_killed_process_ends_the_run_and_the_next_one_finishes(
    tmp_path: Path, galaxies: list[Galaxy]
) -> None:
    config = LabelConfig(mdegree=0, degree=3, engine="ppxf", ftol=1e-4)
    survey = write_survey(tmp_path / "s", galaxies, 6)
    killed = []

    def kill_one(done: int, total: int) -> None:
        if 0 < done < total and not killed:
            # All of them: an earlier test's may still be waiting for work.
            killed.extend(worker_processes())
            for worker in killed:
                worker.send_signal(signal.SIGKILL)

    with pytest.raises(GalamError, match=r"worker process was killed.*it goes on from here"):
        label_survey(survey, config, 2, kill_one)
    assert killed
    assert not saved_labels(survey)
    folder = next((survey.path / "labels").glob("*.parts"))
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
    assert 1 <= len(finished) < 6
    again = label_survey(survey, config, 2)
    assert again.notes == (f"{len(finished)} of 6 shards were done",)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in finished.items())
    undisturbed = label_survey(write_survey(tmp_path / "u", galaxies, 6), config, 1)
    assert again.counts() == {"ok": 12}
    pd.testing.assert_frame_equal(again.table, undisturbed.table)


def test_the_command(survey: Survey) -> None:
    run = CliRunner().invoke(
        app,
        ["label", str(survey.path), "--draws", "3", "--mdegree", "3", "--workers", "1", "--json"],
    )
    assert run.exit_code == 0, run.output
    summary = json.loads(run.stdout.strip().splitlines()[-1])
    assert summary["counts"]["ok"] == 10
    assert sum(row["galaxies"] for row in summary["dispersion"]) == 10
    wrong = CliRunner().invoke(app, ["label", str(survey.path), "--engine", "magic"])
    assert wrong.exit_code == 1
    assert "LabelConfig.engine" in wrong.output


def test_dispersion_and_recovery_by_sn() -> None:
    n = 400
    rng = np.random.default_rng(5)
    sn = rng.uniform(5, 40, n)
    truth = rng.uniform(9, 10, n)
    table = pd.DataFrame(
        {
            "status": ["ok"] * (n - 1) + ["fit_failed"],
            "log_age": truth + 0.1 + rng.normal(0, 1, n) / sn,
            "m_h": rng.normal(0, 1e-3, n),
            "log_age_std": 1 / sn,
            "m_h_std": 2 / sn,
            "covariance": -1 / sn**2,
        }
    )
    by_sn = dispersion_by_sn(table, sn)
    assert by_sn["galaxies"].sum() == n - 1
    assert by_sn["log_age_std"].is_monotonic_decreasing
    np.testing.assert_allclose(by_sn["m_h_std"], 2 * by_sn["log_age_std"])
    np.testing.assert_allclose(by_sn["correlation"], -0.5)
    recovery = recovery_by_sn(table, truth, np.zeros(n), sn)
    np.testing.assert_allclose(recovery["log_age_bias"], 0.1, atol=0.06)
    assert recovery["log_age_nmad"].iloc[0] > 2 * recovery["log_age_nmad"].iloc[-1]


def test_choices_move_labels(galaxies: list[Galaxy]) -> None:
    choices = ({"mdegree": 3}, {"mdegree": 0, "degree": 4})
    bad = replace(galaxies[0], spectrum=None)
    spread = spread_over_choices([*galaxies[:2], bad], QUICK, choices)
    assert spread["choices"].tolist() == [2, 2, 0]
    expected = abs(spread["log_age_0"] - spread["log_age_1"]) / np.sqrt(2)
    np.testing.assert_allclose(spread["log_age_spread"], expected)
    assert spread["log_age_spread"][0] > 0
    with pytest.raises(GalamError, match="at least two"):
        spread_over_choices(galaxies[:1], QUICK, ({},))


def test_a_cluster_that_is_not_there(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("galam_explorer.labels.run._CONNECT_SECONDS", 2)
    with pytest.raises(GalamError, match="no Dask scheduler answers"):
        label_survey(survey, QUICK, scheduler="tcp://127.0.0.1:9")


def start(*command: str) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_killed_worker_changes_nothing(tmp_path: Path, galaxies: list[Galaxy]) -> None:
    config = LabelConfig(mdegree=3, engine="ppxf", ftol=1e-4)
    survey = write_survey(tmp_path / "s", galaxies, 6)
    information = tmp_path / "scheduler.json"
    scheduler = start(
        "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1",
        "--scheduler-file", str(information),
    )  # fmt: skip
    workers = []
    try:
        deadline = time.monotonic() + 30
        while not information.is_file() and time.monotonic() < deadline:
            time.sleep(0.1)
        address = json.loads(information.read_text())["address"]
        for _ in range(2):
            workers.append(
                start(
                    "distributed.cli.dask_worker",
                    address,
                    "--nthreads",
                    "1",
                    "--no-nanny",
                    "--no-dashboard",
                    "--local-directory",
                    str(tmp_path),
                )
            )
        killed = []

        def kill_one(done: int, total: int) -> None:
            if total / 3 <= done < total and not killed:
                os.kill(workers[0].pid, signal.SIGKILL)
                killed.append(done)

        disturbed = label_survey(survey, config, progress=kill_one, scheduler=address)
        assert killed
        assert workers[0].wait(10) == -signal.SIGKILL
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait(10)
    undisturbed = label_survey(write_survey(tmp_path / "u", galaxies, 6), config, 1)
    assert disturbed.counts() == {"ok": 12}
    pd.testing.assert_frame_equal(disturbed.table, undisturbed.table)

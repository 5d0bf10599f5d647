"""`galam evaluate` and what stands behind it: one protocol, tables, a page without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.table import Table
from typer.testing import CliRunner

from galam_explorer.cli.evaluate import evaluate_command
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.finish import finish_model
from galam_explorer.evaluate.predict import load_model
from galam_explorer.evaluate.protocol import Measured, group_runs, measure
from galam_explorer.evaluate.report import examples_of, make_report
from galam_explorer.evaluate.tables import (
    about_column,
    differences_table,
    feature_table,
    models_table,
    paper_table,
    sn_table,
)
from galam_explorer.evaluate.tables_paper import PAPER_TABLES
from galam_explorer.preprocess import prepare_survey
from galam_explorer.survey import Survey, load_survey
from galam_explorer.train.release import read_model_folder, write_model_folder
from tests.small_survey import make_survey
from tests.tiny_model import SMALL, make_model

STAGES = ("m1", "m2", "m3", "m4", "m4_real", "image_only")


def reseed(path: Path, seed: int) -> None:
    """The same model with other weights, as another seed would give."""
    files = read_model_folder(path)
    torch.manual_seed(seed)
    weights = {
        stage: {
            name: one + 0.02 * torch.randn_like(one) if name.endswith("weight") else one
            for name, one in tensors.items()
        }
        for stage, tensors in files.weights.items()
    }
    info = files.info | {"name": path.name, "train": files.info["train"] | {"seed": seed}}
    write_model_folder(path, info, weights, files.statistics, files.split)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    opened = load_survey(make_survey(tmp_path_factory.mktemp("evaluate") / "survey", 180))
    prepare_survey(opened, "robust", workers=1)
    return opened


@pytest.fixture(scope="module")
def runs(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("runs")
    made = []
    for seed in (0, 1, 2):
        made.append(base / f"seed{seed}")
        make_model(made[-1], survey, STAGES, name=f"seed{seed}")
        reseed(made[-1], seed)
        finish_model(made[-1], survey)
    return made


@pytest.fixture(scope="module")
def measured(runs: list[Path], survey: Survey) -> Measured:
    return measure(runs, survey)


def test_every_model_is_measured_on_the_same_galaxies(measured: Measured, survey: Survey) -> None:
    n = len(measured.ids)
    assert n > 5
    for name in ("m1", "m3", "m4", "m4_real", "image_only"):
        assert measured.predictions[name].shape == (3, n, 2)
        assert np.isfinite(measured.predictions[name]).all()
    assert set(measured.references) == {"truth"}
    assert [run["seed"] for run in measured.runs] == [0, 1, 2]
    # What is left out is counted, and the counts add up to the test set.
    assert n + sum(measured.left_out.values()) == (measured.everyone["set"] == "test").sum()
    assert len(measured.everyone) == len(survey)


def test_predictions_are_those_of_the_model(
    measured: Measured, runs: list[Path], survey: Survey
) -> None:
    table = load_model(runs[1]).predict(survey).set_index("id").loc[list(measured.ids)]
    for name in ("m1", "m4"):
        found = table[[f"{name}_log_age", f"{name}_m_h"]].to_numpy()
        np.testing.assert_allclose(found, measured.predictions[name][1], atol=1e-4)
    assert (table["split"] == "test").all()


def test_the_tables_hold_what_was_measured(measured: Measured) -> None:
    models = models_table(measured, draws=200)
    row = models[(models["model"] == "m4") & (models["quantity"] == "log_age")].iloc[0]
    residual = measured.residuals("m4", "truth", 0)
    assert row["rmse"] == pytest.approx(np.sqrt((residual**2).mean(1)).mean())
    assert row["rmse_seed_sd"] == pytest.approx(np.sqrt((residual**2).mean(1)).std(ddof=1))
    assert row["rmse_low"] <= row["rmse"] <= row["rmse_high"]
    assert row["seeds"] == 3
    differences = differences_table(measured, draws=200)
    one = differences[
        (differences["model"] == "m4")
        & (differences["other"] == "m3")
        & (differences["quantity"] == "log_age")
    ].iloc[0]
    other = models[(models["model"] == "m3") & (models["quantity"] == "log_age")].iloc[0]
    assert one["difference"] == pytest.approx(row["rmse"] - other["rmse"])
    features = feature_table(measured)
    assert features["run"].tolist()[-3:] == ["mean over runs", "SD over runs", "paper"]
    assert {"r2_galaxy_mean", "r2_mean_vector_mean", "r2_feature_median"} <= set(features)
    by_sn = sn_table(measured, "truth")
    inside = by_sn[(by_sn["model"] == "m1") & (by_sn["quantity"] == "m_h")]
    assert inside["n"].sum() == len(measured.ids)


def test_the_papers_tables_stand_beside_ours(measured: Measured) -> None:
    table = paper_table("1", [measured], "truth").set_index("name")
    assert table.loc["MMLforGalAM", "log_age_sd"] == 0.1506
    assert table.loc["Image-only model", "m_h_sd"] == 0.1644
    assert (table["seeds"] == 3).all()
    bands = paper_table("A.2", [measured], "truth").set_index("name")
    assert bands.loc["gri", "ours"] == "3 seeds"
    assert bands.loc["gr", "ours"] == "not run"
    assert np.isnan(bands.loc["gr", "ours_log_age_sd"])
    with pytest.raises(GalamError, match="no table '2'"):
        paper_table("2", [measured])


def test_the_papers_numbers_are_possible() -> None:
    """SD² + bias² is the MSE but for the clip; a mean absolute value is below the rms."""
    for table in PAPER_TABLES.values():
        for row in table.rows:
            for target in (0, 1):
                assert row.sd[target] ** 2 + row.bias[target] ** 2 <= row.mse[target] + 0.003
                possible = row.mae[target] < np.sqrt(row.mse[target])
                # One printed number is not: [M/H] at 64 px.
                assert possible != (row.name == "64 × 64" and target == 1)


def test_columns_know_their_units() -> None:
    assert about_column("rmse_low")[0] == "dex"
    assert about_column("ours_log_age_legacy_sd")[1].startswith("standard deviation after the pub")
    assert about_column("log_age_mse")[0] == "dex2"
    assert about_column("model") == ("", "")


def test_runs_that_are_no_seeds_of_each_other_are_refused(
    runs: list[Path], survey: Survey, tmp_path: Path
) -> None:
    make_model(tmp_path / "other", survey, STAGES, fractions=(0.5, 0.3, 0.2))
    with pytest.raises(GalamError, match="another split"):
        measure([runs[0], tmp_path / "other"], survey)
    make_model(tmp_path / "gr", survey, STAGES, network=SMALL.replace(bands="gr"))
    assert group_runs([*runs, tmp_path / "gr"]) == [runs, [tmp_path / "gr"]]
    with pytest.raises(GalamError, match="no run was given"):
        measure([], survey)
    with pytest.raises(GalamError, match="does not say which survey"):
        measure([runs[0]])


def test_the_report_is_one_page_that_needs_no_network(
    measured: Measured, survey: Survey, tmp_path: Path
) -> None:
    metrics = pd.DataFrame(
        [
            {"stage": stage, "epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.1 / epoch}
            for stage in ("m1", "m4")
            for epoch in (1, 2, 3)
        ]
    )
    examples = examples_of(
        survey, PreprocessConfig.from_dict(measured.survey["preprocess"]), tries=12
    )
    made = make_report([measured], tmp_path, metrics, draws=100, png=False, examples=examples)
    page = made.path.read_text(encoding="utf-8")
    for tag in re.findall(r"<(?:script|link|img|iframe)[^>]*>", page):
        assert "src=" not in tag
        assert "href=" not in tag
    assert "cdn.bokeh.org/bokeh/release/bokeh" not in page.split("</script>")[-2]
    for text in ("Fig. 11", "Fig. 12", "Fig. 13", "Fig. 16", "Table A.2", "not run", "M4, images"):
        assert text in page
    table = Table.read(tmp_path / "tables" / "models.ecsv")
    assert str(table["rmse"].unit) == "dex"
    assert len(table) == len(made.models)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert {one["model"] for one in summary["models"]} >= {"m1", "m3", "m4"}


def test_the_command(runs: list[Path], survey: Survey, tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(evaluate_command)
    arguments = [str(run) for run in runs[:2]]
    arguments += ["--survey", str(survey.path), "--out", str(tmp_path / "report")]
    arguments += ["--draws", "100", "--no-png", "--no-photometry", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["seeds"] == [0, 1]
    assert (tmp_path / "report" / "report.html").is_file()
    failed = CliRunner().invoke(app, [str(tmp_path / "nothing"), "--survey", str(survey.path)])
    assert failed.exit_code == 1
    assert "no such model" in failed.output

"""Photometry measured on cutouts, and the boosted trees that the networks must beat."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.baselines import (
    SETS_OF_PHOTOMETRY,
    fit_photometry,
    mean_prediction,
)
from galam_explorer.evaluate.baselines_photometry import (
    PHOTOMETRY,
    linear_planes,
    measure_survey,
    photometry,
)
from galam_explorer.preprocess import prepare_cutout
from galam_explorer.records import CutoutStages, Galaxy
from galam_explorer.survey import Survey, SurveyWriter, load_survey
from galam_explorer.survey.simulation.colour import frame_to_rgb


@pytest.fixture(scope="module")
def galaxies() -> list[Galaxy]:
    """Simulated galaxies of the demo whose cutout is accepted."""
    survey = load_survey("demo")
    wanted = [one for one in survey.ids if one.startswith("sim-")][:160]
    return [survey[one] for one in wanted]


def measured(galaxies: list[Galaxy]) -> pd.DataFrame:
    rows = []
    for galaxy in galaxies:
        stages = prepare_cutout(galaxy.cutout)
        row = photometry(stages, galaxy.cutout.scale if galaxy.cutout else np.nan)
        rows.append({**row, "id": galaxy.id, "ok": stages.status == "ok"})
    return pd.DataFrame(rows)


def test_the_colour_mapping_is_undone() -> None:
    """From black to just below saturation, fluxes come back within what 8 bits allow."""
    levels = np.geomspace(0.03, 0.6, 200)
    planes = levels[None, :, None] * np.array([0.5, 1.0, 1.3])[:, None, None]
    rgb = frame_to_rgb(np.repeat(planes, 4, axis=2))
    assert rgb.max() < 255
    back = linear_planes(rgb)
    np.testing.assert_allclose(back[1][40:, 0], levels[40:], rtol=0.06)
    # Colours too, where no band is near black.
    np.testing.assert_allclose((back[0] / back[1])[60:, 0], 0.5, rtol=0.06)
    assert (np.diff(back[1][:, 0]) >= 0).all()


def test_magnitudes_and_sizes_follow_the_catalogue(galaxies: list[Galaxy]) -> None:
    table = measured(galaxies)
    keep = table["ok"].to_numpy()
    assert keep.sum() > 80
    petro_mag = np.array([one.petro_mag_r for one in galaxies])[keep]
    petro_r90 = np.array([one.petro_r90_r for one in galaxies])[keep]
    found = table[keep]
    difference = found["mag_r"].to_numpy() - petro_mag
    assert abs(np.median(difference)) < 0.25
    assert 1.4826 * np.median(np.abs(difference - np.median(difference))) < 0.15
    r90 = found["r50"] * found["concentration"]
    assert np.corrcoef(np.log(r90), np.log(petro_r90))[0, 1] > 0.8
    assert found["axis_ratio"].between(0, 1).all()
    assert found["g_r"].between(-0.2, 2.0).all()


def test_old_galaxies_are_red(galaxies: list[Galaxy]) -> None:
    table = measured(galaxies)
    keep = table["ok"].to_numpy()
    age = np.array([one.truth["true_log_age"] for one in galaxies])[keep]
    assert np.corrcoef(table["g_r"][keep], age)[0, 1] > 0.5


def test_sizes_and_magnitudes_need_a_scale(galaxies: list[Galaxy]) -> None:
    stages = next(one for one in (prepare_cutout(g.cutout) for g in galaxies) if one.status == "ok")
    known, unknown = photometry(stages, 0.396), photometry(stages)
    assert set(known) == set(PHOTOMETRY)
    assert np.isfinite(list(known.values())).all()
    for name in ("mag_g", "mag_r", "mag_i", "r50", "mask_axis", "surface_brightness"):
        assert np.isnan(unknown[name])
    for name in SETS_OF_PHOTOMETRY["colours"]:
        assert unknown[name] == pytest.approx(known[name])
    # Twice the scale: four times the light, twice the size.
    twice = photometry(stages, 0.792)
    assert twice["mag_r"] == pytest.approx(known["mag_r"] - 2.5 * np.log10(4))
    assert twice["r50"] == pytest.approx(2 * known["r50"])
    assert twice["surface_brightness"] == pytest.approx(known["surface_brightness"])


def test_no_mask_no_photometry() -> None:
    found = photometry(CutoutStages("no_ellipse"))
    assert np.isnan(list(found.values())).all()


def small_copy(tmp_path: Path, galaxies: list[Galaxy]) -> Survey:
    few = [*galaxies[:6], dataclasses.replace(galaxies[6], cutout=None)]
    SurveyWriter(tmp_path / "s", "few", "simulated", {}).append(few)
    return Survey(tmp_path / "s")


def test_a_survey_is_measured_once(tmp_path: Path, galaxies: list[Galaxy]) -> None:
    survey = small_copy(tmp_path, galaxies)
    told = []
    table = measure_survey(survey, "robust", lambda done, total: told.append((done, total)))
    assert table["id"].tolist() == survey.ids
    assert told[-1] == (7, 7)
    assert table.drop(columns="id").iloc[6].isna().all()
    told.clear()
    again = measure_survey(survey, "robust", lambda done, total: told.append((done, total)))
    assert not told
    pd.testing.assert_frame_equal(table, again)
    # A damaged file is measured again.
    (file,) = (survey.cache_dir / "photometry").iterdir()
    file.write_bytes(b"PAR1")
    pd.testing.assert_frame_equal(table, measure_survey(survey))
    shutil.rmtree(survey.cache_dir / "photometry")


def synthetic(n: int = 900) -> tuple[pd.DataFrame, np.ndarray]:
    """Ages follow colour, metallicities follow size; the rest is noise."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame({name: rng.normal(size=n) for name in PHOTOMETRY})
    labels = np.column_stack(
        [9.5 + 0.3 * np.tanh(table["g_r"]), -0.1 + 0.2 * table["r50"]]
    ) + rng.normal(0, 0.05, (n, 2))
    return table, labels


def sets(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    part = np.arange(n) % 10
    return part < 8, part == 8, part == 9


def test_the_baseline_learns_what_there_is() -> None:
    table, labels = synthetic()
    train, validation, test = sets(len(table))
    fitted = fit_photometry(table, labels, train, validation)
    error = fitted.predict(table[test]) - labels[test]
    plain = mean_prediction(labels, train, len(table))[test] - labels[test]
    rmse, floor = np.sqrt((error**2).mean(0)), np.sqrt((plain**2).mean(0))
    assert (rmse < 0.45 * floor).all()
    top = fitted.importance.set_index("column")
    assert top["log_age"].idxmax() == "g_r"
    assert top["m_h"].idxmax() == "r50"
    # Colours alone know nothing of the size.
    colours = fit_photometry(table, labels, train, validation, SETS_OF_PHOTOMETRY["colours"])
    error = colours.predict(table[test]) - labels[test]
    assert np.sqrt((error[:, 1] ** 2).mean()) > 0.9 * floor[1]


def test_the_test_galaxies_do_not_leak() -> None:
    table, labels = synthetic()
    train, validation, test = sets(len(table))
    fitted = fit_photometry(table, labels, train, validation)
    other = labels.copy()
    other[test] += 5.0
    again = fit_photometry(table, other, train, validation)
    np.testing.assert_array_equal(fitted.predict(table), again.predict(table))


def test_missing_photometry_and_labels() -> None:
    table, labels = synthetic(400)
    train, validation, _ = sets(400)
    table.loc[table.index % 7 == 0, "mag_g"] = np.nan
    table.loc[3, :] = np.nan
    labels[train & (np.arange(400) % 3 == 0)] = np.nan
    found = fit_photometry(table, labels, train, validation).predict(table)
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, axis=0)).all()


def test_too_few_galaxies_are_refused() -> None:
    table, labels = synthetic(60)
    train, validation, _ = sets(60)
    with pytest.raises(GalamError, match="6 validation galaxies"):
        fit_photometry(table, labels, train, validation)
    with pytest.raises(GalamError, match="no photometry 'u_g'"):
        fit_photometry(table, labels, train, train, ("u_g",))

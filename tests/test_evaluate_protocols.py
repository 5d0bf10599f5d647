"""Shuffled inputs, the legacy protocol, real spectra; on models/demo where it is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from galam_explorer.config import LabelConfig, NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.finish import finish_model
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict import load_model
from galam_explorer.evaluate.protocol import Measured
from galam_explorer.evaluate.protocol_attention import untrained_attention
from galam_explorer.evaluate.protocol_legacy import (
    clip_table,
    gain_table,
    measure_legacy,
    overlap,
    scaling_table,
    train_legacy,
)
from galam_explorer.evaluate.protocol_real import (
    compare_real,
    domain_table,
    real_galaxies,
    summarise_real,
)
from galam_explorer.evaluate.protocol_shuffle import FusionInputs, fusion_inputs, shuffle_table
from galam_explorer.networks import build_network
from galam_explorer.preprocess import prepare_survey
from galam_explorer.survey import Survey, SurveyWriter, load_survey
from galam_explorer.survey.demo import ppxf_spectra
from galam_explorer.train.checkpoint import read_stage
from galam_explorer.train.data import LabelScaling
from galam_explorer.train.split import make_split
from tests.small_survey import galaxies, make_survey
from tests.tiny_model import SMALL, make_model

DEMO = Path(__file__).parents[1] / "models" / "demo" / "model.json"
needs_demo = pytest.mark.skipif(not DEMO.is_file(), reason="models/demo is not released yet")


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    opened = load_survey(make_survey(tmp_path_factory.mktemp("protocols") / "survey", 90))
    prepare_survey(opened, "robust", workers=1)
    return opened


@pytest.fixture(scope="module")
def model(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("model") / "tiny"
    make_model(path, survey)
    return finish_model(path, survey)


def both(survey: Survey) -> np.ndarray:
    """Rows with image and spectrum."""
    status = prepare_survey(survey, "robust", workers=1).status
    good = (status["image_status"] == "ok") & (status["spectrum_status"] == "ok")
    return np.flatnonzero(good.to_numpy())


def truth(survey: Survey) -> np.ndarray:
    return survey.catalog[["true_log_age", "true_m_h"]].to_numpy(float)


def test_unshuffled_inputs_give_the_models_own_predictions(model: Model, survey: Survey) -> None:
    rows, sample = both(survey), prepare_survey(survey, "robust", workers=1)
    table = shuffle_table(model, sample, rows, truth(survey)[rows], np.array([9.4, -0.1]))
    said = model.predict(survey).iloc[rows]
    for stage in ("m4", "m4_real"):
        error = said[f"{stage}_log_age"].to_numpy() - truth(survey)[rows, 0]
        mine = table[(table["model"] == stage) & (table["quantity"] == "log_age")]
        rmse = mine.set_index("shuffled")["rmse"]
        assert rmse["none"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
        assert set(rmse.index) == {"none", "images", "features", "tokens", "mean"}


def test_exchanging_images_exchanges_predictions(model: Model, survey: Survey) -> None:
    """With everything from another galaxy, the prediction is that other galaxy's."""
    rows, sample = both(survey), prepare_survey(survey, "robust", workers=1)
    own = fusion_inputs(model, sample, rows)
    assert own.features.shape == (len(rows), 1024)
    assert float(own.features.min()) == 0
    other = fusion_inputs(model, sample, rows[::-1].copy())
    torch.testing.assert_close(own.features.flip(0), other.features)
    torch.testing.assert_close(own.tokens.flip(0), other.tokens)
    with pytest.raises(GalamError, match="At least two galaxies"):
        shuffle_table(model, sample, rows[:1], truth(survey)[rows[:1]], np.zeros(2))


@needs_demo
def test_the_released_m4_needs_its_image_and_its_features() -> None:
    """Shuffled images: no skill at all. Shuffled features: worse than as given."""
    survey, model = load_survey("demo"), load_model("demo")
    sample = prepare_survey(survey, model.preprocess)
    status = sample.status
    known = np.isfinite(truth(survey)).all(axis=1)
    good = known & (status["image_status"] == "ok").to_numpy()
    rows = np.flatnonzero(good & (status["spectrum_status"] == "ok").to_numpy())
    reference = truth(survey)[rows]
    table = shuffle_table(model, sample, rows, reference, reference.mean(axis=0))
    for stage in ("m4", "m4_real"):
        mine = table[(table["model"] == stage) & (table["quantity"] == "log_age")]
        found = mine.set_index("shuffled")
        assert found.loc["none", "r2"] > 0.5
        # Someone else's image is worth no more than the mean of all.
        assert found.loc["images", "rmse"] >= found.loc["mean", "rmse"]
        assert found.loc["images", "r2"] < 0.02
        assert found.loc["features", "rmse"] > found.loc["none", "rmse"]
    real = table[(table["model"] == "m4_real") & (table["quantity"] == "log_age")]
    real = real.set_index("shuffled")
    assert real.loc["features", "rmse"] > 1.2 * real.loc["none", "rmse"]


def measured(seed: int = 1) -> Measured:
    """Gaussian residuals: M4 20 % better than M3."""
    rng = np.random.default_rng(seed)
    reference = rng.normal(9.5, 0.3, (4000, 2))
    spread = {"m3": 0.2, "m4": 0.16, "m1": 0.1}
    said = {k: (reference + rng.normal(0, s, reference.shape))[None] for k, s in spread.items()}
    return Measured({}, [], np.arange(4000).astype(str), np.full(4000, 20.0),
                    {"label": reference}, said)  # fmt: skip


def test_the_clip_shrinks_gaussian_scatter_by_a_sixth() -> None:
    table = clip_table(measured())
    np.testing.assert_allclose(table["ratio"], 0.835, atol=0.02)
    np.testing.assert_allclose(table["kept"], 0.93, atol=0.015)
    gain = gain_table(measured())
    mine = gain[(gain["model"] == "m4") & (gain["protocol"] == "clean")]
    np.testing.assert_allclose(mine["gain"], 0.2, atol=0.03)
    assert set(gain["protocol"]) == {"clean", "clean, published clip"}


def test_splits_with_other_seeds_overlap(survey: Survey) -> None:
    first, second = make_split(survey.catalog), make_split(survey.catalog, seed=1)
    shared = overlap(first, second)
    test = set(first.test)
    assert shared["train"] == pytest.approx(len(test & set(second.train)) / len(test))
    assert shared["train"] > 0.5
    assert overlap(first, first) == {"train": 0.0, "validation": 0.0}


def test_scaling_by_all_galaxies_reaches_further() -> None:
    catalog = pd.DataFrame({"id": [f"g{i:03d}" for i in range(200)], "ra": np.nan, "dec": np.nan})
    split, ids = make_split(catalog), catalog["id"].to_numpy(dtype=str)
    labels = np.random.default_rng(2).normal(9.5, 0.3, (200, 2))
    outlier = int(np.flatnonzero(split.mask(ids, "test"))[0])
    labels[outlier] = (12.0, -3.0)
    table = scaling_table(labels, split, ids).set_index("quantity")
    assert table.loc["log_age", "high_all"] == pytest.approx(12.0)
    assert table.loc["log_age", "high"] < 11.5
    assert table.loc["m_h", "low_all"] == pytest.approx(-3.0)
    assert table.loc["log_age", "outside"] >= 1 / split.mask(ids, "test").sum()


def test_the_legacy_run_learns_from_the_other_m1(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    varied = [
        replace(one, truth=one.truth | {"true_m_h": float(rng.uniform(-1, 0.3))})
        for one in galaxies(90)
    ]
    SurveyWriter(tmp_path / "survey", "varied", "simulated", {}).append(varied)
    survey = load_survey(tmp_path / "survey")
    prepare_survey(survey, "robust", workers=1)
    train = TrainConfig(
        stages=("m1", "m2", "m3", "m4"), target="truth", epochs=1, fractions=(0.4, 0.3, 0.3),
        device="cpu", threads=1,
    )  # fmt: skip
    first, rest = train_legacy(survey, tmp_path, SMALL, train)
    weights = [read_stage(one.checkpoints, "m1")[0] for one in (first, rest)]
    for name, one in weights[0].items():
        torch.testing.assert_close(one, weights[1][name])
    assert {line["stage"] for line in rest.metrics()} == {"m2", "m3", "m4"}
    found = measure_legacy(first, rest, survey)
    alone = load_model(first.path).predict(survey).set_index("id").loc[list(found.ids)]
    np.testing.assert_allclose(found.predictions["m1"][0, :, 0], alone["m1_log_age"], atol=1e-4)
    # What is finished is not trained again.
    before = (rest.model / "model.json").stat().st_mtime_ns
    train_legacy(survey, tmp_path, SMALL, train)
    assert (rest.model / "model.json").stat().st_mtime_ns == before


def test_a_random_attention_stays_random() -> None:
    """Only the rest learns; labels that follow the features are learned either way."""
    network = NetworkConfig(width=0.25, heads=2, queries=4)
    width = build_network("m4", network).token.in_features
    generator = torch.Generator().manual_seed(1)
    latent = torch.rand(256, 1, generator=generator)
    features = latent * torch.rand(1024, generator=generator)
    features = features + 0.05 * torch.rand(256, 1024, generator=generator)
    tokens = torch.rand(256, 64, width, generator=generator)
    labels = 9 + np.repeat(latent.numpy(), 2, axis=1)
    inputs = {"train": FusionInputs(features, tokens), "test": FusionInputs(features, tokens)}
    known, scaling = {"train": labels, "test": labels}, LabelScaling.fit(labels)
    kept = [
        untrained_attention(inputs, known, network, scaling, trained, epochs=10, rate=3e-3)
        for trained in (True, False)
    ]
    for found in kept:
        assert found["log_age"] < 0.5 * labels[:, 0].std()
    assert kept[0]["log_age"] != kept[1]["log_age"]


def test_real_spectra_get_labels_and_predictions(model: Model, tmp_path: Path) -> None:
    paths = ppxf_spectra()
    if not paths:
        pytest.skip("this ppxf ships no SDSS spectra")
    for path in paths:
        (tmp_path / f"spec-{path.stem}.fits").write_bytes(path.read_bytes())
    (tmp_path / "spec-broken.fits").write_bytes(b"SIMPLE")
    found, failed = real_galaxies(tmp_path)
    assert len(found) == len(paths)
    assert list(failed) == ["spec-broken.fits"]
    table = compare_real(model, found)
    assert (table["label_status"] == "ok").all()
    assert table["m1_log_age"].notna().any()
    summary = summarise_real(table)
    everyone = summary[(summary["galaxies"] == "all") & (summary["quantity"] == "log_age")].iloc[0]
    error = (table["m1_log_age"] - table["label_log_age"]).dropna()
    assert everyone["bias"] == pytest.approx(error.mean())
    with pytest.raises(GalamError, match=r"no spec-\*.fits"):
        real_galaxies(tmp_path / "nothing")


def test_the_domain_score_is_told_by_group(model: Model, survey: Survey) -> None:
    some = [survey[one] for one in survey.ids[:20]]
    table = domain_table(model, {"simulated": some, "nobody": []})
    assert set(table["input"]) <= {"spectrum", "image"}
    assert set(table["group"]) == {"simulated"}
    image = table[table["input"] == "image"].iloc[0]
    with_cutout = sum(one.cutout is not None for one in some)
    assert image["galaxies"] + image["rejected"] == with_cutout
    assert 0 <= image["outside"] <= 1


@needs_demo
def test_m1_reads_real_spectra_near_their_labels(shared_data: Path) -> None:
    """Loose: the simulation lacks what real spectra have; tools/evaluate_real.py prints it."""
    model = load_model("demo")
    found, failed = real_galaxies(shared_data, {"/legacy/": 0.1})
    assert not failed
    table = compare_real(model, found)
    summary = summarise_real(table)
    mine = summary[(summary["galaxies"] == "all") & (summary["quantity"] == "log_age")].iloc[0]
    assert mine["n"] >= 15
    assert abs(mine["bias"]) < 0.6
    assert mine["nmad"] < 0.6
    assert LabelConfig.from_dict(model.info["label"]).templates == "embedded"

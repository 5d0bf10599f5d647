"""Loading models, and predicting galaxies, arrays, samples and surveys."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from predict_setup import finished_model, prepared_survey
from small_survey import IMAGE_ONLY, REJECTED, SPECTRUM_ONLY, WITH_BOTH, make_survey
from tiny_model import make_model

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate import predict_survey as streaming
from galam_explorer.evaluate.finish import finish_model
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict import load_model
from galam_explorer.preprocess import load_prepared, prepare_cutout, prepare_survey
from galam_explorer.survey import Survey, load_survey

PREDICTORS = ("m1", "m3", "m4", "m4_real")


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return prepared_survey(tmp_path_factory.mktemp("predict"))


@pytest.fixture(scope="module")
def folder(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_model(tmp_path_factory.mktemp("models"), survey)


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_model(folder)


def test_a_galaxy_with_both_gets_every_prediction(model: Model, survey: Survey) -> None:
    made = model.predict(survey[WITH_BOTH])
    assert tuple(made) == PREDICTORS == model.predictors
    for one in made.values():
        assert one.status == "ok"
        assert one.id == WITH_BOTH
        for value, inner, outer in (
            (one.log_age, one.log_age_68, one.log_age_90),
            (one.m_h, one.m_h_68, one.m_h_90),
        ):
            assert outer[0] <= inner[0] < value < inner[1] <= outer[1]


def test_what_is_missing_is_said_and_the_rest_is_predicted(model: Model, survey: Survey) -> None:
    image = model.predict(survey[IMAGE_ONLY])
    assert image["m1"].status == image["m4_real"].status == "no_spectrum"
    assert "spectrum" in image["m1"].reason
    assert np.isnan(image["m1"].log_age)
    assert np.isnan(image["m1"].log_age_90).all()
    assert np.isfinite(image["m4"].log_age)
    spectrum = model.predict(survey[SPECTRUM_ONLY])
    assert spectrum["m1"].status == "ok"
    assert {spectrum[name].status for name in ("m3", "m4", "m4_real")} == {"no_cutout"}
    rejected = model.predict(survey[REJECTED])
    assert rejected["m3"].status == prepare_cutout(survey[REJECTED].cutout).status != "ok"
    assert rejected["m3"].reason


def test_every_way_to_ask_gives_the_same_numbers(model: Model, survey: Survey) -> None:
    table = model.predict(survey)
    assert table["id"].tolist() == survey.ids
    sample = load_prepared(survey, "robust")
    from_sample = model.predict(sample, sn_r=streaming.known_noise(survey, np.arange(len(survey))))
    galaxies = [survey[one] for one in survey.ids[:7]]
    from_list = model.predict(galaxies)
    columns = [name for name in table.columns if table[name].dtype == float]
    assert len(columns) > 40
    for name in columns:
        np.testing.assert_allclose(from_sample[name], table[name], atol=2e-4, err_msg=name)
        np.testing.assert_allclose(from_list[name], table[name][:7], atol=2e-4, err_msg=name)
    one = model.predict(survey[WITH_BOTH])["m1"]
    row = table.set_index("id").loc[WITH_BOTH]
    assert one.log_age == pytest.approx(row["m1_log_age"], abs=2e-4)
    assert one.m_h_68[1] == pytest.approx(row["m1_m_h_hi68"], abs=2e-4)
    assert one.domain_score == pytest.approx(row["m1_domain"], abs=2e-3)
    rows = sample.rows(status="ok")[:5]
    noise = survey.column("sn_r")[rows]
    arrays = model.predict(images=sample.images[rows], spectra=sample.spectra[rows], sn_r=noise)
    np.testing.assert_allclose(arrays["m4_real_log_age"], table["m4_real_log_age"][rows], atol=2e-4)
    assert arrays["split"].eq("").all()


def test_the_forward_pass_is_the_networks_own(model: Model, survey: Survey) -> None:
    """An independent computation of M4, step by step as the paper draws it."""
    galaxy = survey[WITH_BOTH]
    crop = prepare_cutout(galaxy.cutout).cropped
    pixels = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
    features = model.networks["m2"](pixels).features
    features = (features - features.min()) / (features.max() - features.min())
    tokens = model.networks["m3"](pixels).tokens
    mean = model.networks["m4"](features, tokens).mean[0].double().numpy()
    low, high = np.array([8.5, -1.0]), np.array([10.1, 0.3])
    made = model.predict(galaxy)["m4"]
    np.testing.assert_allclose([made.log_age, made.m_h], low + mean * (high - low), atol=1e-4)


def test_features_are_compared_with_the_mean_vector(model: Model, survey: Survey) -> None:
    both = model.features(survey[WITH_BOTH])
    assert both.real.shape == both.simulated.shape == both.feature_r2.shape == (1024,)
    assert both.real.min() == 0
    assert both.real.max() == 1
    assert both.simulated.min() >= 0
    about = ((both.real - both.real.mean()) ** 2).sum()
    assert both.r2 == pytest.approx(1 - ((both.real - both.simulated) ** 2).sum() / about, rel=1e-4)
    assert both.r2_mean == pytest.approx(1 - ((both.real - both.mean) ** 2).sum() / about, rel=1e-4)
    alone = model.features(survey[IMAGE_ONLY])
    assert alone.real is None
    assert "spectrum" in alone.reason
    assert alone.simulated is not None
    assert np.isnan(alone.r2)


def test_a_survey_is_predicted_once_and_again_where_it_changed(
    folder: Path, survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "survey"
    shutil.copytree(survey.path, copy)
    shutil.rmtree(copy / "predictions", ignore_errors=True)
    opened, model = load_survey(copy), load_model(folder)
    steps: list[tuple[int, int]] = []
    table = model.predict(opened, workers=1, progress=lambda *at: steps.append(at))
    assert steps[-1] == (180, 180)
    assert streaming.prediction_path(model, opened).is_file()
    monkeypatch.setattr(Model, "raw", lambda *_: pytest.fail("predicted again"))
    pd.testing.assert_frame_equal(load_model(folder).predict(load_survey(copy)), table)
    monkeypatch.undo()
    make_survey(tmp_path / "other", 30)
    shard = next((tmp_path / "other" / "shards").iterdir())
    shutil.copy(shard, copy / "shards" / "part-00000.parquet")
    changed = load_survey(copy)
    assert len(model.predict(changed, workers=1)) == 30


def test_a_stopped_prediction_goes_on_with_the_next_shard(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_survey(tmp_path / "survey", 30)
    make_survey(tmp_path / "more", 60)
    shard = next((tmp_path / "more" / "shards").iterdir())
    shutil.copy(shard, path / "shards" / "part-00001.parquet")
    opened, model = load_survey(path), load_model(folder)
    assert len(opened.shards) == 2
    prepare_survey(opened, "robust", workers=1)

    def stop(done: int, total: int) -> None:
        if done > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.predict(opened, progress=stop)
    seen: list[int] = []
    real = Model.raw
    monkeypatch.setattr(
        Model, "raw", lambda self, one, *rest: (seen.append(len(one)), real(self, one, *rest))[1]
    )
    assert len(model.predict(opened)) == 60
    assert sum(seen) == 30


def test_threads_get_the_same_answers(model: Model, survey: Survey) -> None:
    wanted = {one: model.predict(survey[one])["m4"].log_age for one in survey.ids[:12]}
    wrong: list[str] = []

    def ask(ids: list[str]) -> None:
        for one in ids:
            made = model.predict(survey[one])["m4"].log_age
            if not np.array_equal(made, wanted[one], equal_nan=True):
                wrong.append(one)

    ids = list(wanted)
    threads = [threading.Thread(target=ask, args=(ids[k:] + ids[:k],)) for k in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong


def test_the_split_is_known_for_the_training_survey_only(
    model: Model, survey: Survey, tmp_path: Path
) -> None:
    table = model.predict(survey)
    counts = table["split"].value_counts().to_dict()
    assert counts == model.split.counts
    other = load_survey(make_survey(tmp_path / "other", 20))
    assert set(other.ids) <= set(survey.ids)  # the same names, other galaxies
    assert (model.splits_of(other) == "").all()


def test_another_preprocessing_changes_the_input(model: Model, survey: Survey) -> None:
    galaxy = survey[WITH_BOTH]
    plain = model.predict(galaxy)["m3"].log_age
    wide = PreprocessConfig.robust().replace(ellipse_scale=3.0)
    changed = model.predict(galaxy, preprocess=wide)["m3"].log_age
    assert changed != plain
    stages = prepare_cutout(galaxy.cutout, wide)
    assert model.predict_stages(galaxy, stages)["m3"].log_age == changed


def test_noise_is_measured_where_the_catalogue_says_nothing(
    folder: Path, model: Model, survey: Survey
) -> None:
    galaxy = survey["sim-000009"]
    assert galaxy.spectrum is not None
    known = model.predict(replace(galaxy, sn_r=20.0))["m1"]
    measured = model.predict(replace(galaxy, sn_r=float("nan")))["m1"]
    assert known.log_age == measured.log_age
    assert np.isfinite(measured.log_age_68).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "images, spectra or both"),
        ({"images": np.zeros((2, 64, 64, 3), np.uint8)}, "128"),
        ({"images": np.zeros((2, 128, 128, 3), np.float32)}, "uint8"),
        ({"spectra": np.zeros((2, 4000), np.float32)}, "4171"),
        ({"spectra": np.full((2, 4171), np.nan, np.float32)}, "finite"),
        (
            {"spectra": np.zeros((2, 4171)), "images": np.zeros((3, 128, 128, 3), np.uint8)},
            "floats (3, 4171)",
        ),
        ({"spectra": np.zeros((2, 4171)), "sn_r": np.ones(5)}, "2 values"),
    ],
)
def test_arrays_of_another_shape_are_refused(model: Model, arrays: dict, message: str) -> None:
    with pytest.raises(GalamError, match=message.replace("(", r"\(").replace(")", r"\)")):
        model.predict(**arrays)


def test_a_sample_of_another_preprocessing_is_refused(model: Model, survey: Survey) -> None:
    other = PreprocessConfig.robust().replace(tolerance=1.0)
    sample = prepare_survey(survey, other, workers=1)
    with pytest.raises(GalamError, match="another configuration"):
        model.predict(sample)


def test_what_cannot_be_loaded_says_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(GalamError, match="no such model"):
        load_model(tmp_path / "nothing")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(GalamError, match=r"no model\.json"):
        load_model(empty)
    (empty / "run.json").write_text("{}")
    with pytest.raises(GalamError, match="no model yet"):
        load_model(empty)
    with pytest.raises(GalamError, match="no fpga device"):
        load_model(folder, device="fpga")


def test_a_changed_byte_a_missing_file_and_a_newer_schema_are_noticed(
    folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    weights = broken / "m3.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(GalamError, match="changed"):
        load_model(broken)
    weights.unlink()
    with pytest.raises(GalamError, match=r"m3\.safetensors"):
        load_model(broken)
    shutil.copy(folder / "m3.safetensors", weights)
    assert load_model(broken).hash == load_model(folder).hash
    info = json.loads((broken / "model.json").read_text())
    (broken / "model.json").write_text(json.dumps(info | {"schema": 999}))
    with pytest.raises(GalamError, match="newer version"):
        load_model(broken)


def test_a_model_of_fewer_networks_predicts_what_it_can(survey: Survey, tmp_path: Path) -> None:
    make_model(tmp_path / "m1", survey, stages=("m1",))
    model = load_model(tmp_path / "m1")
    assert model.predictors == ("m1",)
    made = model.predict(survey[WITH_BOTH])
    assert set(made) == {"m1"}
    assert np.isnan(made["m1"].log_age_68).all()  # not finished: no calibration
    assert made["m1"].in_domain
    with pytest.raises(GalamError, match="no network m2"):
        model.require("m1", "m2")
    make_model(tmp_path / "image", survey, stages=("image_only",))
    finish_model(tmp_path / "image", survey)
    image = load_model(tmp_path / "image").predict(survey[WITH_BOTH])["image_only"]
    assert np.isfinite(image.domain_score)
    assert np.isfinite(image.log_age_90).all()


def test_a_model_is_finished_with_its_own_survey_only(survey: Survey, tmp_path: Path) -> None:
    make_model(tmp_path / "model", survey)
    other = load_survey(make_survey(tmp_path / "other", 20))
    with pytest.raises(GalamError, match="not the survey"):
        finish_model(tmp_path / "model", other)
    before = load_model(tmp_path / "model")
    after = finish_model(tmp_path / "model", survey)
    assert before.hash != after.hash
    assert after.calibration.target == "truth"
    assert after.calibration.galaxies["m3"] > after.calibration.galaxies["m1"] >= 20
    assert set(after.domains) == {"spectrum", "image"}
    coverage = pd.DataFrame(after.info["calibration"]["coverage"])
    assert {"m1", "m4"} <= set(coverage["network"])
    again = finish_model(tmp_path / "model", survey)
    assert again.hash == after.hash

"""Attention, ablation, gradients, saliency and neighbours against independent computations."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from small_survey import IMAGE_ONLY, REJECTED, SPECTRUM_ONLY, WITH_BOTH, make_survey
from tiny_model import make_model
from torch import nn

from galam_explorer.config import NetworkConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate import explain
from galam_explorer.evaluate.finish import finish_model
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict import load_model
from galam_explorer.preprocess import prepare_spectrum, prepare_survey
from galam_explorer.records import Galaxy
from galam_explorer.survey import Survey, load_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    opened = load_survey(make_survey(tmp_path_factory.mktemp("explain") / "survey", 180))
    prepare_survey(opened, "robust", workers=1)
    return opened


@pytest.fixture(scope="module")
def model(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "tiny"
    make_model(path, survey)
    finish_model(path, survey)
    return load_model(path)


@pytest.fixture(scope="module")
def galaxy(survey: Survey) -> Galaxy:
    return survey[WITH_BOTH]


@pytest.mark.parametrize("predictor", ["m4", "m4_real"])
def test_attention_is_a_distribution_over_the_image(
    model: Model, galaxy: Galaxy, predictor: str
) -> None:
    maps = explain.attention_maps(model, galaxy, predictor)
    assert maps.weights.shape == (2, 4, 8, 8)
    np.testing.assert_allclose(maps.weights.sum(axis=(2, 3)), 1, rtol=1e-5)
    assert maps.mean.shape == (8, 8)
    assert maps.image.shape == (128, 128, 3)
    y0, y1, x0, x1 = maps.crop_box
    assert y1 > y0
    assert x1 > x0
    assert not maps.note
    assert model.attention(galaxy, predictor).weights.sum() == pytest.approx(8)


def test_tokens_are_places_of_the_image(model: Model, galaxy: Galaxy) -> None:
    """A change in one corner of the input changes that corner's token the most."""
    pixels = torch.rand(1, 3, 128, 128)
    changed = pixels.clone()
    changed[:, :, :8, 112:120] = 0  # top, right
    with torch.inference_mode():
        first, second = (model.networks["m3"](one).tokens for one in (pixels, changed))
    moved = (first - second).abs().sum(dim=2).reshape(8, 8)
    row, column = divmod(int(moved.argmax()), 8)
    assert (row, column) in {(0, 6), (0, 7), (0, 5), (1, 7), (1, 6)}


def test_ablation_is_the_prediction_without_that_token(model: Model, galaxy: Galaxy) -> None:
    """The same by masking one key at a time with -inf in a copy of the network."""
    found = explain.ablate_tokens(model, galaxy)
    features, tokens, _ = explain._fusion_inputs(model, galaxy, "m4")

    class Masked(nn.Module):
        def __init__(self, attention: nn.Module, token: int) -> None:
            super().__init__()
            self.inner, self.token = attention, token

        def forward(self, queries: torch.Tensor, keys: torch.Tensor) -> tuple:
            a = self.inner
            q, k, v = (
                a._split(p(x)) for p, x in ((a.query, queries), (a.key, keys), (a.value, keys))
            )
            scores = q @ k.transpose(2, 3) * a.head_width**-0.5
            scores[..., self.token] = -torch.inf
            mixed = scores.softmax(-1) @ v
            return a.out(mixed.transpose(1, 2).flatten(2)), scores

    width = np.asarray(model.scaling.width)
    for token in (0, 9, 63):
        network = copy.deepcopy(model.networks["m4"])
        network.attention = Masked(network.attention, token)
        with torch.inference_mode():
            changed = network(features, tokens).mean - model.networks["m4"](features, tokens).mean
        wanted = changed[0].numpy() * width
        np.testing.assert_allclose(found.change[token // 8, token % 8], wanted, atol=2e-6)
    ranks = [
        rankdata(one.ravel()) for one in (found.weights.mean((0, 1)), abs(found.change[..., 0]))
    ]
    assert found.correlation[0] == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-6)


def test_ablation_leaves_the_model_as_it_was(model: Model, galaxy: Galaxy) -> None:
    before = model.predict(galaxy)["m4"].log_age
    explain.ablate_tokens(model, galaxy)
    assert model.predict(galaxy)["m4"].log_age == before


def test_one_token_is_said_to_mean_nothing(survey: Survey, galaxy: Galaxy, tmp_path: Path) -> None:
    single = NetworkConfig(width=0.25, heads=2, queries=4, attention="single")
    make_model(tmp_path / "single", survey, network=single)
    model = load_model(tmp_path / "single")
    maps = explain.attention_maps(model, galaxy)
    assert maps.weights.shape == (2, 4, 1, 1)
    assert (maps.weights == 1).all()
    assert "1 by construction" in maps.note
    ablated = explain.ablate_tokens(model, galaxy)
    assert "1 by construction" in ablated.note
    assert np.isnan(ablated.correlation).all()


@pytest.mark.parametrize("target", ["log_age", "m_h", 17])
def test_the_gradient_predicts_a_small_change(
    model: Model, galaxy: Galaxy, target: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a finite difference along a bump of 40 Å."""
    if isinstance(target, int):  # a feature that is on
        target = int(np.argmax(model.features(galaxy).real))
    found = explain.wavelength_gradient(model, galaxy, target)
    spectrum = prepare_spectrum(galaxy.spectrum).values
    np.testing.assert_array_equal(found.spectrum, spectrum)
    assert found.wavelength[[0, -1]].tolist() == [3830, 8000]
    bump = np.exp(-(((found.wavelength - 5200) / 20) ** 2))

    network = copy.deepcopy(model.networks["m1"]).double()
    # Outputs are cast to float32, which would drown the small differences.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    with torch.no_grad():
        base = network(torch.from_numpy(spectrum)[None].double()).features[0]

    def value(step: float) -> float:
        with torch.no_grad():
            output = network(torch.from_numpy(spectrum + step * bump)[None])
        if isinstance(target, int):
            return float((output.features[0, target] - base.min()) / (base.max() - base.min()))
        column = ("log_age", "m_h").index(target)
        return float(output.mean[0, column]) * model.scaling.width[column]

    step = 1e-5
    difference = (value(step) - value(-step)) / (2 * step)
    assert found.gradient @ bump == pytest.approx(difference, rel=1e-3)
    assert np.abs(found.gradient).max() > 0
    assert not found.note


def test_a_feature_that_is_off_has_no_gradient_and_says_so(model: Model, galaxy: Galaxy) -> None:
    features = model.features(galaxy).real
    off = int(np.flatnonzero(features == 0)[0])
    found = explain.wavelength_gradient(model, galaxy, off)
    assert not found.gradient.any()
    assert "switched off" in found.note


@pytest.mark.parametrize("predictor", ["m3", "m4", "m4_real"])
def test_saliency_predicts_a_small_change(
    model: Model, galaxy: Galaxy, predictor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = explain.image_saliency(model, galaxy, predictor, "m_h")
    assert found.gradient.shape == (128, 128, 3)
    assert found.size.shape == (128, 128)
    assert found.size.max() > 0
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(128, 128, 3))
    networks = {name: copy.deepcopy(one).double() for name, one in model.networks.items()}
    spectrum = torch.from_numpy(prepare_spectrum(galaxy.spectrum).values)[None].double()
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)

    def value(step: float) -> float:
        levels = torch.from_numpy(found.image + step * direction).permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            if predictor == "m3":
                mean = networks["m3"](levels).mean
            else:
                source = networks["m2"](levels) if predictor == "m4" else networks["m1"](spectrum)
                f = source.features
                f = (f - f.min()) / (f.max() - f.min())
                mean = networks[predictor](f, networks["m3"](levels).tokens).mean
        return float(mean[0, 1]) * model.scaling.width[1]

    step = 1e-3
    difference = (value(step) - value(-step)) / (2 * step)
    assert (found.gradient * direction).sum() == pytest.approx(difference, rel=0.01, abs=1e-8)


def test_neighbours_are_the_nearest_by_brute_force(model: Model, survey: Survey) -> None:
    galaxy = survey[WITH_BOTH]
    found = explain.nearest(model, survey, galaxy, k=5)
    assert WITH_BOTH not in set(found["id"])
    assert found["distance"].is_monotonic_increasing
    assert set(found["kind"]) == {"image"}
    domain = model.domains["image"]
    usable = [one for one in survey if one.cutout and model.predict(one)["m3"].status == "ok"]
    from galam_explorer.evaluate.predict_inputs import galaxy_inputs

    features = np.stack([model.raw(galaxy_inputs([g], model.preprocess)).image[0] for g in usable])
    distance = np.linalg.norm(domain.embed(features) - domain.embed(features[:1]), axis=1)
    assert usable[0].id == WITH_BOTH
    wanted = [usable[i].id for i in np.argsort(distance)[1:6]]
    assert found["id"].tolist() == wanted
    spectra = explain.nearest(model, survey, survey[SPECTRUM_ONLY])
    assert set(spectra["kind"]) == {"spectrum"}


def test_what_cannot_be_explained_says_why(model: Model, survey: Survey, galaxy: Galaxy) -> None:
    with pytest.raises(GalamError, match="no usable image"):
        explain.attention_maps(model, survey[REJECTED])
    with pytest.raises(GalamError, match="no usable spectrum"):
        explain.attention_maps(model, survey[IMAGE_ONLY], "m4_real")
    with pytest.raises(GalamError, match="no attention"):
        explain.attention_maps(model, galaxy, "m3")
    with pytest.raises(GalamError, match="no usable spectrum"):
        explain.wavelength_gradient(model, survey[IMAGE_ONLY])
    for target in ("mass", 1024, -1, True):
        with pytest.raises(GalamError, match="no target"):
            explain.wavelength_gradient(model, galaxy, target)
    with pytest.raises(GalamError, match="does not look at images"):
        explain.image_saliency(model, galaxy, "m1")
    with pytest.raises(GalamError, match="no image to compare"):
        explain.nearest(model, survey, survey[SPECTRUM_ONLY], kind="image")

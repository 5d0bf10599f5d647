"""The batched engine: its solver, its templates, and pPXF as the referee."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import nnls as scipy_nnls

from galam_explorer.config import LabelConfig
from galam_explorer.labels import BatchedFitter, fit_batched, fit_ppxf, load_templates
from galam_explorer.labels.batched_nnls import bounded_solve, nnls
from galam_explorer.labels.noise import with_draws
from galam_explorer.records import Galaxy, StellarPopulation
from galam_explorer.survey import load_survey
from galam_explorer.survey.sdss_files import read_spectrum_file

ADDITIVE = {"degree": 10, "mdegree": 0}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def galaxies() -> list[Galaxy]:
    survey = load_survey("demo")
    ids = [one for one in survey.ids if one.startswith("sim-")]
    found = (survey[one] for one in ids)
    return [one for one, _ in zip((g for g in found if g.spectrum), range(6), strict=False)]


@pytest.mark.parametrize("condition", [10.0, 1e4])
def test_nnls_agrees_with_scipy(condition: float) -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(size=(40, 200, 1))
    design = common + rng.normal(size=(40, 200, 20)) * 10 / condition
    design /= np.linalg.norm(design, axis=1, keepdims=True)
    y = rng.normal(size=(40, 200)) + design[..., 0] * 20
    gram, rhs = torch.from_numpy(design.transpose(0, 2, 1) @ design), (design * y[..., None]).sum(1)
    x, passive = nnls(gram, torch.from_numpy(rhs))
    assert (x >= 0).all()
    assert ((x > 0) <= passive).all()
    for one, a, b in zip(x.numpy(), design, y, strict=True):
        expected, norm = scipy_nnls(a, b)
        assert np.linalg.norm(a @ one - b) == pytest.approx(norm, rel=1e-9)
        np.testing.assert_allclose(one, expected, atol=1e-4 * expected.max())


def test_free_variables_may_be_negative() -> None:
    rng = np.random.default_rng(4)
    design = rng.normal(size=(8, 100, 12))
    y = rng.normal(size=(8, 100))
    gram = torch.from_numpy(design.transpose(0, 2, 1) @ design)
    x, _ = bounded_solve(gram, torch.from_numpy((design * y[..., None]).sum(1)), 7)
    doubled = np.concatenate([design, -design[..., 7:]], -1)
    for one, a, b in zip(x.numpy(), doubled, y, strict=True):
        split = scipy_nnls(a, b)[0]
        expected = np.append(split[:7], split[7:12] - split[12:])
        np.testing.assert_allclose(one, expected, atol=1e-9)
    assert (x[:, 7:] < 0).any()


@pytest.mark.parametrize("polynomials", [{}, ADDITIVE], ids=["multiplicative", "additive"])
def test_labels_are_those_of_ppxf(galaxies: list[Galaxy], polynomials: dict) -> None:
    config = LabelConfig(**polynomials)
    library = load_templates(config)
    batched = fit_batched(galaxies, config, library)
    for one, galaxy in zip(batched, galaxies, strict=True):
        referee = fit_ppxf(galaxy, config, library)
        assert one.status == referee.status == "ok"
        assert one.log_age == pytest.approx(referee.log_age, abs=0.01)
        assert one.m_h == pytest.approx(referee.m_h, abs=0.01)
        assert one.chi2 == pytest.approx(referee.chi2, rel=1e-3)
        assert one.velocity == pytest.approx(referee.velocity, abs=3)
        assert one.sigma == pytest.approx(referee.sigma, abs=5)
        np.testing.assert_allclose(one.best_fit, referee.best_fit, rtol=0.02)


def test_real_spectra_agree_with_ppxf(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "spectra.csv")
    real = [read_spectrum_file(shared_data / file) for file in table["file"][8:12]]
    config = LabelConfig(templates=str(shared_data / "ssp/miles_vazdekis2010"))
    for one, galaxy in zip(fit_batched(real, config), real, strict=True):
        referee = fit_ppxf(galaxy, config)
        assert (one.log_age, one.m_h) == pytest.approx((referee.log_age, referee.m_h), abs=0.01)


def test_a_batch_gives_what_single_fits_give(galaxies: list[Galaxy]) -> None:
    fitter = BatchedFitter(LabelConfig())
    bad = replace(galaxies[0], spectrum=None)
    together = fitter.fit([bad, *galaxies])
    assert together[0].status == "no_spectrum"
    for one, galaxy in zip(together[1:], galaxies, strict=True):
        alone = fitter.fit([galaxy])[0]
        assert one.log_age == pytest.approx(alone.log_age, abs=1e-3)
        assert one.best_fit.shape == alone.best_fit.shape == one.flux.shape


@pytest.mark.parametrize("polynomials", [{"mdegree": 4}, ADDITIVE], ids=["mult", "add"])
def test_one_tensor_for_all_gives_the_same(
    galaxies: list[Galaxy], polynomials: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitter = BatchedFitter(LabelConfig(**polynomials))
    apart = fitter.fit(galaxies, keep_fit=False)
    monkeypatch.setattr(fitter.bank, "together", True)  # as on a GPU
    for one, other in zip(fitter.fit(galaxies, keep_fit=False), apart, strict=True):
        assert one.log_age == pytest.approx(other.log_age, abs=1e-3)
        assert one.m_h == pytest.approx(other.m_h, abs=1e-3)
        assert one.chi2 == pytest.approx(other.chi2, rel=1e-6)


@pytest.mark.parametrize("polynomials", [{"mdegree": 4}, ADDITIVE], ids=["mult", "add"])
def test_draws_are_those_of_ppxf(galaxies: list[Galaxy], polynomials: dict) -> None:
    config = LabelConfig(draws=12, **polynomials)
    one, referee = fit_batched(galaxies[:1], config)[0], fit_ppxf(galaxies[0], config)
    difference = np.abs(one.draws - referee.draws)
    assert np.median(difference) < 0.005
    assert one.log_age_std == pytest.approx(referee.log_age_std, rel=0.1)
    assert one.m_h_std == pytest.approx(referee.m_h_std, rel=0.1)
    assert one.covariance == pytest.approx(
        referee.covariance, abs=0.15 * referee.log_age_std * referee.m_h_std
    )


def test_draws_that_fail_do_not_count() -> None:
    nan = float("nan")
    labels = np.array([[9.0, 0.0], [nan, nan], [9.2, 0.4]])
    result = with_draws(StellarPopulation("ok"), labels)
    assert result.log_age_std == pytest.approx(0.2 / np.sqrt(2))
    assert result.covariance == pytest.approx(0.04)
    assert np.isnan(with_draws(result, labels[:2]).m_h_std)
    assert np.isnan(load_templates(LabelConfig()).mean_labels(np.zeros((1, 36)))).all()

"""The domain score: a share of validation galaxies, high for what is unlike them."""

from __future__ import annotations

import numpy as np
import pytest

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.domain import OUTSIDE, Domain, fit_domain

WIDTH = 200


def cloud(rng: np.random.Generator, n: int) -> np.ndarray:
    """Features on a bent surface of ten dimensions, with a little noise around it."""
    hidden = rng.normal(size=(n, 10)) * np.linspace(2, 0.5, 10)
    mixing = np.random.default_rng(0).normal(size=(10, WIDTH))
    return np.maximum(hidden @ mixing, 0).astype(np.float32) + rng.normal(0, 0.05, (n, WIDTH))


@pytest.fixture(scope="module")
def domain() -> Domain:
    rng = np.random.default_rng(1)
    found = fit_domain(cloud(rng, 4000), cloud(rng, 1500))
    assert found is not None
    return found


def test_scores_of_alike_galaxies_are_uniform(domain: Domain) -> None:
    scores = domain.score(cloud(np.random.default_rng(2), 5000))
    for level in (0.1, 0.5, 0.9):
        assert np.mean(scores < level) == pytest.approx(level, abs=0.03)
    assert np.mean(scores > OUTSIDE) == pytest.approx(0.01, abs=0.008)


def test_what_leaves_the_surface_or_goes_far_along_it_is_outside(domain: Domain) -> None:
    rng = np.random.default_rng(3)
    inside = cloud(rng, 300)
    off = inside + rng.normal(0, 1.0, WIDTH)  # the same shift for all
    far = 3 * inside
    other = rng.uniform(0, 3, (300, WIDTH))
    for strange in (off, far, other):
        assert np.mean(domain.score(strange) > OUTSIDE) > 0.95


def test_the_distance_is_the_mahalanobis_distance_of_its_covariance(domain: Domain) -> None:
    """The same by building the covariance matrix and solving with it."""
    rest = float(domain.rest[0]) ** 2
    axes, scales = domain.axes.astype(float), domain.scales.astype(float)
    covariance = rest * np.eye(WIDTH) + axes.T @ np.diag(scales**2 - rest) @ axes
    some = cloud(np.random.default_rng(4), 20)
    centred = some - domain.mean
    wanted = np.sqrt((centred * np.linalg.solve(covariance, centred.T).T).sum(axis=1))
    np.testing.assert_allclose(domain.distance(some), wanted, rtol=2e-3)


def test_arrays_are_stored_and_read_back(domain: Domain) -> None:
    stored = domain.tensors("image")
    assert all(name.startswith("image.") for name in stored)
    back = Domain.from_tensors("image", stored)
    some = cloud(np.random.default_rng(5), 10)
    np.testing.assert_array_equal(back.score(some), domain.score(some))
    assert Domain.from_tensors("spectrum", stored) is None
    del stored["image.rest"]
    with pytest.raises(GalamError, match="do not fit"):
        Domain.from_tensors("image", stored)


def test_unknown_rows_and_wrong_widths(domain: Domain) -> None:
    rows = cloud(np.random.default_rng(6), 3)
    rows[1] = np.nan
    assert np.isnan(domain.score(rows)).tolist() == [False, True, False]
    with pytest.raises(GalamError, match=r"\(n, 200\)"):
        domain.score(rows[:, :-1])


def test_constant_features_and_too_few_galaxies() -> None:
    rng = np.random.default_rng(7)
    features = cloud(rng, 500)
    features[:, 50:] = 1.0  # dead features, as ReLU leaves them
    found = fit_domain(features[:300], features[300:])
    assert np.isfinite(found.score(features)).all()
    assert fit_domain(features[:10], features[300:]) is None
    assert fit_domain(features[:300], features[300:310]) is None


def test_neighbours_in_the_embedding_are_alike(domain: Domain) -> None:
    rng = np.random.default_rng(8)
    galaxies = cloud(rng, 400)
    nearly = galaxies[:40] + rng.normal(0, 0.02, (40, WIDTH))
    distance = np.linalg.norm(domain.embed(nearly)[:, None] - domain.embed(galaxies)[None], axis=2)
    assert np.mean(distance.argmin(axis=1) == np.arange(40)) > 0.9

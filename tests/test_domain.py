"""The domain score: a share of validation galaxies, high for what is unlike them."""

from __future__ import annotations

import numpy as np
import pytest

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.domain import OUTSIDE, Domain, fit_domain
from galam_explorer.evaluate.domain_image import (
    ImageDomain,
    fit_image_domain,
    pixel_statistics,
)

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


def galaxies(rng: np.random.Generator, n: int, tint: tuple[float, ...] = (1, 1, 1)) -> np.ndarray:
    """Masked round galaxies of various colours and brightness, uint8 (n, 128, 128, 3)."""
    y, x = np.mgrid[:128, :128] - 63.5
    r = np.hypot(x, y)
    made = np.zeros((n, 128, 128, 3))
    for row in range(n):
        light = rng.uniform(80, 200) * np.exp(-r / rng.uniform(12, 25))
        colour = np.array([1.0, rng.uniform(0.75, 0.95), rng.uniform(0.5, 0.8)]) * tint
        noisy = light[..., None] * colour + rng.normal(6, 2, (128, 128, 3))
        made[row] = noisy * (r < rng.uniform(45, 62))[..., None]
    return np.clip(made, 0, 255).astype(np.uint8)


def test_pixel_statistics_are_what_they_say() -> None:
    image = np.zeros((1, 128, 128, 3), np.uint8)
    image[0, 32:96, 32:96] = (98, 48, 23)
    image[0, 32:48, 32:96] = (198, 98, 48)  # the brightest quarter
    made = pixel_statistics(np.concatenate([image, np.zeros_like(image)]))
    bright, faint = (np.log([200, 100, 50]), np.log([100, 50, 25]))
    wanted = [bright[0] - bright[1], faint[0] - faint[1], bright[1] - bright[2]]
    wanted += [faint[1] - faint[2], np.log(344 / 3 + 2), np.log(169 / 3 + 2), 0.25]
    np.testing.assert_allclose(made[0], wanted, rtol=1e-5)
    assert np.isnan(made[1]).all()


def test_another_camera_is_outside_even_with_ordinary_features() -> None:
    rng = np.random.default_rng(9)
    sets = [(cloud(rng, n), galaxies(rng, n)) for n in (400, 300, 300)]
    train, valid = ((one, pixel_statistics(images)) for one, images in sets[:2])
    found = fit_image_domain(train, valid)
    features, images = sets[2]
    alike = found.score(features, images)
    assert np.mean(alike > OUTSIDE) < 0.05
    assert np.mean(alike < 0.5) == pytest.approx(0.5, abs=0.12)
    strange = found.score(features, galaxies(rng, 300, (0.5, 1.0, 1.6)))
    assert np.mean(strange > OUTSIDE) > 0.9
    far = found.score(3 * features, images)
    assert np.mean(far > OUTSIDE) > 0.9
    missing = features.copy()
    missing[0] = np.nan
    assert np.isnan(found.score(missing, images)).sum() == 1
    back = ImageDomain.from_tensors(found.tensors())
    np.testing.assert_array_equal(back.score(features, images), alike)
    old = ImageDomain.from_tensors(found.features.tensors("image"))
    np.testing.assert_array_equal(old.score(features, images), found.features.score(features))

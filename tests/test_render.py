"""Simulated cutouts: light, orientation, colour, truth, options."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from scipy.special import gammainc, gammaincinv

from galam_explorer.errors import GalamError
from galam_explorer.survey.simulation.blending import blends
from galam_explorer.survey.simulation.camera import Seeing, flux_of
from galam_explorer.survey.simulation.model import LightComponent
from galam_explorer.survey.simulation.neighbours import companion, draw_neighbour, draw_neighbours
from galam_explorer.survey.simulation.photometry import measure_target, petrosian
from galam_explorer.survey.simulation.render import render_cutout

ROOT = Path(__file__).parents[1]
BULGE = LightComponent("bulge", (17.4, 16.5, 16.1), 1.0, 4.0, 0.8, 30.0, 0.0)
DISC = LightComponent("disc", (16.9, 16.4, 16.1), 3.5, 1.0, 0.5, 30.0, 0.3)
ALONE = {"z": 0.05, "blend_probability": 0.0, "neighbour_density": 0.0}


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg))).astype(float)


def elongation(image: np.ndarray) -> tuple[float, float, float]:
    """Second moments: west-east, north-south, and their product (y down)."""
    rows, columns = np.indices(image.shape) - (len(image) - 1) / 2
    total = image.sum()
    return (
        (image * columns**2).sum() / total,
        (image * rows**2).sum() / total,
        (image * rows * columns).sum() / total,
    )


def disc(**changes: float) -> LightComponent:
    values = dict(vars(DISC)) | changes
    return LightComponent(**values)


def test_the_same_generator_gives_the_same_bytes() -> None:
    first = render_cutout([BULGE, DISC], rng(), z=0.05)
    again = render_cutout([BULGE, DISC], rng(), z=0.05, with_planes=True)
    other = render_cutout([BULGE, DISC], rng(6), z=0.05)
    assert first.jpeg == again.jpeg
    assert first.truth == again.truth
    assert first.jpeg != other.jpeg


def test_another_process_with_other_threads_gives_the_same_bytes() -> None:
    program = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1])\n"
        "from tests.test_render import BULGE, DISC, rng, render_cutout\n"
        "drawn = render_cutout([BULGE, DISC], rng(), z=0.05)\n"
        "print(hashlib.sha256(drawn.jpeg).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = hashlib.sha256(render_cutout([BULGE, DISC], rng(), z=0.05).jpeg).hexdigest()
    assert done.stdout.strip() == here


@pytest.mark.parametrize(
    "components",
    [[DISC], [BULGE], [BULGE, DISC], [disc(young_fraction=1.0)], [disc(sersic_n=2.2)]],
    ids=["disc", "bulge", "both", "all young", "n=2.2"],
)
def test_flux_is_conserved(components: list[LightComponent]) -> None:
    drawn = render_cutout(components, rng(), size=256, with_planes=True, **ALONE)
    found = drawn.planes.target.sum() * drawn.scale**2
    wanted = sum(flux_of(part.mags[1]) for part in components)
    assert found == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize(("n", "radius"), [(1.0, 30.0), (4.0, 8.0), (6.0, 5.0)])
def test_a_galaxy_wider_than_the_frame_keeps_its_profile(n: float, radius: float) -> None:
    wide = LightComponent("bulge", (13.9, 13.0, 12.6), radius, n, 1.0, 0.0, 0.0)
    drawn = render_cutout([wide], rng(), with_planes=True, **ALONE)
    offsets = np.arange(128) - 63.5
    inside = np.hypot(offsets[:, None], offsets) * drawn.scale < 12.0
    share = gammainc(2 * n, gammaincinv(2 * n, 0.5) * (12.0 / radius) ** (1 / n))
    found = drawn.planes.target[inside].sum() * drawn.scale**2
    # The PSF's wings carry some light over the aperture's edge.
    assert found == pytest.approx(flux_of(13.0) * share, rel=0.03)


def test_north_is_up_and_east_is_left() -> None:
    thin = [disc(axis_ratio=0.25, position_angle=angle) for angle in (0.0, 45.0, 90.0)]
    north, between, east = (
        elongation(render_cutout([part], rng(), with_planes=True, **ALONE).planes.target)
        for part in thin
    )
    assert north[1] > 2 * north[0]
    assert east[0] > 2 * east[1]
    # North-east is up and left: row and column grow together along it.
    assert between[2] > 0.3 * between[0]
    seen = pixels(render_cutout([thin[2]], rng(), **ALONE).jpeg).mean(axis=2)
    assert seen[60:68, 70:80].mean() > 2 * seen[70:80, 60:68].mean()


@pytest.mark.parametrize(("young", "tolerance"), [(0.0, 0.06), (0.3, 0.25)])
def test_truth_isophote_follows_the_galaxy(young: float, tolerance: float) -> None:
    part = disc(position_angle=130.0, young_fraction=young)
    drawn = render_cutout([part], rng(), with_planes=True, **ALONE)
    truth = drawn.truth
    assert truth["true_isophote_theta"] == pytest.approx(130.0, abs=2.0)
    area = (drawn.planes.target > 10 ** (-0.4 * 2.5)).sum() * drawn.scale**2
    ellipse = np.pi * truth["true_isophote_a"] * truth["true_isophote_b"]
    assert ellipse == pytest.approx(area, rel=tolerance)


def test_redder_components_look_redder() -> None:
    blue = disc(mags=(16.6, 16.4, 16.3), young_fraction=0.0)
    red = disc(mags=(17.5, 16.4, 15.9), young_fraction=0.0)
    ratios = []
    for part in (blue, red):
        centre = pixels(render_cutout([part], rng(), **ALONE).jpeg)[56:72, 56:72].mean((0, 1))
        ratios.append(centre / centre[1])
    assert ratios[1][0] > ratios[0][0] + 0.1
    assert ratios[1][2] < ratios[0][2] - 0.1


def test_background_is_dark_and_noisy() -> None:
    corner = pixels(render_cutout([DISC], rng(), **ALONE).jpeg)[:24, :24]
    assert corner.mean() < 12
    assert 0.5 < corner.std() < 12


def test_arms_hold_the_young_light_and_are_bluer() -> None:
    smooth = render_cutout([disc(young_fraction=0.0)], rng(), with_planes=True, **ALONE)
    armed = render_cutout([disc(young_fraction=0.5)], rng(), with_planes=True, **ALONE)
    # A smooth disc is its own image turned by 180 degrees; knots are not.
    asymmetry = [
        np.abs(image - image[::-1, ::-1]).sum() / image.sum()
        for image in (smooth.planes.target, armed.planes.target)
    ]
    assert asymmetry[1] > 0.05 + asymmetry[0]


def test_a_lonely_target_is_not_blended() -> None:
    truth = render_cutout([BULGE, DISC], rng(), **ALONE).truth
    assert truth["true_neighbours"] == 0.0
    assert truth["true_blended"] == 0.0
    assert truth["true_contamination"] == 0.0


def test_close_companions_blend_mostly_and_contaminate() -> None:
    options = {"z": 0.05, "blend_probability": 1.0, "neighbour_density": 0.0}
    drawn = [render_cutout([BULGE, DISC], rng(k), with_planes=True, **options) for k in range(12)]
    assert np.mean([one.truth["true_blended"] for one in drawn]) > 0.6
    for one in drawn:
        # Planes and number are two ways to the same truth.
        inside = one.planes.target > 10 ** (-0.4 * 2.5)
        extra, own = one.planes.neighbours[inside].sum(), one.planes.target[inside].sum()
        assert one.truth["true_contamination"] == pytest.approx(extra / (extra + own), abs=0.01)
        assert one.truth["true_neighbours"] <= 1


def test_what_counts_as_blended() -> None:
    grid = np.hypot(*(np.indices((60, 60)) - 29.5))
    target = np.exp(-grid / 5.0)
    inside = target > 0.05
    noise = 0.01

    def star(row: float, column: float, flux: float) -> np.ndarray:
        rows, columns = np.indices((60, 60))
        spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 4.0)
        return flux * spot / spot.sum()

    total = target[inside].sum()
    assert blends(star(29.5, 40, 0.1 * total), target, inside, noise)
    assert not blends(star(5, 5, 0.1 * total), target, inside, noise)
    assert not blends(star(29.5, 40, 0.001 * total), target, inside, noise)
    assert not blends(star(29.5, 40, 0.1 * total), target, np.zeros_like(inside), noise)
    # Lost in the target's own brightest pixels, or in the noise.
    assert not blends(star(29.5, 29.5, 0.011 * total), target, inside, noise)
    assert not blends(star(29.5, 40, 0.1 * total), target, inside, 10.0)


def test_neighbour_counts_follow_the_density() -> None:
    counts = [
        np.mean([len(draw_neighbours(25.0, density, rng(k))) for k in range(60)])
        for density in (1.0, 3.0)
    ]
    # Stars and galaxies to r = 22.8 in 50 x 50 arcsec: 2 to 5 in the literature's counts.
    assert 1.5 < counts[0] < 6
    assert counts[1] > 2 * counts[0]


def test_faint_galaxies_are_drawn_like_bright_ones() -> None:
    shape = LightComponent("disc", (21.6, 21.0, 20.7), 0.9, 1.0, 0.6, 70.0, 0.0)
    one = companion(np.array(shape.mags), 0.9, (3.0, 3.0), 0.0, rng())
    planes, where = draw_neighbour(one, (80, 80), (40.0, 40.0), Seeing())
    assert planes.sum((1, 2)) == pytest.approx(flux_of(one.mags), rel=0.03)
    rows, columns = np.indices((80, 80))
    spot = planes[1] / planes[1].sum()
    assert (spot * rows[where]).sum() == pytest.approx(40.0 - one.north / 0.396, abs=0.1)
    assert (spot * columns[where]).sum() == pytest.approx(40.0 - one.east / 0.396, abs=0.1)


@pytest.mark.parametrize(("size", "scale"), [(64, 0.396), (128, 0.2), (200, 0.792), (97, 0.13)])
def test_size_and_scale(size: int, scale: float) -> None:
    smooth = disc(young_fraction=0.0)
    drawn = render_cutout([smooth], rng(), size=size, scale=scale, with_planes=True, **ALONE)
    assert Image.open(io.BytesIO(drawn.jpeg)).size == (size, size)
    assert drawn.scale == scale
    plane = drawn.planes.target
    assert plane.shape == drawn.planes.neighbours.shape == (size, size)
    # Surface brightness at the centre does not depend on the sampling.
    middle = plane[size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1].mean()
    native = render_cutout([smooth], rng(), size=64, with_planes=True, **ALONE).planes.target
    assert middle == pytest.approx(native[31:33, 31:33].mean(), rel=0.25)
    rows, columns = np.indices(plane.shape) - (size - 1) / 2
    assert abs((plane * rows).sum() / plane.sum()) < 0.6
    assert abs((plane * columns).sum() / plane.sum()) < 0.6


def test_petrosian_quantities_of_known_profiles() -> None:
    offsets = np.arange(401) - 200.0
    radius = np.hypot(offsets[:, None], offsets)
    exponential = np.exp(-radius / 15.0)
    flux, r50, r90 = petrosian(exponential, 0.1)
    # Graham & Driver (2005): n = 1 holds 99.4 % inside two Petrosian radii.
    assert flux / (2 * np.pi * 15.0**2) == pytest.approx(0.994, abs=0.004)
    assert r50 == pytest.approx(1.678 * 1.5, rel=0.02)
    assert r90 / r50 == pytest.approx(2.30, abs=0.05)
    measured = measure_target(
        [LightComponent("bulge", (16, 15, 14.6), 6, 4.0, 1.0, 0, 0)], Seeing()
    )
    # And a de Vaucouleurs profile 82 %.
    assert measured.petro_mag_r - 15.0 == pytest.approx(0.22, abs=0.12)


def test_jpeg_is_encoded_like_the_real_ones(shared_data: Path) -> None:
    kinds = ("cutouts", "imgcutout")
    paths = [sorted((shared_data / "sdss" / kind).glob("*.jp*g"))[0] for kind in kinds]
    ours = Image.open(io.BytesIO(render_cutout([DISC], rng(), **ALONE).jpeg))
    for path in paths:
        with Image.open(path) as real:
            assert ours.quantization == real.quantization
            assert JpegImagePlugin.get_sampling(ours) == JpegImagePlugin.get_sampling(real)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axis_ratio": 0.0}, "axis_ratio"),
        ({"half_light_radius": -1.0}, "half_light_radius"),
        ({"mags": (16.0, float("nan"), 15.0)}, "finite"),
        ({"young_fraction": 1.5}, "young_fraction"),
        ({"sersic_n": 20.0}, "sersic_n"),
    ],
)
def test_bad_components_are_named(changes: dict, message: str) -> None:
    with pytest.raises(GalamError, match=message):
        render_cutout([disc(**changes)], rng(), z=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"z": -0.1},
        {"z": float("nan")},
        {"size": 0},
        {"size": 100_000},
        {"size": 12.5},
        {"scale": 0.0},
        {"scale": float("inf")},
        {"scale": 400.0},
        {"blend_probability": 1.5},
        {"neighbour_density": -1.0},
    ],
)
def test_bad_options_are_named(options: dict) -> None:
    with pytest.raises(GalamError, match=next(iter(options))):
        render_cutout([DISC], rng(), **{"z": 0.05, **options})


def test_a_galaxy_needs_a_component() -> None:
    with pytest.raises(GalamError, match="component"):
        render_cutout([], rng(), z=0.05)

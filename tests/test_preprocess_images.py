"""Cutouts to network inputs: every stage, every status, both configurations."""

from __future__ import annotations

import dataclasses
import io
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.preprocess import prepare_cutout
from galam_explorer.records import Cutout

STAGES = [
    "original", "grey", "binary", "edges", "mask", "masked", "detection", "detection_threshold",
    "segmentation", "deblended", "cropped",
]  # fmt: skip


def blob(x: float, y: float, peak: float, a: float, b: float | None = None, angle: float = 0.0):
    """An exponential disc of scale lengths `a`, `b` px at (x, y)."""
    rows, columns = np.mgrid[:128, :128]
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    along = (columns - x) * cos + (rows - y) * sin
    across = (rows - y) * cos - (columns - x) * sin
    return peak * np.exp(-np.hypot(along / a, across / (b or a)))


def picture(*lights: np.ndarray, noise: float = 3.0, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    grey = sum(lights) + rng.normal(6, noise, (128, 128))
    colours = np.array([1.1, 1.0, 0.8])
    return np.clip(grey[..., None] * colours, 0, 255).astype(np.uint8)


SINGLE = picture(blob(63.5, 63.5, 200, 6, 3, 30))
PAIR = picture(blob(63.5, 63.5, 180, 5), blob(76, 63.5, 170, 4))


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["paper", "robust"])
def test_every_stage_of_a_lone_galaxy(name: str) -> None:
    stages = prepare_cutout(SINGLE, name)
    assert (stages.status, stages.reason) == ("ok", "")
    for stage in STAGES:
        assert getattr(stages, stage) is not None, stage
        assert getattr(stages, stage).shape[:2] == (128, 128)
    assert stages.cropped.dtype == np.uint8
    assert stages.cropped.shape == (128, 128, 3)
    assert len(stages.thresholds) >= 2
    assert stages.mask[63, 63]
    assert not stages.masked[~stages.mask].any()
    assert stages.segmentation.dtype == stages.deblended.dtype == np.int32
    assert abs(stages.ellipse.x - 63.5) < 2
    assert abs(stages.ellipse.y - 63.5) < 2


@pytest.mark.parametrize("name", ["paper", "robust"])
def test_two_overlapping_galaxies_are_blended_and_show_how_far_it_got(name: str) -> None:
    stages = prepare_cutout(jpeg(PAIR), name)
    assert stages.status == "blended"
    assert "source" in stages.reason
    assert len(np.unique(stages.deblended)) >= 3
    assert stages.cropped is None


def test_robust_keeps_the_axis_ratio_and_paper_does_not() -> None:
    def axis_ratio(name: str) -> float:
        light = prepare_cutout(SINGLE, name).cropped.astype(float).sum(axis=2)
        light[light < 0.2 * light.max()] = 0
        rows, columns = np.mgrid[:128, :128]
        cov = np.cov(np.stack([columns.ravel(), rows.ravel()]), aweights=light.ravel())
        low, high = np.linalg.eigvalsh(cov)
        return float(np.sqrt(low / high))

    assert axis_ratio("robust") == pytest.approx(0.5, abs=0.08)
    flat = picture(blob(63.5, 63.5, 200, 9, 3))
    box = prepare_cutout(flat, "paper").crop_box
    assert (box[3] - box[2]) > 1.2 * (box[1] - box[0])
    box = prepare_cutout(flat, "robust").crop_box
    assert box[3] - box[2] == box[1] - box[0]


def test_a_bright_star_does_not_take_the_threshold() -> None:
    star = picture(blob(63.5, 63.5, 60, 6), blob(108, 20, 900, 2))
    robust = prepare_cutout(star, "robust")
    assert robust.status == "ok"
    assert robust.mask[63, 63]
    assert not robust.mask[20, 108]
    assert max(robust.thresholds) < 60


def test_a_neighbour_outside_the_mask_is_no_blend_for_either() -> None:
    apart = picture(blob(63.5, 63.5, 200, 5), blob(110, 110, 150, 3))
    assert prepare_cutout(apart, "robust").status == "ok"
    assert prepare_cutout(apart, "paper").status == "ok"


def test_the_central_rule_ignores_a_faint_knot_that_any_counts() -> None:
    knot = picture(blob(63.5, 63.5, 200, 7), blob(77, 63.5, 75, 2), noise=1.0)
    any_label = PreprocessConfig.robust().replace(blended_rule="any", n_pixels=3)
    assert prepare_cutout(knot, any_label).status == "blended"
    assert prepare_cutout(knot, "robust").status == "ok"


@pytest.mark.parametrize("name", ["paper", "robust"])
def test_statuses_of_unusable_cutouts(name: str) -> None:
    assert prepare_cutout(None, name).status == "no_cutout"
    assert prepare_cutout(b"", name).status == "bad_cutout"
    assert "1×1" in prepare_cutout(jpeg(np.zeros((1, 1, 3), np.uint8)), name).reason
    broken = prepare_cutout(Cutout(jpeg(SINGLE)[:300]), name)
    assert broken.status == "bad_cutout"
    assert broken.original is None
    flat = prepare_cutout(np.full((128, 128, 3), 9, np.uint8), name)
    assert flat.status == "empty_foreground"
    assert flat.grey is not None
    corner = prepare_cutout(picture(blob(10, 10, 200, 3), noise=0.5), "paper")
    assert corner.status == "no_ellipse"


def test_nothing_but_noise_is_never_a_galaxy_of_robust() -> None:
    noise = [prepare_cutout(picture(noise=4.0, seed=seed)) for seed in range(10)]
    assert sum(one.status == "ok" for one in noise) <= 1


@pytest.mark.parametrize("shape", [(424, 424), (120, 120), (64, 64), (300, 200), (20, 20)])
def test_any_size_is_brought_to_the_working_size(shape: tuple[int, int]) -> None:
    image = Image.fromarray(SINGLE).resize(shape[::-1])
    stages = prepare_cutout(np.array(image))
    assert stages.original.shape == (128, 128, 3)
    if min(shape) > 64:
        assert stages.status == "ok"


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(GalamError, match="expected uint8 pixels"):
        prepare_cutout(SINGLE.astype(float))
    assert prepare_cutout(SINGLE[..., 0]).status == "ok"


def test_random_pictures_never_raise_or_warn() -> None:
    rng = np.random.default_rng(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(30):
            pixels = rng.integers(0, rng.integers(2, 256), (128, 128, 3), dtype=np.uint8)
            if number % 3 == 0:
                pixels[rng.random((128, 128)) < 0.98] = 0
            for name in ("paper", "robust"):
                assert prepare_cutout(pixels, name).status


def test_the_sliders_move_the_result() -> None:
    base = PreprocessConfig.robust()
    wide = prepare_cutout(SINGLE, base.replace(ellipse_scale=2.5))
    assert wide.mask.sum() > prepare_cutout(SINGLE, base).mask.sum()
    assert prepare_cutout(PAIR, base.replace(n_pixels=500)).status == "ok"
    assert prepare_cutout(PAIR, base.replace(contrast=1.0)).status == "ok"
    coarse = prepare_cutout(SINGLE, base.replace(tolerance=100))
    assert len(coarse.thresholds) < len(prepare_cutout(SINGLE, base).thresholds)


@pytest.mark.parametrize(
    "change",
    [
        {"tolerance": 0}, {"ellipse_scale": 9.0}, {"n_pixels": 0}, {"n_pixels": 2.5},
        {"n_levels": 1000}, {"contrast": -0.1}, {"contrast": float("nan")}, {"size": True},
        {"ellipse_choice": "first"}, {"crop_shape": ""}, {"clip_to_centre": 1},
    ],
)  # fmt: skip
def test_configurations_check_themselves(change: dict) -> None:
    with pytest.raises(GalamError, match=next(iter(change))):
        PreprocessConfig(**change)


def test_configurations_have_names_and_stable_hashes() -> None:
    paper, robust = (PreprocessConfig.named(name) for name in ("paper", "robust"))
    assert paper.hash != robust.hash
    assert paper == PreprocessConfig.paper()
    assert PreprocessConfig.from_json(paper.to_json()) == paper
    assert robust.replace(tolerance=1).hash == robust.replace(tolerance=1.0).hash
    with pytest.raises(GalamError, match=r"(?i)use paper or robust"):
        PreprocessConfig.named("legacy")


def test_published_parameters_on_real_cutouts(shared_data: Path) -> None:
    files = sorted((shared_data / "sdss" / "cutouts").glob("*.jpg"))[::2]
    stages = [prepare_cutout(Cutout(file.read_bytes()), "paper") for file in files]
    counts = Counter(one.status for one in stages)
    assert 0.01 <= counts["no_ellipse"] / len(files) <= 0.05
    assert 0.12 <= counts["blended"] / len(files) <= 0.28


def test_real_imgcutout_answers(shared_data: Path) -> None:
    for file in sorted((shared_data / "sdss" / "imgcutout").glob("*.jpg")):
        stages = prepare_cutout(file.read_bytes())
        assert stages.status in ("ok", "blended"), file.name
        again = prepare_cutout(file.read_bytes())
        for field in dataclasses.fields(stages):
            left, right = getattr(stages, field.name), getattr(again, field.name)
            if isinstance(left, np.ndarray):
                np.testing.assert_array_equal(left, right)

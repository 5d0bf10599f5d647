"""Detection and deblending with photutils (paper Sect. 2.2.2, "Identifying blended galaxies")."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from photutils.background import Background2D, MedianBackground
from photutils.segmentation import (
    SegmentationImage,
    deblend_sources,
    detect_sources,
    make_2dgaussian_kernel,
)
from photutils.utils.exceptions import NoDetectionsWarning

from galam_explorer.config import PreprocessConfig

__all__ = ["Detection", "central_label", "deblend", "detect", "is_blended"]

_EXCLUDE_PERCENTILE = 30.0
_CENTRE_RADIUS = 4.0  # px at 128: how far the central source may lie from the centre


@dataclass(frozen=True, eq=False)
class Detection:
    """What was detected.

    Parameters
    ----------
    image : ndarray, float64 (h, w)
        Background-subtracted, smoothed.
    threshold : ndarray, float64 (h, w)
    segments : SegmentationImage, optional
        None without a source.
    """

    image: np.ndarray
    threshold: np.ndarray
    segments: SegmentationImage | None


@lru_cache(maxsize=16)
def _kernel(fwhm: float) -> np.ndarray:
    size = 2 * int(np.ceil(0.65 * fwhm)) + 1  # 5 px for the published 3 px
    kernel = make_2dgaussian_kernel(fwhm, size=size).array
    return kernel / kernel.sum()


def detect(
    grey: np.ndarray, mask: np.ndarray, masked_grey: np.ndarray, config: PreprocessConfig
) -> Detection:
    """Detect sources above the background, inside the mask.

    Parameters
    ----------
    grey, masked_grey : ndarray, uint8 (h, w)
        The working image before and after masking.
    mask : ndarray, bool (h, w)
    config : PreprocessConfig

    Returns
    -------
    Detection
    """
    released = config.background_from == "masked"
    data = (masked_grey if released else grey).astype(np.float64)
    background, rms = _background(data, None if released else mask, config)
    if released:  # the released code subtracts the background cut to whole levels
        background = np.floor(background)
    border = cv2.BORDER_CONSTANT if released else cv2.BORDER_REFLECT
    image = cv2.filter2D(data - background, -1, _kernel(config.kernel_fwhm), borderType=border)
    threshold = config.n_sigma * rms
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        segments = detect_sources(
            image, threshold, config.n_pixels, mask=None if released else ~mask
        )
    return Detection(image, threshold, segments)


def _background(
    data: np.ndarray, mask: np.ndarray | None, config: PreprocessConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Background and rms; with a mask, of the pixels outside it."""
    box = min(max(1, int(config.background_box * min(data.shape) / 128)), min(data.shape))
    options = {"filter_size": (3, 3), "bkg_estimator": MedianBackground()}
    if mask is None:
        mesh = Background2D(data, (box, box), exclude_percentile=_EXCLUDE_PERCENTILE, **options)
        return mesh.background, mesh.background_rms
    outside = data[~mask]
    if outside.size < box * box:
        outside = np.concatenate([data[0], data[-1], data[:, 0], data[:, -1]])
    level = float(np.median(outside))
    spread = float(np.median(np.abs(outside - level))) * 1.4826
    return np.full(data.shape, level), np.full(data.shape, max(spread, 0.5))


def deblend(detection: Detection, labels: int | None, config: PreprocessConfig) -> np.ndarray:
    """Deblend the detected sources, or one of them.

    Parameters
    ----------
    detection : Detection
        With segments.
    labels : int, optional
        The only label to deblend; None deblends all.
    config : PreprocessConfig

    Returns
    -------
    ndarray, int32 (h, w)
    """
    with warnings.catch_warnings():
        # Falling back to linear levels is photutils' remedy, not the user's concern.
        warnings.simplefilter("ignore", AstropyUserWarning)
        parts = deblend_sources(
            detection.image,
            detection.segments,
            config.n_pixels,
            labels=labels,
            n_levels=config.n_levels,
            contrast=config.contrast,
            progress_bar=False,
        )
    return parts.data.astype(np.int32)


def central_label(segments: np.ndarray, image: np.ndarray) -> int:
    """Label of the source at the centre, or of the brightest one very near it; else 0."""
    height, width = segments.shape
    label = int(segments[(height - 1) // 2, (width - 1) // 2])
    if label:
        return label
    rows, columns = np.ogrid[:height, :width]
    near = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2)
    near = (near <= _CENTRE_RADIUS * height / 128) & (segments > 0)
    if not near.any():
        return 0
    return int(segments[near][np.argmax(image[near])])


def is_blended(
    parts: np.ndarray, image: np.ndarray, target: int, parent: np.ndarray, config: PreprocessConfig
) -> str:
    """Say which second source overlaps the target, if one really does.

    A part of the target's own segment counts if its light, the light that it
    raises above the saddle towards the rest of the segment, and the height of
    its peak above that saddle are all large enough: spiral arms and
    star-forming knots hardly rise above their surroundings.

    Parameters
    ----------
    parts : ndarray, int (h, w)
        Labels after deblending.
    image : ndarray, float (h, w)
        Background-subtracted, smoothed image.
    target : int
        Label of the central part.
    parent : ndarray, bool (h, w)
        The segment before deblending.
    config : PreprocessConfig

    Returns
    -------
    str
        Empty if not blended.
    """
    own_flux = float(image[(parts == target) & parent].sum())
    for label in np.unique(parts[parent]):
        if label in (0, target):
            continue
        other = (parts == label) & parent
        light = image[other]
        flux, peak = float(light.sum()) / own_flux, float(light.max())
        if flux < config.min_flux_ratio:
            continue
        saddle = saddle_level(image, other, parent & ~other)
        raised = float(np.maximum(light - saddle, 0).sum()) / own_flux
        prominence = 1.0 - saddle / peak
        if raised >= config.min_raised_flux and prominence >= config.min_prominence:
            return (
                f"a second source overlaps it: {100 * flux:.0f} % of its light, "
                f"peak {100 * prominence:.0f} % above the saddle"
            )
    return ""


def saddle_level(image: np.ndarray, one: np.ndarray, rest: np.ndarray) -> float:
    """Highest level at which a path leads from `one` to `rest`; 0 if they do not touch."""
    level = 0.0
    height, width = image.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        there = (slice(dy, height), slice(max(0, dx), width + min(0, dx)))
        touch = (one[here] & rest[there]) | (rest[here] & one[there])
        if touch.any():
            level = max(level, float(np.minimum(image[here], image[there])[touch].max()))
    return level

"""Cutouts to network inputs: mask, deblend, crop, every stage kept (paper Sect. 2.2.2)."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.preprocess import crop as crops
from galam_explorer.preprocess import deblend as blends
from galam_explorer.preprocess import mask as masks
from galam_explorer.records import Cutout, CutoutStages, Ellipse
from galam_explorer.survey.images import decode_cutout

__all__ = ["prepare_cutout"]

Stages = dict[str, Any]


def prepare_cutout(
    cutout: Cutout | bytes | np.ndarray | None,
    config: PreprocessConfig | str = "robust",
    where: str = "",
) -> CutoutStages:
    """Find the central galaxy of a cutout and make the network's input of it.

    Iterative threshold → binary → edges → ellipses → mask → background and
    detection → deblending → crop and resize to 128×128. Cutouts of another
    size than ``config.size`` are brought to it first.

    Parameters
    ----------
    cutout : Cutout, bytes, ndarray or None
        An encoded image, uint8 pixels (h, w, 3) or (h, w), or None.
    config : PreprocessConfig or str
        Or the name of one, ``"paper"`` or ``"robust"``.
    where : str
        Galaxy id or file name for messages.

    Returns
    -------
    CutoutStages
        The status and every stage that was reached. A cutout that cannot be
        used has the status ``bad_cutout``; that raises nothing.

    Raises
    ------
    GalamError
        On an unknown configuration name, or an array that is no 8-bit image.
    """
    if isinstance(config, str):
        config = PreprocessConfig.named(config)
    if cutout is None:
        return CutoutStages("no_cutout", "the galaxy has no cutout")
    if isinstance(cutout, np.ndarray):
        image = _check_pixels(cutout, where)
    else:
        try:
            image = decode_cutout(cutout, where)
        except GalamError as error:
            return CutoutStages("bad_cutout", error.what)
    stages: Stages = {"original": masks.to_working_size(image, config.size)}
    for step in (_mask, _deblend, _crop):
        rejected = step(stages, config)
        if rejected is not None:
            status, reason = rejected
            return _stages(status, reason, stages)
    return _stages("ok", "", stages)


def _stages(status: str, reason: str, stages: Stages) -> CutoutStages:
    known = {field.name for field in dataclasses.fields(CutoutStages)}
    return CutoutStages(status, reason, **{k: v for k, v in stages.items() if k in known})


def _check_pixels(pixels: np.ndarray, where: str) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise GalamError(
            f"expected uint8 pixels (height, width, 3), not {pixels.dtype} {pixels.shape}",
            where or "cutout",
        )
    return pixels


def _mask(stages: Stages, config: PreprocessConfig) -> tuple[str, str] | None:
    """Grey, thresholds, binary, edges, ellipses, mask, masked."""
    original = stages["original"]
    grey = stages["grey"] = cv2.cvtColor(original, cv2.COLOR_RGB2GRAY)
    levels = masks.grey_levels(grey, config)
    thresholds = stages["thresholds"] = masks.iterate_threshold(levels, config)
    if not thresholds:
        return "empty_foreground", "every pixel has the same grey level"
    stages["binary"] = levels > thresholds[-1]
    stages["edges"] = masks.edges_of(stages["binary"])
    outlines = stages["edges"]
    if config.ellipse_choice == "central":
        # Canny leaves gaps; with the region itself every outline is closed.
        outlines = outlines | stages["binary"]
    fits = masks.fit_ellipses(outlines)
    stages["ellipses"] = tuple(ellipse for ellipse, _ in fits)
    if config.ellipse_choice == "last":
        chosen = masks.last_ellipse(stages["ellipses"], grey.shape)
    else:
        chosen = masks.central_ellipse(fits, stages["binary"])
    if chosen is None:
        return "no_ellipse", f"none of {len(fits)} fitted ellipses holds the image centre"
    stages["ellipse"] = _scaled(chosen, config.ellipse_scale)
    stages["mask"] = masks.ellipse_mask(stages["ellipse"], grey.shape, config)
    stages["masked"] = original * stages["mask"][..., None]
    return None


def _scaled(ellipse: Ellipse, factor: float) -> Ellipse:
    return dataclasses.replace(
        ellipse, width=factor * ellipse.width, height=factor * ellipse.height
    )


def _deblend(stages: Stages, config: PreprocessConfig) -> tuple[str, str] | None:
    """Detection, segmentation, deblended; the verdict on blending."""
    masked = stages["masked"]
    if config.jpeg_round_trip == "all":
        masked = stages["masked"] = masks.jpeg_round_trip(masked)
    masked_grey = cv2.cvtColor(masked, cv2.COLOR_RGB2GRAY)
    found = blends.detect(stages["grey"], stages["mask"], masked_grey, config)
    stages["detection"] = found.image.astype(np.float32)
    stages["detection_threshold"] = found.threshold.astype(np.float32)
    if found.segments is None:
        return "no_source", "no source stands out from the background inside the mask"
    segments = stages["segmentation"] = found.segments.data.astype(np.int32)
    if config.blended_rule == "any":
        stages["deblended"] = blends.deblend(found, None, config)
        count = int(stages["deblended"].max())
        return ("blended", f"{count} sources inside the mask") if count > 1 else None
    label = blends.central_label(segments, found.image)
    if not label:
        return "no_source", "no source stands out from the background at the centre"
    parts = stages["deblended"] = blends.deblend(found, label, config)
    parent = segments == label
    target = blends.central_label(np.where(parent, parts, 0), found.image)
    reason = blends.is_blended(parts, found.image, target, parent, config)
    return ("blended", reason) if reason else None


def _crop(stages: Stages, config: PreprocessConfig) -> tuple[str, str] | None:
    """The crop's box and the network's input."""
    masked = stages["masked"]
    if config.jpeg_round_trip == "crop":
        masked = masks.jpeg_round_trip(masked)
    if config.crop_shape == "stretched":
        box = crops.bounding_box((masked > 0).any(axis=2))
    else:
        box = crops.bounding_box(stages["mask"])
        box = crops.square_box(box) if box else None
    if box is None:
        return "empty_foreground", "the mask holds no light"
    cropped = crops.crop(masked, box)
    if config.stretch_levels:
        cropped = crops.stretch_levels(cropped)
    if config.jpeg_round_trip != "none":
        cropped = masks.jpeg_round_trip(cropped)
    stages["crop_box"], stages["cropped"] = box, cropped
    return None

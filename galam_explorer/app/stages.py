"""The preprocessing of one galaxy, remembered by galaxy and configuration."""

from __future__ import annotations

from typing import Any

import numpy as np

from galam_explorer.app.data import SurveyData
from galam_explorer.config import PreprocessConfig
from galam_explorer.records import CutoutStages, Ellipse, Galaxy

__all__ = ["stages_of", "to_image"]


def stages_of(data: SurveyData, galaxy: Galaxy, config: PreprocessConfig) -> CutoutStages:
    """Every step from the cutout to the network's input."""
    from galam_explorer.preprocess.images import prepare_cutout

    return data.stages.get(
        (galaxy.id, config.hash), lambda: prepare_cutout(galaxy.cutout, config, galaxy.id)
    )


def to_image(stages: CutoutStages, shape: tuple[int, ...]) -> dict[str, Any]:
    """Mask and ellipse at the size of the cutout, for `cutout_figure`; empty if none."""
    if stages.mask is None or stages.ellipse is None:
        return {}
    height, width = shape[:2]
    rows, columns = stages.mask.shape
    fy, fx = height / rows, width / columns
    y = np.minimum((np.arange(height) / fy).astype(int), rows - 1)
    x = np.minimum((np.arange(width) / fx).astype(int), columns - 1)
    one = stages.ellipse
    # Pixel centres are integers, so scale about the corner of the image.
    ellipse = Ellipse(
        (one.x + 0.5) * fx - 0.5,
        (one.y + 0.5) * fy - 0.5,
        one.width * fx,
        one.height * fy,
        one.angle,
    )
    return {"mask": stages.mask[np.ix_(y, x)], "ellipse": ellipse}

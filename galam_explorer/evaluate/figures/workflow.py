"""The preprocessing of two galaxies, one accepted and one blended (paper Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.cutout import image_options, rgb_layer
from galam_explorer.evaluate.figures.population import layout
from galam_explorer.records import CutoutStages

__all__ = ["workflow_figure"]

_STEPS = {"original": "original", "masked": "masked", "cropped": "cropped, the input"}


def workflow_figure(galaxies: Mapping[str, CutoutStages], *, dark: bool = False) -> hv.Layout:
    """Original, masked and cropped image of some galaxies, one row each.

    Parameters
    ----------
    galaxies : mapping of str to CutoutStages
        By name. A step that was not reached is black and says why.

    Returns
    -------
    hv.Layout
        Three panels a galaxy.
    """
    panels = []
    for name, stages in galaxies.items():
        for key, title in _STEPS.items():
            image = getattr(stages, key)
            words = f"{name}: {title}" if image is not None else f"{name}: {stages.status}"
            pixels = np.zeros((128, 128, 3), np.uint8) if image is None else image
            options = image_options(pixels.shape[:2]) | {"title": words}
            panels.append(hv.Overlay([rgb_layer(pixels)]).opts(hv.opts.Overlay(**options)))
    return layout(panels, columns=len(_STEPS))

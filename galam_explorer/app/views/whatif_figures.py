"""The figures of the what-if view: spectrum, images, predictions, before and after a change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.app.live import LiveFigure
from galam_explorer.app.stages import to_image
from galam_explorer.evaluate.figures import whatif as fig
from galam_explorer.evaluate.figures.cutout import cutout_figure, cutout_sources
from galam_explorer.evaluate.whatif import Outcome
from galam_explorer.records import Prediction

__all__ = ["PICTURES", "QUANTITIES", "WhatIfFigures"]

PICTURES = ("spectrum", "before", "after")
QUANTITIES = ("log_age", "m_h")
_NAMES = (*PICTURES, *QUANTITIES)
_NO_IMAGE = np.zeros((64, 64, 3), np.uint8)
_WAITING = Prediction("", "", status="waiting")


class WhatIfFigures:
    """Five live figures, by name; each is drawn once for all sessions, then only filled.

    Parameters
    ----------
    predictors : iterable of str
        What the model can predict.
    dark : bool
    """

    def __init__(self, predictors: Iterable[str], dark: bool) -> None:
        self._predictors, self._dark = tuple(predictors), dark
        self.by_name = {
            name: LiveFigure(self._blank(name), f"whatif-{name}", like=self._like(name))
            for name in _NAMES
        }

    def __getitem__(self, name: str) -> LiveFigure:
        return self.by_name[name]

    def show(
        self, before: Outcome | None, after: Outcome | None, against: Mapping[str, fig.Against],
        predictors: Iterable[str],
    ) -> None:  # fmt: skip
        """Fill the figures; None while there is no answer."""
        predictors = tuple(predictors)
        if predictors != self._predictors:
            self._predictors = predictors
            for quantity in QUANTITIES:
                self._redraw(quantity)
        said = (
            ({}, dict.fromkeys(predictors, _WAITING))
            if before is None or after is None
            else (before.predictions, after.predictions)
        )
        for quantity in QUANTITIES:
            self.by_name[quantity].update(
                *fig.change_sources(*said, quantity, against[quantity], dark=self._dark)
            )
        spectra = [None if one is None else one.galaxy.spectrum for one in (before, after)]
        self.by_name["spectrum"].update(*fig.spectrum_pair_sources(*spectra))
        for name, outcome in (("before", before), ("after", after)):
            place, options = _image(outcome)
            self.by_name[name].update(*cutout_sources(*place, **options))

    def recolour(self, dark: bool) -> None:
        """Draw all anew in the other theme; they must be filled after that."""
        self._dark = dark
        for name in self.by_name:
            self._redraw(name)

    def _redraw(self, name: str) -> None:
        self.by_name[name].redraw(self._blank(name), self._like(name))

    def _blank(self, name: str) -> Callable[[], hv.Overlay]:
        """What draws a figure without data."""
        return partial(_blank, name, self._predictors, self._dark)

    def _like(self, name: str) -> Hashable:
        """All that such a figure depends on."""
        if name in QUANTITIES:
            return ("whatif", name, self._predictors, self._dark)
        return ("whatif", name, self._dark) if name == "spectrum" else "whatif-image"


def _image(outcome: Outcome | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of the cutout's figure."""
    if outcome is None or outcome.image is None:
        return (_NO_IMAGE,), {"oriented": False}
    galaxy = outcome.galaxy
    scale = float("nan") if galaxy.cutout is None else galaxy.cutout.scale
    mask = to_image(outcome.stages, outcome.image.shape)
    oriented = galaxy.origin != "local"
    return (outcome.image, scale / outcome.what.image_scale), {"oriented": oriented, **mask}


def _blank(name: str, predictors: tuple[str, ...], dark: bool) -> hv.Overlay:
    if name == "spectrum":
        return fig.spectrum_pair_figure(None, None, dark=dark)
    if name in PICTURES:
        return cutout_figure(_NO_IMAGE, oriented=False)
    waiting = dict.fromkeys(predictors, _WAITING)
    return fig.change_figure({}, waiting, name, fig.Against(), dark=dark)

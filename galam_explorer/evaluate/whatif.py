"""What would the networks say if this galaxy had been observed or prepared otherwise?

A copy of the galaxy is altered (`galam_explorer.evaluate.whatif_change`) and goes the way
of any other galaxy: preprocessing, networks, calibrated intervals, domain scores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from galam_explorer.config import PreprocessConfig
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict_inputs import Inputs, known_sn
from galam_explorer.evaluate.predict_table import records
from galam_explorer.evaluate.whatif_change import (
    WhatIf,
    altered_image,
    altered_spectrum,
    altered_stages,
    decoded,
    feasible,
    observed_sn,
)
from galam_explorer.preprocess import prepare_cutout, prepare_spectrum
from galam_explorer.preprocess.crop import IMAGE_SIZE
from galam_explorer.preprocess.spectra import N_WAVELENGTHS
from galam_explorer.records import CutoutStages, Galaxy, Prediction, PreparedSpectrum

__all__ = ["Outcome", "WhatIf", "feasible", "observed_sn", "what_if", "what_ifs"]

Prepare = Callable[[WhatIf, Callable[[], CutoutStages]], CutoutStages]


@dataclass(frozen=True, eq=False)
class Outcome:
    """An altered galaxy, and what the networks say of it.

    Parameters
    ----------
    what : WhatIf
    config : PreprocessConfig
        That it was prepared with.
    galaxy : Galaxy
        With the altered spectrum and its S/N; its cutout is as it came.
    image : ndarray, uint8 (h, w, 3), optional
        The altered cutout; None without a readable one.
    stages : CutoutStages
        How the network's input came of it, or why none did.
    spectrum : PreparedSpectrum
    predictions : dict of str to Prediction
        By predictor, with intervals and domain scores; with the reason where there is none.
    """

    what: WhatIf
    config: PreprocessConfig
    galaxy: Galaxy
    image: np.ndarray | None
    stages: CutoutStages
    spectrum: PreparedSpectrum
    predictions: dict[str, Prediction]

    @property
    def sn_r(self) -> float:
        """Signal-to-noise of the altered spectrum; NaN without one."""
        return observed_sn(self.galaxy)


def what_if(model: Model, galaxy: Galaxy, what: WhatIf) -> Outcome:
    """One change and what every network says then; see `what_ifs`."""
    return what_ifs(model, galaxy, [what])[0]


def what_ifs(
    model: Model, galaxy: Galaxy, whats: Sequence[WhatIf], remember: Prepare | None = None
) -> list[Outcome]:
    """Several changes of one galaxy, through the networks together.

    Parameters
    ----------
    model : Model
    galaxy : Galaxy
        With a spectrum, an image, or both.
    whats : sequence of WhatIf
        ``WhatIf()`` is the galaxy as it is.
    remember : callable, optional
        Called as ``remember(what, make)`` with the part of a change that concerns the
        image and a function that prepares it; returns what that gives, now or before.

    Returns
    -------
    list of Outcome
        In the order of `whats`.

    Raises
    ------
    GalamError
        If a change is impossible; `feasible` gives the nearest possible one.
    """
    image = decoded(galaxy)
    images: dict[WhatIf, tuple[np.ndarray | None, CutoutStages]] = {}
    for part in dict.fromkeys(what.of_image for what in whats):
        images[part] = _prepared_image(image, part, model, galaxy, remember)
    altered, spectra = [], []
    for what in whats:
        spectrum = altered_spectrum(galaxy, what)
        sn_r = galaxy.sn_r if what.sn is None else what.sn
        altered.append(dataclasses.replace(galaxy, spectrum=spectrum, sn_r=sn_r))
        spectra.append(prepare_spectrum(spectrum, what.config(model.preprocess)))
    stages = [images[what.of_image][1] for what in whats]
    inputs = _inputs(altered, stages, spectra)
    raw = model.raw(inputs)
    columns = model.columns(inputs, raw)
    return [
        Outcome(
            what, what.config(model.preprocess), altered[row], images[what.of_image][0],
            stages[row], spectra[row], records(columns, inputs, raw, row, model.predictors),
        )
        for row, what in enumerate(whats)
    ]  # fmt: skip


def _prepared_image(
    image: np.ndarray | None,
    what: WhatIf,
    model: Model,
    galaxy: Galaxy,
    remember: Prepare | None,
) -> tuple[np.ndarray | None, CutoutStages]:
    if image is None:
        return None, prepare_cutout(galaxy.cutout, model.preprocess, galaxy.id)
    changed = altered_image(image, what)

    def make() -> CutoutStages:
        return altered_stages(changed, what, model.preprocess, galaxy.id)

    return changed, make() if remember is None else remember(what, make)


def _inputs(
    galaxies: Sequence[Galaxy],
    stages: Sequence[CutoutStages],
    spectra: Sequence[PreparedSpectrum],
) -> Inputs:
    empty_image = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    empty_spectrum = np.zeros(N_WAVELENGTHS, np.float32)
    return Inputs(
        [one.id for one in galaxies],
        np.stack([empty_image if one.cropped is None else one.cropped for one in stages]),
        np.stack([empty_spectrum if one.values is None else one.values for one in spectra]),
        [one.status for one in stages],
        [one.status for one in spectra],
        [one.reason for one in stages],
        [one.reason for one in spectra],
        np.array([known_sn(one) for one in galaxies], dtype=float),
    )

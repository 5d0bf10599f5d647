"""Which wavelengths and which pixels move a prediction or a feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.calibration import TARGETS
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict_forward import NEEDS
from galam_explorer.networks import (
    N_FEATURES,
    Output,
    image_tensor,
    normalise_features,
    spectrum_tensor,
)
from galam_explorer.preprocess import prepare_cutout, prepare_spectrum
from galam_explorer.preprocess.spectra import WAVELENGTHS
from galam_explorer.records import Galaxy

__all__ = ["ImageSaliency", "WavelengthGradient", "image_saliency", "wavelength_gradient"]

_IMAGE_PREDICTORS = ("m3", "m4", "m4_real", "image_only")


@dataclass(frozen=True, eq=False)
class WavelengthGradient:
    """How M1's answer changes with the flux at each wavelength.

    Parameters
    ----------
    id : str
    target : str
        ``log_age``, ``m_h`` or ``feature 17``.
    wavelength : ndarray, float64 (4171,)
        Observed, vacuum Å.
    spectrum : ndarray, float32 (4171,)
        The network's input, 0 to 1.
    gradient : ndarray, float64 (4171,)
        Change of the target (dex; features in units of the galaxy's range of
        features) per unit of normalised flux in one pixel of 1 Å.
    value : float
        The target itself.
    note : str
    """

    id: str
    target: str
    wavelength: np.ndarray
    spectrum: np.ndarray
    gradient: np.ndarray
    value: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class ImageSaliency:
    """How a prediction changes with each pixel of the network's input.

    Parameters
    ----------
    id, predictor, target : str
    image : ndarray, uint8 (128, 128, 3)
    gradient : ndarray, float64 (128, 128, 3)
        dex per grey level.
    """

    id: str
    predictor: str
    target: str
    image: np.ndarray
    gradient: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """Sum of \\|gradient\\| over the bands, dex per grey level, shape (128, 128)."""
        return np.abs(self.gradient).sum(axis=2)


def wavelength_gradient(
    model: Model, galaxy: Galaxy, target: str | int = "log_age"
) -> WavelengthGradient:
    """Gradient of a prediction or a feature of M1 on the spectrum.

    Parameters
    ----------
    model : Model
    galaxy : Galaxy
    target : {"log_age", "m_h"} or int
        A number from 0 to 1023 is a feature.

    Returns
    -------
    WavelengthGradient

    Raises
    ------
    GalamError
        On another target, without M1, or without a usable spectrum.
    """
    model.require("m1")
    if target not in TARGETS and not (_is_number(target) and 0 <= target < N_FEATURES):
        raise GalamError(
            f"{target!r} is no target", "target", "use log_age, m_h or a feature from 0 to 1023"
        )
    prepared = prepare_spectrum(galaxy.spectrum, model.preprocess)
    if prepared.values is None:
        raise GalamError(f"there is no usable spectrum ({prepared.reason})", galaxy.id)
    values = spectrum_tensor(prepared.values[None]).to(model.device).clone().requires_grad_(True)
    with torch.enable_grad():
        output = model.networks["m1"](values)
        wanted, note = _target_of(model, output, target)
        (gradient,) = torch.autograd.grad(wanted, values)
    return WavelengthGradient(
        galaxy.id,
        target if isinstance(target, str) else f"feature {int(target)}",
        WAVELENGTHS.copy(),
        prepared.values,
        gradient[0].double().cpu().numpy(),
        float(wanted.detach()),
        note,
    )


def _is_number(target: object) -> bool:
    return isinstance(target, int | np.integer) and not isinstance(target, bool)


def _target_of(model: Model, output: Output, target: str | int) -> tuple[Tensor, str]:
    if isinstance(target, str):
        return _in_dex(model, output, target), ""
    features = output.features[0]
    low, span = features.min().detach(), (features.max() - features.min()).detach()
    note = ""
    if float(features[target].detach()) == 0.0:
        # ReLU: below zero nothing passes, so small changes change nothing.
        note = "This feature is switched off (0) in this galaxy: no wavelength moves it."
    return (features[target] - low) / span.clamp_min(1e-12), note


def _in_dex(model: Model, output: Output, target: str) -> Tensor:
    column = TARGETS.index(target)
    return output.mean[0, column] * model.scaling.width[column] + model.scaling.low[column]


def image_saliency(
    model: Model, galaxy: Galaxy, predictor: str = "m4", target: str = "log_age"
) -> ImageSaliency:
    """Gradient of a prediction on the pixels of the network's input.

    Through all networks that see the image: for ``m4`` M2 and M3.

    Parameters
    ----------
    model : Model
    galaxy : Galaxy
    predictor : {"m3", "m4", "m4_real", "image_only"}
    target : {"log_age", "m_h"}

    Returns
    -------
    ImageSaliency

    Raises
    ------
    GalamError
        On another predictor or target, or without a usable input.
    """
    if predictor not in _IMAGE_PREDICTORS:
        raise GalamError(
            f"{predictor!r} does not look at images", "predictor", f"use {_IMAGE_PREDICTORS}"
        )
    if target not in TARGETS:
        raise GalamError(f"{target!r} is no target", "target", "use log_age or m_h")
    model.require(*NEEDS[predictor])
    stages = prepare_cutout(galaxy.cutout, model.preprocess, galaxy.id)
    if stages.cropped is None:
        raise GalamError(f"there is no usable image ({stages.reason})", galaxy.id)
    levels = torch.from_numpy(stages.cropped[None]).to(model.device).float().requires_grad_(True)
    with torch.enable_grad():
        output = _through_image(model, galaxy, predictor, image_tensor(levels, model.network))
        (gradient,) = torch.autograd.grad(_in_dex(model, output, target), levels)
    found = gradient[0].double().cpu().numpy()
    return ImageSaliency(galaxy.id, predictor, target, stages.cropped, found)


def _through_image(model: Model, galaxy: Galaxy, predictor: str, pixels: Tensor) -> Output:
    networks = model.networks
    if predictor in ("m3", "image_only"):
        return networks[predictor](pixels)
    if predictor == "m4":
        features = networks["m2"](pixels).features
    else:
        prepared = prepare_spectrum(galaxy.spectrum, model.preprocess)
        if prepared.values is None:
            raise GalamError(f"there is no usable spectrum ({prepared.reason})", galaxy.id)
        features = networks["m1"](spectrum_tensor(prepared.values[None]).to(model.device)).features
    return networks[predictor](normalise_features(features), networks["m3"](pixels).tokens)

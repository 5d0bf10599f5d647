"""One batch through all networks of a model."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from galam_explorer.config import NetworkConfig
from galam_explorer.evaluate.predict_inputs import Inputs
from galam_explorer.networks import (
    Output,
    image_tensor,
    normalise_features,
    spectrum_tensor,
)
from galam_explorer.networks.blocks import Network
from galam_explorer.train.data import LabelScaling

__all__ = ["NEEDS", "PREDICTORS", "Raw", "predictors_of", "run_networks"]

PREDICTORS = ("m1", "m3", "m4", "m4_real", "image_only")
"""What predicts age and metallicity, in the order of tables."""
NEEDS: Mapping[str, tuple[str, ...]] = {
    "m1": ("m1",),
    "m3": ("m3",),
    "m4": ("m2", "m3", "m4"),
    "m4_real": ("m1", "m3", "m4_real"),
    "image_only": ("image_only",),
}
"""The networks that each of them runs through."""

# Threads of a server would otherwise compete for the same few cores.
_FORWARD = threading.Lock()
_FEW = 8
"""Up to so many galaxies, a second thread of torch waits more than it works: 10 times as
long for one galaxy (measured) where the cores are busy with something else, a browser say."""


@dataclass(frozen=True, eq=False)
class Raw:
    """What the networks say, before calibration; rows without an input are NaN.

    Parameters
    ----------
    mean, spread : mapping of str to ndarray, shape (n, 2)
        By predictor: ``log_age`` and ``m_h``, and their learned spread, dex. Without
        a learned spread it is the width of the training labels.
    real : ndarray, float32 (n, 1024), optional
        M1's features, min-max normalised (paper Sect. 3.2).
    simulated : ndarray, float32 (n, 1024), optional
        M2's prediction of them, clipped at 0.
    image : ndarray, float32 (n, 1024), optional
        Features of M3, or of the image-only network where there is no M3.
    attention : mapping of str to ndarray, shape (n, heads, queries, tokens)
        Of ``m4`` and ``m4_real``; only where asked for.
    """

    mean: dict[str, np.ndarray] = field(default_factory=dict)
    spread: dict[str, np.ndarray] = field(default_factory=dict)
    real: np.ndarray | None = None
    simulated: np.ndarray | None = None
    image: np.ndarray | None = None
    attention: dict[str, np.ndarray] = field(default_factory=dict)


def predictors_of(networks: Mapping[str, Network]) -> tuple[str, ...]:
    """The predictors whose networks are all there."""
    return tuple(name for name in PREDICTORS if set(NEEDS[name]) <= set(networks))


def run_networks(
    networks: Mapping[str, Network],
    config: NetworkConfig,
    scaling: LabelScaling,
    inputs: Inputs,
    device: str = "cpu",
    keep_attention: bool = False,
) -> Raw:
    """Run every network on the rows that it has an input for.

    One batch at a time in a process: a second thread waits.

    Parameters
    ----------
    networks : mapping of str to Network
        In evaluation mode.
    config : NetworkConfig
    scaling : LabelScaling
    inputs : Inputs
    device : str
    keep_attention : bool

    Returns
    -------
    Raw
    """
    with _FORWARD, _threads_for(len(inputs)), torch.inference_mode():
        outputs = _outputs(networks, config, inputs, device)
    return _collect(networks, outputs, scaling, len(inputs), keep_attention)


@contextmanager
def _threads_for(count: int) -> Iterator[None]:
    """Let torch use one thread for a few galaxies, and as many as it is set to for more."""
    before = torch.get_num_threads()
    if count > _FEW or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Found = dict[str, tuple[np.ndarray, Output]]


def _outputs(
    networks: Mapping[str, Network], config: NetworkConfig, inputs: Inputs, device: str
) -> Found:
    """By network: the rows it ran on, and what it gave."""
    found: Found = {}
    with_spectrum, with_image = inputs.has_spectrum, inputs.has_image
    spectra, images = np.flatnonzero(with_spectrum), np.flatnonzero(with_image)
    if len(spectra) and "m1" in networks:
        values = spectrum_tensor(_rows(inputs.spectra, spectra)).to(device)
        found["m1"] = spectra, networks["m1"](values)
    if not len(images):
        return found
    pixels = image_tensor(torch.from_numpy(_rows(inputs.images, images)).to(device), config)
    for name in ("m2", "m3", "image_only"):
        if name in networks:
            found[name] = images, networks[name](pixels)
    if {"m2", "m3", "m4"} <= set(found) | ({"m4"} & set(networks)):
        features = normalise_features(found["m2"][1].features)
        found["m4"] = images, networks["m4"](features, found["m3"][1].tokens)
    both = np.flatnonzero(with_spectrum & with_image)
    if len(both) and {"m1", "m3"} <= set(found) and "m4_real" in networks:
        features = found["m1"][1].features[_among(spectra, both, device)]
        tokens = found["m3"][1].tokens[_among(images, both, device)]
        found["m4_real"] = both, networks["m4_real"](normalise_features(features), tokens)
    return found


def _rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array if len(rows) == len(array) else array[rows])


def _among(rows: np.ndarray, some: np.ndarray, device: str) -> torch.Tensor:
    return torch.from_numpy(np.searchsorted(rows, some)).to(device)


def _collect(
    networks: Mapping[str, Network],
    outputs: Found,
    scaling: LabelScaling,
    count: int,
    keep_attention: bool,
) -> Raw:
    width = np.asarray(scaling.width)
    mean, spread, attention = {}, {}, {}
    for name in predictors_of(networks):
        mean[name], spread[name] = np.full((count, 2), np.nan), np.full((count, 2), np.nan)
        if name not in outputs:
            continue
        rows, output = outputs[name]
        mean[name][rows] = scaling.unscale(output.mean.double().cpu().numpy())
        log_sigma = output.log_sigma
        learned = 1.0 if log_sigma is None else log_sigma.double().exp().cpu().numpy()
        spread[name][rows] = learned * width
        if keep_attention and output.attention is not None:
            attention[name] = _scatter(rows, output.attention, count)
    real = simulated = image = None
    if "m1" in outputs:
        rows, output = outputs["m1"]
        real = _scatter(rows, normalise_features(output.features), count)
    if "m2" in outputs:
        simulated = _scatter(outputs["m2"][0], outputs["m2"][1].features, count)
    if own := next((name for name in ("m3", "image_only") if name in outputs), None):
        image = _scatter(outputs[own][0], outputs[own][1].features, count)
    return Raw(mean, spread, real, simulated, image, attention)


def _scatter(rows: np.ndarray, values: torch.Tensor, count: int) -> np.ndarray:
    """Values of some rows in an array for all, NaN elsewhere."""
    array = values.float().cpu().numpy()
    if len(rows) == count:
        return array
    full = np.full((count, *array.shape[1:]), np.nan, np.float32)
    full[rows] = array
    return full

"""Where a prediction comes from, and how far each picture of it can be trusted.

Attention weights are part of the computation, not an account of its causes
(Jain & Wallace 2019): beside them stands what happens when a token is removed,
and the rank correlation of the two.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.explain_gradients import (
    ImageSaliency,
    WavelengthGradient,
    image_saliency,
    wavelength_gradient,
)
from galam_explorer.evaluate.explain_neighbours import nearest
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict_forward import NEEDS
from galam_explorer.networks import image_tensor, normalise_features, spectrum_tensor
from galam_explorer.networks.blocks import Network
from galam_explorer.preprocess import prepare_cutout, prepare_spectrum
from galam_explorer.records import CutoutStages, Galaxy

__all__ = [
    "SINGLE_NOTE",
    "AttentionMaps",
    "ImageSaliency",
    "TokenAblation",
    "WavelengthGradient",
    "ablate_tokens",
    "attention_maps",
    "image_saliency",
    "nearest",
    "rank_correlation",
    "wavelength_gradient",
]

SINGLE_NOTE = (
    "This model attends over one token, so every weight is 1 by construction: "
    "a softmax over one key has nothing to choose from."
)
_FUSIONS = ("m4", "m4_real")


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """M4's attention for one galaxy.

    Parameters
    ----------
    id, predictor : str
    weights : ndarray, float32 (heads, queries, side, side)
        For each head and group of features the weights of the image's tokens, which
        sum to 1; side 8, row by row from the top of the image, or 1.
    image : ndarray, uint8 (128, 128, 3)
        The network's input.
    cutout : ndarray, uint8 (h, w, 3)
        The galaxy at the working size of the preprocessing.
    crop_box : tuple of int
        ``(y0, y1, x0, x1)`` of `image` in `cutout`; may reach outside it.
    note : str
        Says so where the weights mean nothing; else empty.
    """

    id: str
    predictor: str
    weights: np.ndarray
    image: np.ndarray
    cutout: np.ndarray
    crop_box: tuple[int, int, int, int]
    note: str = ""

    @property
    def mean(self) -> np.ndarray:
        """Mean over heads and queries, shape (side, side); sums to 1."""
        return self.weights.mean(axis=(0, 1))


@dataclass(frozen=True, eq=False)
class TokenAblation:
    """How predictions change when one token is removed from keys and values.

    Parameters
    ----------
    id, predictor : str
    change : ndarray, float64 (side, side, 2)
        Prediction without the token - prediction with all, ``log_age`` and
        ``m_h``, dex.
    correlation : ndarray, shape (2,)
        Spearman's rank correlation of \\|change\\| with the mean weights; NaN where
        either does not vary.
    weights : ndarray, float32 (heads, queries, side, side)
    note : str
        Why there is nothing to remove; else empty.
    """

    id: str
    predictor: str
    change: np.ndarray
    correlation: np.ndarray
    weights: np.ndarray
    note: str = ""


def attention_maps(model: Model, galaxy: Galaxy, predictor: str = "m4") -> AttentionMaps:
    """Attention of each head and group of features over the image's tokens.

    Parameters
    ----------
    model : Model
    galaxy : Galaxy
    predictor : {"m4", "m4_real"}

    Returns
    -------
    AttentionMaps

    Raises
    ------
    GalamError
        If the model has no such network, or the galaxy no usable input.
    """
    features, tokens, stages = _fusion_inputs(model, galaxy, predictor)
    with torch.inference_mode():
        weights = model.networks[predictor](features, tokens).attention
    maps = _as_maps(weights)
    note = SINGLE_NOTE if maps.shape[-1] == 1 else ""
    return AttentionMaps(
        galaxy.id, predictor, maps, stages.cropped, stages.original, stages.crop_box, note
    )


def ablate_tokens(model: Model, galaxy: Galaxy, predictor: str = "m4") -> TokenAblation:
    """Remove each token in turn from keys and values and predict again.

    Same parameters and errors as `attention_maps`.

    Returns
    -------
    TokenAblation
    """
    features, tokens, _ = _fusion_inputs(model, galaxy, predictor)
    network = model.networks[predictor]
    count = tokens.shape[1]
    with torch.inference_mode():
        whole = network(features, tokens)
        maps = _as_maps(whole.attention)
        if count == 1:
            change = np.full((1, 1, 2), np.nan)
            note = SINGLE_NOTE + " Without it nothing is left to attend to."
            return TokenAblation(galaxy.id, predictor, change, np.full(2, np.nan), maps, note)
        without = _without_each_token(network, count)
        changed = without(features.expand(count, -1), tokens.expand(count, -1, -1))
        scaled = (changed.mean - whole.mean).double().cpu().numpy()
    side = maps.shape[-1]
    change = (scaled * np.asarray(model.scaling.width)).reshape(side, side, 2)
    correlation = rank_correlation(maps.mean(axis=(0, 1)), change)
    return TokenAblation(galaxy.id, predictor, change, correlation, maps)


def rank_correlation(weights: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Spearman's correlation of one map of weights with \\|change\\| of age and metallicity.

    Parameters
    ----------
    weights : ndarray, shape (side, side)
    change : ndarray, shape (side, side, 2)

    Returns
    -------
    ndarray, shape (2,)
        NaN where either does not vary.
    """
    found = []
    for column in range(2):
        size = np.abs(change[..., column]).ravel()
        varies = np.isfinite(size).all() and np.ptp(size) > 0 and np.ptp(weights) > 0
        found.append(spearmanr(weights.ravel(), size).statistic if varies else np.nan)
    return np.array(found, dtype=float)


def _fusion_inputs(
    model: Model, galaxy: Galaxy, predictor: str
) -> tuple[Tensor, Tensor, CutoutStages]:
    """Normalised features (1, 1024), tokens (1, T, D), and the prepared cutout."""
    if predictor not in _FUSIONS:
        raise GalamError(f"{predictor!r} has no attention", "predictor", "use m4 or m4_real")
    model.require(*NEEDS[predictor])
    stages = prepare_cutout(galaxy.cutout, model.preprocess, galaxy.id)
    if stages.cropped is None:
        raise GalamError(f"there is no usable image ({stages.reason})", galaxy.id)
    networks, device = model.networks, model.device
    with torch.inference_mode():
        pixels = image_tensor(torch.from_numpy(stages.cropped[None]).to(device), model.network)
        tokens = networks["m3"](pixels).tokens
        if predictor == "m4":
            features = networks["m2"](pixels).features
        else:
            spectrum = prepare_spectrum(galaxy.spectrum, model.preprocess)
            if spectrum.values is None:
                raise GalamError(f"there is no usable spectrum ({spectrum.reason})", galaxy.id)
            values = spectrum_tensor(spectrum.values[None]).to(device)
            features = networks["m1"](values).features
        return normalise_features(features), tokens, stages


def _as_maps(weights: Tensor) -> np.ndarray:
    """(1, heads, queries, T) as (heads, queries, side, side)."""
    found = weights[0].float().cpu().numpy()
    side = round(found.shape[-1] ** 0.5)
    return found.reshape(*found.shape[:2], side, side)


class _LeaveOneOut(nn.Module):
    """An attention whose row b does not see token b."""

    def __init__(self, attention: nn.Module, count: int) -> None:
        super().__init__()
        self.attention = attention
        numbers = torch.arange(count)
        others = [numbers[numbers != one] for one in range(count)]
        self.kept = torch.stack(others)

    def forward(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """As `MultiHeadAttention`, over all tokens but one."""
        index = self.kept.to(tokens.device)[:, :, None].expand(-1, -1, tokens.shape[2])
        return self.attention(queries, tokens.gather(1, index))


def _without_each_token(network: Network, count: int) -> Network:
    """The same network (shared weights) with a leave-one-out attention.

    A copy, since other threads may be predicting with the network.
    """
    changed = copy.copy(network)
    changed._modules = dict(network._modules)
    changed.attention = _LeaveOneOut(network.attention, count)
    return changed

"""Does M4 use what it is given? Its inputs, exchanged between galaxies.

If a prediction does not get worse when an input comes from another galaxy, the
model does not use that input. With both inputs exchanged it can do no better
than the training galaxies' mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.metrics import regression_metrics
from galam_explorer.evaluate.model import Model
from galam_explorer.networks import image_tensor, normalise_features, spectrum_tensor
from galam_explorer.preprocess import PreparedSample
from galam_explorer.train.data import TARGETS

__all__ = ["SHUFFLES", "FusionInputs", "fusion_inputs", "shuffle_table"]

SHUFFLES = ("none", "images", "features", "tokens")
"""What comes from another galaxy: nothing, the whole image (features and tokens; with
real features the spectrum too), the features alone, the tokens alone."""
_BATCH = 128


@dataclass(frozen=True, eq=False)
class FusionInputs:
    """What M4 takes, row by row.

    Parameters
    ----------
    features : Tensor, shape (n, 1024)
        Normalised; M2's, or M1's for ``m4_real``.
    tokens : Tensor, shape (n, T, D)
    """

    features: torch.Tensor
    tokens: torch.Tensor


def fusion_inputs(
    model: Model, sample: PreparedSample, rows: np.ndarray, stage: str = "m4"
) -> FusionInputs:
    """Run the networks before M4.

    Parameters
    ----------
    model : Model
    sample : PreparedSample
        Prepared as for the model.
    rows : ndarray of int
        With an image, and a spectrum for ``m4_real``.
    stage : {"m4", "m4_real"}
    """
    model.require("m3", "m2" if stage == "m4" else "m1", stage)
    features, tokens = [], []
    with torch.inference_mode():
        for start in range(0, len(rows), _BATCH):
            chosen = rows[start : start + _BATCH]
            pixels = torch.from_numpy(np.array(sample.images[chosen])).to(model.device)
            planes = image_tensor(pixels, model.network)
            tokens.append(model.networks["m3"](planes).tokens)
            if stage == "m4":
                found = model.networks["m2"](planes).features
            else:
                values = spectrum_tensor(np.array(sample.spectra[chosen])).to(model.device)
                found = model.networks["m1"](values).features
            features.append(normalise_features(found))
    return FusionInputs(torch.cat(features), torch.cat(tokens))


def predict_fused(model: Model, inputs: FusionInputs, stage: str = "m4") -> np.ndarray:
    """M4's ``log_age`` and ``m_h``, shape (n, 2), dex."""
    said = []
    with torch.inference_mode():
        for start in range(0, len(inputs.features), _BATCH):
            part = slice(start, start + _BATCH)
            said.append(model.networks[stage](inputs.features[part], inputs.tokens[part]).mean)
    return model.scaling.unscale(torch.cat(said).double().cpu().numpy())


def _derangement(n: int, seed: int) -> np.ndarray:
    """An order in which nothing stays where it was: everyone gets someone else's."""
    order = np.random.default_rng(seed).permutation(n)
    exchanged = np.empty(n, dtype=int)
    exchanged[order] = np.roll(order, 1)
    return exchanged


def shuffle_table(
    model: Model,
    sample: PreparedSample,
    rows: np.ndarray,
    reference: np.ndarray,
    mean: np.ndarray,
    stages: Sequence[str] = ("m4", "m4_real"),
    seed: int = 0,
) -> pd.DataFrame:
    """M4's skill with its inputs exchanged between galaxies.

    Parameters
    ----------
    model : Model
    sample : PreparedSample
    rows : ndarray of int, shape (n,)
        Test galaxies with image and spectrum.
    reference : ndarray, shape (n, 2), dex
        What they should give, row by row.
    mean : ndarray, shape (2,)
        The training galaxies' mean.
    stages : sequence of str
        Those that the model has are run.

    Returns
    -------
    DataFrame
        ``model``, ``shuffled`` (`SHUFFLES`, and ``mean`` for the mean label), ``quantity``,
        ``rmse``, ``r2``, ``n``.

    Raises
    ------
    GalamError
        With fewer than two galaxies, or other shapes.
    """
    if len(rows) < 2 or reference.shape != (len(rows), 2):
        raise GalamError(
            f"{len(rows)} galaxies and references {reference.shape}", "shuffle",
            "at least two galaxies with a reference each are needed",
        )  # fmt: skip
    other = _derangement(len(rows), seed)
    lines = []
    for stage in stages:
        if stage not in model.predictors:
            continue
        inputs = fusion_inputs(model, sample, rows, stage)
        for what in SHUFFLES:
            features = inputs.features[other] if what in ("images", "features") else inputs.features
            tokens = inputs.tokens[other] if what in ("images", "tokens") else inputs.tokens
            said = predict_fused(model, FusionInputs(features, tokens), stage)
            lines += _lines(stage, what, said, reference)
        lines += _lines(stage, "mean", np.broadcast_to(mean, reference.shape), reference)
    return pd.DataFrame(lines, columns=["model", "shuffled", "quantity", "rmse", "r2", "n"])


def _lines(stage: str, what: str, said: np.ndarray, reference: np.ndarray) -> list[tuple]:
    found = [regression_metrics(said[:, i], reference[:, i]) for i in range(len(TARGETS))]
    return [
        (stage, what, name, one["rmse"], one["r2"], one["n"])
        for name, one in zip(TARGETS, found, strict=True)
    ]

"""Losses and scores of one batch."""

from __future__ import annotations

import torch
from torch import Tensor

from galam_explorer.networks import Output
from galam_explorer.train.joint import JointOutput

__all__ = ["joint_loss", "label_loss", "r2_within"]


def label_loss(output: Output, targets: Tensor, loss: str) -> Tensor:
    """Loss of scaled labels, shape (B, 2) → ().

    ``nll`` is the Gaussian log-likelihood with a learned spread, without its
    constant; networks without a spread take the mean square error.
    """
    residual = targets - output.mean
    if loss == "mse" or output.log_sigma is None:
        return residual.square().mean()
    return (0.5 * torch.exp(-2 * output.log_sigma) * residual.square() + output.log_sigma).mean()


def joint_loss(output: JointOutput, targets: Tensor, loss: str, feature_mse: float) -> Tensor:
    """M4's loss, and M2's and M3's own, so that they keep their meaning.

    Parameters
    ----------
    output : JointOutput
    targets : Tensor, shape (B, 2 + 1024)
        Scaled labels, then M1's normalised features.
    loss : {"nll", "mse"}
    feature_mse : float
        Unit of M2's mean square error: that of the mean feature vector.
    """
    labels, features = targets[:, :2], targets[:, 2:]
    simulated = (output.simulated - features).square().mean() / feature_mse
    fusion, image = (label_loss(one, labels, loss) for one in (output.fusion, output.image))
    return fusion + image + simulated


def r2_within(predicted: Tensor, true: Tensor) -> Tensor:
    """R² of each galaxy over its own features, shape (B, F) → (B,) (paper Sect. 4.2)."""
    rest = (true - predicted).square().sum(dim=1)
    total = (true - true.mean(dim=1, keepdim=True)).square().sum(dim=1)
    return 1 - rest / total.clamp_min(1e-12)

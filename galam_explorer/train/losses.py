"""Losses and scores of one batch."""

from __future__ import annotations

import torch
from torch import Tensor

from galam_explorer.networks import Output

__all__ = ["label_loss", "r2_within"]


def label_loss(output: Output, targets: Tensor, loss: str) -> Tensor:
    """Loss of scaled labels, shape (B, 2) → ().

    ``nll`` is the Gaussian log-likelihood with a learned spread, without its
    constant; networks without a spread take the mean square error.
    """
    residual = targets - output.mean
    if loss == "mse" or output.log_sigma is None:
        return residual.square().mean()
    return (0.5 * torch.exp(-2 * output.log_sigma) * residual.square() + output.log_sigma).mean()


def r2_within(predicted: Tensor, true: Tensor) -> Tensor:
    """R² of each galaxy over its own features, shape (B, F) → (B,) (paper Sect. 4.2)."""
    rest = (true - predicted).square().sum(dim=1)
    total = (true - true.mean(dim=1, keepdim=True)).square().sum(dim=1)
    return 1 - rest / total.clamp_min(1e-12)

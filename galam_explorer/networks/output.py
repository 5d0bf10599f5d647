"""What every network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["N_FEATURES", "N_PIXELS", "Output"]

N_FEATURES = 1024
"""Features of M1, M2 and M3 (paper Sect. 3)."""
N_PIXELS = 4171
"""Points of a prepared spectrum, 3830 to 8000 Å at 1 Å."""


class Output(NamedTuple):
    """Results of a forward pass; None where a network has no such thing.

    Attributes
    ----------
    mean : Tensor, shape (B, 2)
        Scaled ``log_age`` and ``m_h``: 0 to 1 over the training labels.
    log_sigma : Tensor, shape (B, 2)
        Logarithm of the learned spread in scaled units; None in the paper preset.
    features : Tensor, shape (B, 1024)
        Of M1, M3 and the image-only network; M2's prediction of M1's.
    tokens : Tensor, shape (B, T, D)
        M3's spatial tokens, row by row over the 8×8 cells, or its features as one.
    attention : Tensor, shape (B, heads, queries, T)
        M4's weights; they sum to 1 over the last axis.
    """

    mean: Tensor | None = None
    log_sigma: Tensor | None = None
    features: Tensor | None = None
    tokens: Tensor | None = None
    attention: Tensor | None = None

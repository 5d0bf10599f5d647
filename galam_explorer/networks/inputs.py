"""From prepared arrays to the tensors that the networks take."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from galam_explorer.config import NetworkConfig

__all__ = ["image_tensor", "normalise_features", "spectrum_tensor"]


def image_tensor(images: np.ndarray | Tensor, config: NetworkConfig) -> Tensor:
    """Images as the networks see them.

    Parameters
    ----------
    images : ndarray or Tensor, uint8 (B, 128, 128, 3)
        Prepared RGB images (i, r, g as R, G, B).
    config : NetworkConfig
        Its bands are chosen; 64 px images are means over 2×2 px.

    Returns
    -------
    Tensor, float32 (B, C, R, R)
        0 to 1; channels vary fastest in memory (channels_last).
    """
    pixels = torch.as_tensor(images)
    if len(config.channels) < 3:
        pixels = pixels[..., list(config.channels)]
    planes = pixels.permute(0, 3, 1, 2).float() / 255.0
    if config.resolution != planes.shape[-1]:
        planes = functional.adaptive_avg_pool2d(planes, config.resolution)
    return planes.contiguous(memory_format=torch.channels_last)


def spectrum_tensor(spectra: np.ndarray | Tensor) -> Tensor:
    """Prepared spectra (B, 4171) as float32."""
    return torch.as_tensor(spectra).float()


def normalise_features(features: Tensor) -> Tensor:
    """Min–max within each galaxy, to [0, 1] (paper Sect. 3.2); a constant row becomes 0.

    Parameters
    ----------
    features : Tensor, shape (B, 1024)

    Returns
    -------
    Tensor, shape (B, 1024)
    """
    low = features.amin(dim=1, keepdim=True)
    span = features.amax(dim=1, keepdim=True) - low
    return (features - low) / span.clamp_min(1e-12)

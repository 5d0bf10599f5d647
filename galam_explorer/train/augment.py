"""Changes of inputs that do not change the label, drawn anew for every batch.

Without its two changes M1 learned the noise of the labels in trials before this code.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["dihedral", "noisier", "redshifted"]

_FIRST, _STEP = 3830.0, 1.0
"""Wavelength grid of prepared spectra, Å."""


def dihedral(images: Tensor) -> Tensor:
    """Each eighth of a batch turned by another symmetry of the square.

    Batches are in random order, so every galaxy is turned at random.

    Parameters
    ----------
    images : Tensor, shape (B, H, W, C)
        Square.

    Returns
    -------
    Tensor, shape (B, H, W, C)
    """
    parts = torch.tensor_split(images, 8)
    turned = [part.rot90(k % 4, (1, 2)) for k, part in enumerate(parts)]
    return torch.cat([part.flip(2) if k > 3 else part for k, part in enumerate(turned)])


def redshifted(spectra: Tensor, largest: float = 0.015) -> Tensor:
    """Each spectrum with its wavelengths stretched by up to ``1 ± largest``.

    Age and metallicity do not depend on where the lines fall; a network that
    takes observed wavelengths has to be shown. Beyond the ends the last value is
    repeated.

    Parameters
    ----------
    spectra : Tensor, shape (B, N)
    largest : float

    Returns
    -------
    Tensor, shape (B, N)
    """
    count, pixels = spectra.shape
    device = spectra.device
    stretch = 1 + (2 * torch.rand(count, 1, device=device) - 1) * largest
    wave = _FIRST + _STEP * torch.arange(pixels, device=device, dtype=torch.float32)
    # Just below the last pixel, so that there is one to its right.
    place = ((wave * stretch - _FIRST) / _STEP).clamp(0, pixels - 1 - 1e-3)
    left = place.floor()
    share = place - left
    left = left.long()
    return torch.lerp(spectra.gather(1, left), spectra.gather(1, left + 1), share)


def noisier(spectra: Tensor, most: float = 1.0) -> Tensor:
    """Each spectrum with noise of up to `most` times its own added.

    The noise of a spectrum is taken from the differences of neighbouring pixels,
    whose median is 0.954 times the scatter of independent Gaussian ones.

    Parameters
    ----------
    spectra : Tensor, shape (B, N)
    most : float

    Returns
    -------
    Tensor, shape (B, N)
    """
    noise = spectra.diff(dim=1).abs().median(dim=1, keepdim=True).values / 0.954
    share = most * torch.rand(len(spectra), 1, device=spectra.device)
    return spectra + torch.randn_like(spectra) * noise * share

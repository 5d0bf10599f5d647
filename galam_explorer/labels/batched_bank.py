"""Templates smoothed beforehand, so that a fit only interpolates.

Smoothing by a Gaussian of variance s obeys the heat equation, so a template is
a very smooth function of log(s + what it had before): three nodes of a
geometric grid 10 % apart give it to about 1e-4 of a line's depth. Four points of
a grid four times finer than SDSS's do the same for the velocity. One model
evaluation is then twelve weighted rows per pixel, whatever the resolution of
the instrument does along the spectrum, and no Fourier transform.

On a CPU the templates of each spectrum are a tensor of their own: a batch of them is
larger than the caches, and fetching it from memory takes longer than the arithmetic.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
import torch
from ppxf.ppxf_util import log_rebin

from galam_explorer.labels.fit_input import PIXEL_KMS
from galam_explorer.labels.templates import TemplateLibrary
from galam_explorer.records import LOGLAM_STEP

__all__ = [
    "EDGE",
    "MAX_VARIANCE",
    "MIN_VARIANCE",
    "Smoothed",
    "TemplateBank",
    "derivatives",
    "template_bank",
]

OVERSAMPLING = 4
NATURAL_VARIANCE = 1.2
"""About the templates' own variance, pixels²; sets the spacing of nodes near 0."""
NODE_STEP = 0.1
MIN_VARIANCE = 1e-4
"""pPXF's lower bound of sigma, 0.01 pixel, squared."""
MAX_VARIANCE = (1000 / PIXEL_KMS) ** 2
"""pPXF's upper bound of sigma, 1000 km/s, in pixels²."""
EXTRA_VARIANCE = 16.0
"""Room for the instrument's part on top of `MAX_VARIANCE`."""
EDGE = 3
"""Pixels beyond each end of a spectrum that derivatives need."""
_FIRST = np.array([-1, 9, -45, 0, 45, -9, 1]) / 60
_SECOND = np.array([2, -27, 270, -490, 270, -27, 2]) / 180


@lru_cache(maxsize=2)
def template_bank(library: TemplateLibrary, device: str = "cpu") -> TemplateBank:
    """The bank of a library, built once a process: it takes seconds and 100 MB or more."""
    return TemplateBank(library, device)


@dataclass
class Smoothed:
    """Templates of a batch of spectra, shifted and smoothed.

    Parameters
    ----------
    parts : list of Tensor, shape (b, n + 2 · EDGE, n_templates), float32
        One for each spectrum on a CPU, one for all on a GPU.
    """

    parts: list[torch.Tensor]

    def slices(self) -> list[slice]:
        """The rows of the batch that each part holds."""
        ends = list(itertools.accumulate(len(part) for part in self.parts))
        return [slice(end - len(part), end) for end, part in zip(ends, self.parts, strict=True)]

    def mix(self, weights: torch.Tensor) -> torch.Tensor:
        """The templates' sum with weights (B, n_templates), shape (B, n + 2 · EDGE), float64."""
        columns = weights.float()[..., None]
        pairs = zip(self.parts, self.slices(), strict=True)
        return torch.cat([part @ columns[rows] for part, rows in pairs])[..., 0].double()

    def take(self, keep: torch.Tensor) -> Smoothed:
        """Those of some rows, given by a mask (B,)."""
        if len(self.parts) == 1 and len(self.parts[0]) > 1:
            return Smoothed([self.parts[0][keep]])
        pairs = zip(self.parts, keep.tolist(), strict=True)
        return Smoothed([part for part, kept in pairs if kept])

    def where(self, take: torch.Tensor, other: Smoothed) -> Smoothed:
        """These where `take` (B,) holds, else those of `other`."""
        if len(self.parts) == 1:
            both = torch.where(take[:, None, None], self.parts[0], other.parts[0])
            return Smoothed([both])
        rows = zip(self.parts, other.parts, take.tolist(), strict=True)
        return Smoothed([one if taken else two for one, two, taken in rows])


class TemplateBank:
    """A table of smoothed templates, and their interpolation.

    Parameters
    ----------
    library : TemplateLibrary
    device : torch.device or str

    Attributes
    ----------
    together : bool
        Whether the spectra of a batch share one tensor, as is best on a GPU.
    """

    def __init__(self, library: TemplateLibrary, device: torch.device | str = "cpu") -> None:
        flux = library.flux.reshape(len(library.wavelength), -1)
        pixels, ln_wave, _ = log_rebin(library.wavelength, flux, velscale=PIXEL_KMS)
        self.start = float(ln_wave[0] / np.log(10))
        self.nodes = np.exp(
            np.arange(
                np.log(NATURAL_VARIANCE),
                np.log(NATURAL_VARIANCE + MAX_VARIANCE + EXTRA_VARIANCE) + NODE_STEP,
                NODE_STEP,
            )
        )
        table = _smoothed(pixels, self.nodes - NATURAL_VARIANCE)
        self.n_nodes, self.rows, self.n_templates = table.shape
        self.device = torch.device(device)
        self.together = self.device.type != "cpu"
        self.table = torch.from_numpy(table.reshape(-1, self.n_templates)).to(self.device)
        whole = {"device": self.device, "dtype": torch.int32}
        nodes = torch.arange(3, **whole)[:, None] * self.rows
        self.offsets = (nodes + torch.arange(4, **whole)).reshape(-1)

    def evaluate(
        self,
        loglam0: torch.Tensor,
        velocity: torch.Tensor,
        variance: torch.Tensor,
        matching: torch.Tensor,
    ) -> Smoothed:
        """All templates, shifted and smoothed, on the pixels of some spectra; `EDGE` more each end.

        Parameters
        ----------
        loglam0 : Tensor, shape (B,), float64
            log10 of the first pixel's rest-frame wavelength.
        velocity : Tensor, shape (B,)
            Pixels.
        variance : Tensor, shape (B,)
            Stellar, pixels².
        matching : Tensor, shape (B, n)
            To the instrument's resolution, pixels².
        """
        batch, n = len(loglam0), matching.shape[1] + 2 * EDGE
        matching = torch.nn.functional.pad(matching[:, None], (EDGE, EDGE), mode="replicate")[:, 0]
        total = (variance[:, None] + matching).clamp(0, MAX_VARIANCE + EXTRA_VARIANCE)
        node = torch.log(total / NATURAL_VARIANCE + 1) / NODE_STEP
        centre = node.round().clamp(1, self.n_nodes - 2)
        t = node - centre
        across = torch.stack([t * (t - 1) / 2, 1 - t * t, t * (t + 1) / 2], -1).float()
        position = ((loglam0 - self.start) / LOGLAM_STEP - velocity - EDGE) * OVERSAMPLING
        first = position.floor()
        u = (position - first)[:, None]
        along = torch.cat(
            [
                -u * (u - 1) * (u - 2) / 6,
                (u + 1) * (u - 1) * (u - 2) / 2,
                -(u + 1) * u * (u - 2) / 2,
                (u + 1) * u * (u - 1) / 6,
            ],
            -1,
        ).float()
        pixel = torch.arange(n, device=self.device, dtype=torch.int32) * OVERSAMPLING - 1
        row = (first.int()[:, None] + pixel).clamp(0, self.rows - 4)
        row = row + (centre.int() - 1) * self.rows
        size = batch if self.together else 1
        parts = [
            self._interpolate(row[i : i + size], across[i : i + size], along[i : i + size])
            for i in range(0, batch, size)
        ]
        return Smoothed(parts)

    def _interpolate(
        self, row: torch.Tensor, across: torch.Tensor, along: torch.Tensor
    ) -> torch.Tensor:
        """Three nodes (b, n, 3) times four samples (b, 4) from the table's rows (b, n) on."""
        weights = (across[..., :, None] * along[:, None, None, :]).reshape(-1, 12)
        rows = (row[..., None] + self.offsets).reshape(-1, 12)
        smoothed = torch.nn.functional.embedding_bag(
            rows, self.table, mode="sum", per_sample_weights=weights
        )
        return smoothed.view(*row.shape, self.n_templates)


def _smoothed(pixels: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Templates (n, nt) smoothed and finely sampled: (nodes, (n - 1) · 4 + 1, nt), float32.

    Variances are in pixels². The finer sampling is Fourier interpolation, which is
    what pPXF's shift by a fraction of a pixel is; the ends are reflected.
    """
    # Lengths that factorise well, or the transforms take several times as long.
    extra = scipy.fft.next_fast_len(len(pixels) - 1, real=True) + 1 - len(pixels)
    pixels = np.pad(pixels, ((0, extra), (0, 0)), mode="reflect")
    n = len(pixels)
    spectrum = scipy.fft.dct(pixels, type=1, axis=0)
    spectrum[-1] /= 2  # the highest frequency is no longer the last one
    frequency = np.pi * np.arange(n) / (n - 1)
    rows = (n - 1) * OVERSAMPLING + 1
    table = np.empty((len(variances), rows, pixels.shape[1]), dtype=np.float32)
    for index, variance in enumerate(variances):
        padded = np.zeros((rows, pixels.shape[1]))
        padded[:n] = spectrum * np.exp(-0.5 * variance * frequency**2)[:, None]
        table[index] = scipy.fft.idct(padded, type=1, axis=0) * OVERSAMPLING
    return table


def derivatives(spectrum: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First and second derivative per pixel of (B, n + 2 · EDGE), sixth order, shape (B, n)."""
    n = spectrum.shape[1] - 2 * EDGE
    first, second = torch.zeros(2, len(spectrum), n, dtype=spectrum.dtype, device=spectrum.device)
    for offset, (one, two) in enumerate(zip(_FIRST, _SECOND, strict=True)):
        part = spectrum[:, offset : offset + n]
        first.add_(part, alpha=float(one))
        second.add_(part, alpha=float(two))
    return first, second

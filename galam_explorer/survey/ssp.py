"""The shipped grid of simple stellar populations, and magnitudes through SDSS filters.

How the grid was made, its licence and its comparison with published models are
in ``data/PROVENANCE.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from galam_explorer.errors import GalamError

__all__ = [
    "BANDS",
    "GRID_PATH",
    "Filter",
    "SspGrid",
    "ab_magnitudes",
    "air_to_vacuum",
    "load_filters",
    "load_ssp_grid",
    "ssp_magnitudes",
]

BANDS = ("g", "r", "i")
"""SDSS bands of every magnitude triple in this package."""

GRID_PATH = Path(__file__).parent / "data" / "ssp_grid.npz"
SOLAR_LUMINOSITY = 3.828e33
"""erg/s, IAU 2015 nominal."""
PARSEC_CM = 3.0856775814913673e18
AB_FLUX_AT_1_A = 3.631e-20 * 2.99792458e18
"""f_lambda of AB magnitude 0 times wavelength squared, erg/s/cm²·Å."""


def air_to_vacuum(wavelength_air: np.ndarray) -> np.ndarray:
    """Vacuum wavelengths of air wavelengths, Å (Ciddor 1996, Appl. Opt. 35, 1566, Eq. 1)."""
    vacuum = np.array(wavelength_air, dtype=float)
    for _ in range(3):
        wavenumber2 = (1e4 / vacuum) ** 2
        index = 1 + 5792105e-8 / (238.0185 - wavenumber2) + 167917e-8 / (57.362 - wavenumber2)
        vacuum = wavelength_air * index
    return vacuum


@dataclass(frozen=True, eq=False)
class SspGrid:
    """Spectra of single-age, single-metallicity populations; arrays are read-only.

    Parameters
    ----------
    wavelength_air : ndarray, shape (n_wave,)
        Air wavelength, Å; steps of 0.9 Å inside `high_resolution_range`, 4 Å outside.
    wavelength : ndarray, shape (n_wave,)
        The same in vacuum.
    flux : ndarray, shape (n_age, n_metal, n_wave), float32
        Solar luminosities per Å per solar mass formed.
    age_gyr : ndarray, shape (n_age,)
    m_h : ndarray, shape (n_metal,)
        [M/H], dex.
    living_mass : ndarray, shape (n_age, n_metal), float32
        Mass in stars still burning per solar mass formed (no remnants).
    high_resolution_range : tuple of float
        Air wavelengths, Å, between which the resolution is 2.51 Å FWHM.
    imf : str
        Initial mass function.
    """

    wavelength_air: np.ndarray
    wavelength: np.ndarray
    flux: np.ndarray
    age_gyr: np.ndarray
    m_h: np.ndarray
    living_mass: np.ndarray
    high_resolution_range: tuple[float, float]
    imf: str

    @property
    def log_age(self) -> np.ndarray:
        """log10 of the ages in years, shape (n_age,)."""
        return np.log10(self.age_gyr) + 9.0

    @property
    def shape(self) -> tuple[int, int]:
        """(n_age, n_metal)."""
        return self.living_mass.shape

    def weights(self, age_gyr: float, m_h: float) -> np.ndarray:
        """Weights (n_age, n_metal), sum 1, of a bilinear interpolation in log age and [M/H].

        Raises
        ------
        GalamError
            Outside the grid.
        """
        if not self.age_gyr[0] <= age_gyr <= self.age_gyr[-1]:
            raise GalamError(
                f"{age_gyr} Gyr is outside the SSP grid",
                "age",
                f"give {self.age_gyr[0]:.3g} to {self.age_gyr[-1]:.3g} Gyr",
            )
        if not self.m_h[0] <= m_h <= self.m_h[-1]:
            raise GalamError(
                f"{m_h} is outside the SSP grid", "[M/H]", f"give {self.m_h[0]} to {self.m_h[-1]}"
            )
        by_age = _linear_weights(self.log_age, np.log10(age_gyr) + 9.0)
        return np.outer(by_age, _linear_weights(self.m_h, m_h))

    def spectrum(self, age_gyr: float, m_h: float) -> np.ndarray:
        """Spectrum (n_wave,) interpolated in log age and [M/H]; see `weights`."""
        return np.tensordot(self.weights(age_gyr, m_h), self.flux, axes=2)


def _linear_weights(nodes: np.ndarray, value: float) -> np.ndarray:
    """Weights of linear interpolation on sorted nodes, shape (n,), sum 1."""
    upper = int(np.clip(np.searchsorted(nodes, value), 1, len(nodes) - 1))
    share = (value - nodes[upper - 1]) / (nodes[upper] - nodes[upper - 1])
    weights = np.zeros(len(nodes))
    weights[upper - 1 : upper + 1] = 1 - share, share
    return weights


@lru_cache(maxsize=1)
def load_ssp_grid() -> SspGrid:
    """The shipped grid, read once a process."""
    with np.load(GRID_PATH) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["wavelength"] = air_to_vacuum(arrays["wavelength_air"])
    for array in arrays.values():
        array.setflags(write=False)
    return SspGrid(
        **{
            name: arrays[name]
            for name in ("wavelength_air", "wavelength", "flux", "age_gyr", "m_h", "living_mass")
        },
        high_resolution_range=tuple(arrays["high_resolution_range"].tolist()),
        imf=str(arrays["imf"]),
    )


@dataclass(frozen=True, eq=False)
class Filter:
    """One filter curve: vacuum wavelength (n,) in Å, relative response per photon (n,)."""

    wavelength: np.ndarray
    response: np.ndarray

    @property
    def effective_wavelength(self) -> float:
        """Photon-weighted mean wavelength for a flat spectrum, Å."""
        weight = self.response * self.wavelength
        return float(np.trapezoid(weight * self.wavelength) / np.trapezoid(weight))


@lru_cache(maxsize=1)
def load_filters() -> tuple[Filter, ...]:
    """SDSS g, r, i curves (Doi et al. 2010) as ``speclite`` ships them."""
    from speclite import filters  # imports astropy.units: not needed to load a survey

    loaded = (filters.load_filter(f"sdss2010-{band}") for band in BANDS)
    return tuple(
        Filter(np.array(one.wavelength, dtype=float), np.array(one.response)) for one in loaded
    )


def ab_magnitudes(wavelength: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """AB magnitudes in g, r, i of spectra.

    Parameters
    ----------
    wavelength : ndarray, shape (n,)
        Vacuum Å, observed frame, covering 3700-8800 Å.
    flux : ndarray, shape (..., n)
        erg/s/cm²/Å.

    Returns
    -------
    ndarray, shape (3, ...)
        NaN where a flux through a filter is not positive.

    Raises
    ------
    GalamError
        If the wavelengths do not cover a filter.
    """
    magnitudes = []
    for band, curve in zip(BANDS, load_filters(), strict=True):
        used = curve.wavelength[curve.response > 0]
        if used[0] < wavelength[0] or used[-1] > wavelength[-1]:
            raise GalamError("the spectrum does not cover the filter", f"SDSS {band}")
        response = np.interp(wavelength, curve.wavelength, curve.response, left=0, right=0)
        signal = np.trapezoid(flux * response * wavelength, wavelength)
        zero = np.trapezoid(AB_FLUX_AT_1_A * response / wavelength, wavelength)
        ratio = np.asarray(signal / zero)
        safe = np.where(ratio > 0, ratio, np.nan)
        magnitudes.append(-2.5 * np.log10(safe))
    return np.array(magnitudes)


def ssp_magnitudes(grid: SspGrid, z: float = 0.0) -> np.ndarray:
    """Absolute AB magnitudes of the grid through filters in the frame of redshift z.

    Parameters
    ----------
    grid : SspGrid
    z : float
        Redshift of the source; the distance stays 10 pc, so apparent magnitudes
        follow with the distance modulus alone.

    Returns
    -------
    ndarray, shape (3, n_age, n_metal)
        Magnitudes of one solar mass formed.
    """
    scale = SOLAR_LUMINOSITY / (4 * np.pi * (10 * PARSEC_CM) ** 2) / (1 + z)
    return ab_magnitudes(grid.wavelength * (1 + z), grid.flux * scale)

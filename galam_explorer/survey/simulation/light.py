"""From stellar mass in each population to light: attenuation and apparent magnitudes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from galam_explorer.survey.simulation.emission import LINE_WAVELENGTHS
from galam_explorer.survey.ssp import (
    AB_FLUX_AT_1_A,
    PARSEC_CM,
    SOLAR_LUMINOSITY,
    load_filters,
    load_ssp_grid,
)

__all__ = [
    "TRUTH_BAND",
    "Cosmology",
    "PhotometricBank",
    "attenuation_curve",
    "foreground_curve",
    "load_cosmology",
    "load_photometric_bank",
    "slab_attenuation",
    "transmission",
]

TRUTH_BAND = (5070.0, 5950.0)
"""Rest-frame Å in which true ages and metallicities are weighted by light."""
_CCM_A = (1, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999)
_CCM_B = (0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002)
_BIN = 8.0
_BANK_RANGE = (2760.0, 8888.0)


def attenuation_curve(wavelength: np.ndarray) -> np.ndarray:
    """A(lambda)/A_V of Calzetti et al. (2000, ApJ 533, 682, Eq. 4), R_V = 4.05.

    Parameters
    ----------
    wavelength : ndarray
        Rest Å, 1200-22000.
    """
    inverse = 1e4 / np.asarray(wavelength, dtype=float)
    blue = 2.659 * (-2.156 + 1.509 * inverse - 0.198 * inverse**2 + 0.011 * inverse**3)
    red = 2.659 * (-1.857 + 1.040 * inverse)
    return (np.where(inverse > 1 / 0.63, blue, red) + 4.05) / 4.05


def foreground_curve(wavelength: np.ndarray) -> np.ndarray:
    """A(lambda)/A_V of the Milky Way, R_V = 3.1.

    Cardelli, Clayton & Mathis (1989, ApJ 345, 245), Eqs. 2 and 3.

    Parameters
    ----------
    wavelength : ndarray
        Observed Å, 3100-20000.
    """
    x = 1e4 / np.asarray(wavelength, dtype=float)
    a = np.polynomial.polynomial.polyval(x - 1.82, _CCM_A)
    b = np.polynomial.polynomial.polyval(x - 1.82, _CCM_B)
    infrared = (0.574 - 0.527 / 3.1) * x**1.61
    return np.where(x < 1.1, infrared, a + b / 3.1)


def transmission(curve: np.ndarray, a_v: float) -> np.ndarray:
    """Share of light left by `a_v` mag of attenuation with `attenuation_curve`."""
    return np.exp(-0.4 * np.log(10) * a_v * curve)


def slab_attenuation(face_on_depth: float, cos_inclination: float) -> float:
    """A_V of a uniform slab of mixed stars and dust, mag.

    Parameters
    ----------
    face_on_depth : float
        Optical depth in V through the disc seen face-on.
    cos_inclination : float
        Cosine of the inclination, (0, 1].
    """
    depth = face_on_depth / max(cos_inclination, 0.1)
    return float(-2.5 * np.log10(-np.expm1(-depth) / depth)) if depth > 1e-6 else 0.0


@dataclass(frozen=True, eq=False)
class Cosmology:
    """Distances on a redshift grid: flat, H0 = 70 km/s/Mpc, Omega_m = 0.3."""

    z: np.ndarray
    luminosity_distance: np.ndarray
    comoving_volume: np.ndarray
    age: np.ndarray

    def distance(self, z: float) -> float:
        """Luminosity distance, Mpc."""
        return float(np.interp(z, self.z, self.luminosity_distance))

    def kpc_per_arcsec(self, z: float) -> float:
        """Proper kpc per arcsec."""
        return self.distance(z) / (1 + z) ** 2 * 1e3 * np.pi / 180 / 3600

    def age_gyr(self, z: float) -> float:
        """Age of the universe, Gyr."""
        return float(np.interp(z, self.z, self.age))


@lru_cache(maxsize=1)
def load_cosmology() -> Cosmology:
    """Distances to z = 0.35 from astropy, computed once."""
    from astropy.cosmology import FlatLambdaCDM

    model = FlatLambdaCDM(H0=70, Om0=0.3)
    z = np.linspace(1e-4, 0.35, 1500)
    return Cosmology(
        z,
        model.luminosity_distance(z).value,
        model.comoving_volume(z).value,
        model.age(z).value,
    )


@dataclass(frozen=True, eq=False)
class PhotometricBank:
    """The SSP grid in 8 Å bins, for magnitudes.

    Parameters
    ----------
    wavelength : ndarray, shape (n_bin,)
        Rest vacuum Å.
    flux : ndarray, shape (n_age * n_metal, n_bin)
        Solar luminosities per Å per solar mass formed.
    curve : ndarray, shape (n_bin,)
        `attenuation_curve` there.
    truth_light : ndarray, shape (n_age, n_metal)
        Solar luminosities in `TRUTH_BAND` per solar mass formed.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    curve: np.ndarray
    truth_light: np.ndarray

    def spectrum(self, mass_weights: np.ndarray, a_v: float) -> np.ndarray:
        """Attenuated starlight (n_bin,) of populations (n_age, n_metal), solar/Å."""
        # einsum, not a BLAS product: the same bits whatever the number of threads
        stars = np.einsum("k,kn->n", mass_weights.ravel(), self.flux)
        return stars * transmission(self.curve, a_v)

    def maggies(
        self, light: np.ndarray, lines: np.ndarray, z: float, foreground_a_v: float = 0.0
    ) -> np.ndarray:
        """Apparent AB fluxes through g, r, i.

        Parameters
        ----------
        light : ndarray, shape (n_bin,)
            Starlight, solar luminosities per Å, as `spectrum` gives.
        lines : ndarray, shape (n_line,)
            Line luminosities, solar.
        z : float
        foreground_a_v : float
            Extinction by the Milky Way, mag.

        Returns
        -------
        ndarray, shape (3,)
            10 ** (-0.4 * magnitude).
        """
        stretch = 1 + z
        observed = self.wavelength * stretch
        observed_lines = LINE_WAVELENGTHS * stretch
        distance = load_cosmology().distance(z) * 1e6 * PARSEC_CM
        scale = SOLAR_LUMINOSITY / (4 * np.pi * distance**2)
        seen = light * observed * _foreground(observed, foreground_a_v) * _BIN
        seen_lines = lines * observed_lines * _foreground(observed_lines, foreground_a_v)
        fluxes = []
        for curve, zero in zip(load_filters(), _filter_zeros(), strict=True):
            response = np.interp(observed, curve.wavelength, curve.response, left=0, right=0)
            at_lines = np.interp(observed_lines, curve.wavelength, curve.response, left=0, right=0)
            # dL = L_lambda d(lambda): the bin is as wide in luminosity in either frame
            photons = np.sum(seen * response) + np.sum(seen_lines * at_lines)
            fluxes.append(scale * photons / zero)
        return np.array(fluxes)


def _foreground(observed: np.ndarray, a_v: float) -> np.ndarray | float:
    """Share of light that the Milky Way lets through; 1 without it."""
    return transmission(np.interp(observed, *_foreground_table()), a_v) if a_v > 0 else 1.0


@lru_cache(maxsize=1)
def _foreground_table() -> tuple[np.ndarray, np.ndarray]:
    wavelength = np.arange(3100.0, 12000.0, 10.0)
    return wavelength, foreground_curve(wavelength)


@lru_cache(maxsize=1)
def _filter_zeros() -> tuple[float, ...]:
    """Photon-weighted signal of AB magnitude 0 through each filter."""
    return tuple(
        float(np.trapezoid(AB_FLUX_AT_1_A * one.response / one.wavelength, one.wavelength))
        for one in load_filters()
    )


@lru_cache(maxsize=1)
def load_photometric_bank() -> PhotometricBank:
    """Bin the shipped grid, once a process."""
    grid = load_ssp_grid()
    edges = np.arange(_BANK_RANGE[0], _BANK_RANGE[1] + _BIN / 2, _BIN)
    flux = grid.flux.reshape(-1, len(grid.wavelength)).astype(float)
    steps = 0.5 * (flux[:, 1:] + flux[:, :-1]) * np.diff(grid.wavelength)
    total = np.concatenate([np.zeros((len(flux), 1)), np.cumsum(steps, axis=1)], axis=1)

    def integral(at: np.ndarray) -> np.ndarray:
        return np.array([np.interp(at, grid.wavelength, row) for row in total])

    binned = np.diff(integral(edges), axis=1) / _BIN
    band = np.diff(integral(np.array(TRUTH_BAND)), axis=1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    arrays = (centres, binned, attenuation_curve(centres), band.reshape(grid.shape))
    for array in arrays:
        array.setflags(write=False)
    return PhotometricBank(*arrays)

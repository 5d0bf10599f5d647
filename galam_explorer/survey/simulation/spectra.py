"""Fibre spectra of simulated galaxies, as SDSS would have recorded them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

from galam_explorer.records import LOGLAM_STEP, Spectrum
from galam_explorer.survey.simulation import noise
from galam_explorer.survey.simulation.emission import LINE_WAVELENGTHS
from galam_explorer.survey.simulation.light import (
    attenuation_curve,
    foreground_curve,
    load_cosmology,
    transmission,
)
from galam_explorer.survey.simulation.model import GalaxyModel
from galam_explorer.survey.ssp import PARSEC_CM, SOLAR_LUMINOSITY, air_to_vacuum, load_ssp_grid

__all__ = ["SpectralBank", "fibre_spectrum", "load_spectral_bank", "median_sn_r", "noiseless_flux"]

_SPEED_OF_LIGHT = 299792.458
_FINE_STEP = LOGLAM_STEP / 2
_REST_RANGE = (2850.0, 9700.0)
_MARGIN = 160
"""Fine pixels added at either end, where the Fourier transform wraps around."""
_KERNELS = 7
_LOW_RESOLUTION_FWHM = 4.5
"""Å, measured against the high-resolution model (see data/PROVENANCE.md)."""
_HIGH_RESOLUTION_FWHM = 2.51
_FWHM = np.sqrt(8 * np.log(2))
_SKY_ERROR = 0.015
"""Rms error of sky subtraction relative to the sky lines."""
R_BAND = (5600.0, 6900.0)
"""Å, where the median S/N_r is taken."""


@dataclass(frozen=True, eq=False)
class SpectralBank:
    """The SSP grid on a logarithmic vacuum grid, for spectra.

    Parameters
    ----------
    loglam0 : float
        log10 of the first rest wavelength; the step is half of SDSS's.
    flux : ndarray, shape (n_age * n_metal, n_fine), float32
        Solar luminosities per Å per solar mass formed.
    curve : ndarray, shape (n_fine,), float32
        Attenuation curve.
    variance : ndarray, shape (n_fine,)
        Squared intrinsic dispersion, fine pixels².
    """

    loglam0: float
    flux: np.ndarray
    curve: np.ndarray
    variance: np.ndarray


@lru_cache(maxsize=1)
def load_spectral_bank() -> SpectralBank:
    """Resample the shipped grid, once a process."""
    grid = load_ssp_grid()
    first, last = np.log10(_REST_RANGE)
    loglam = first + _FINE_STEP * np.arange(int((last - first) / _FINE_STEP))
    wavelength = 10**loglam
    rows = grid.flux.reshape(-1, len(grid.wavelength))
    flux = np.empty((len(rows), len(wavelength)), dtype=np.float32)
    for start in range(0, len(rows), 25):  # keeps the spline's coefficients small
        part = rows[start : start + 25].astype(float)
        flux[start : start + 25] = CubicSpline(grid.wavelength, part, axis=1)(wavelength)
    low, high = air_to_vacuum(np.array(grid.high_resolution_range))
    sharp = (wavelength > low) & (wavelength < high)
    fwhm = np.where(sharp, _HIGH_RESOLUTION_FWHM, _LOW_RESOLUTION_FWHM)
    sigma = fwhm / _FWHM / (wavelength * np.log(10) * _FINE_STEP)
    curve = attenuation_curve(wavelength).astype(np.float32)
    for array in (flux, curve, sigma):
        array.setflags(write=False)
    return SpectralBank(float(first), flux, curve, sigma**2)


def noiseless_flux(
    model: GalaxyModel, loglam0: float, dispersion: np.ndarray, *, lines: bool = True
) -> np.ndarray:
    """What the fibre receives, at the spectrograph's resolution.

    Parameters
    ----------
    model : GalaxyModel
    loglam0 : float
        log10 of the first observed vacuum wavelength.
    dispersion : ndarray, shape (n,)
        Instrumental sigma, pixels.
    lines : bool
        Whether emission lines are added.

    Returns
    -------
    ndarray, shape (n,)
        1e-17 erg/s/cm²/Å, observed frame.
    """
    stars = _stars(model, loglam0, dispersion)
    if lines:
        stars = stars + _emission(model, loglam0, dispersion)
    wavelength = 10 ** (loglam0 + LOGLAM_STEP * np.arange(len(dispersion)))
    stars = stars * transmission(foreground_curve(wavelength), model.foreground_a_v)
    distance = load_cosmology().distance(model.z) * 1e6 * PARSEC_CM
    return stars * (SOLAR_LUMINOSITY / (4 * np.pi * distance**2) / 1e-17)


def _stars(model: GalaxyModel, loglam0: float, dispersion: np.ndarray) -> np.ndarray:
    """Broadened starlight in the fibre, solar luminosities per observed Å, (n,)."""
    bank = load_spectral_bank()
    start = (loglam0 - np.log10(1 + model.z) - bank.loglam0) / _FINE_STEP
    first = int(np.floor(start)) - _MARGIN
    size = fft.next_fast_len(2 * len(dispersion) + 2 * _MARGIN, real=True)
    used = slice(first, first + size)
    light = np.zeros(size, dtype=np.float32)
    for one in model.populations:
        weights = (one.mass_weights.ravel() * one.fibre_fraction).astype(np.float32)
        # einsum, not a BLAS product: the same bits whatever the number of threads
        stars = np.einsum("k,kn->n", weights, bank.flux[:, used])
        light += stars * transmission(bank.curve[used], one.a_v)
    at = _MARGIN + 2 * np.arange(len(dispersion))
    pixel = np.log(10) * _FINE_STEP * _SPEED_OF_LIGHT
    spread = (model.velocity_dispersion / pixel) ** 2 + (2 * dispersion) ** 2
    # The templates are already this broad; they cannot be made sharper.
    spread = np.maximum(spread - bank.variance[used][at], 0.6**2)
    broadened = _broaden(_closed(light), spread, start - np.floor(start), at)
    return broadened / (1 + model.z)


def _closed(light: np.ndarray) -> np.ndarray:
    """Make both ends meet, so that the Fourier transform sees no jump."""
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(_MARGIN // 2) / (_MARGIN // 2))
    level = 0.5 * (light[0] + light[-1])
    closed = np.array(light, dtype=float)
    closed[: len(ramp)] = level + (closed[: len(ramp)] - level) * ramp
    closed[-len(ramp) :] = level + (closed[-len(ramp) :] - level) * ramp[::-1]
    return closed


def _broaden(light: np.ndarray, spread: np.ndarray, shift: float, at: np.ndarray) -> np.ndarray:
    """Convolve with Gaussians of varying variance and sample between pixels.

    The spectrum is convolved with `_KERNELS` fixed Gaussians in Fourier space
    and interpolated between them in variance, in which convolution is linear to
    first order.

    Parameters
    ----------
    light : ndarray, shape (n_fine,)
    spread : ndarray, shape (n,)
        Variance at each output pixel, fine pixels².
    shift : float
        Fraction of a fine pixel by which the samples lie to the right of `at`.
    at : ndarray, shape (n,)
        Fine pixels to sample.
    """
    frequency = 2 * np.pi * np.arange(len(light) // 2 + 1) / len(light)
    low, high = spread.min(), spread.max() * (1 + 1e-9)
    nodes = np.linspace(low, high, _KERNELS)
    moved = fft.rfft(light) * np.exp(1j * frequency * shift - 0.5 * frequency**2 * low)
    step = np.exp(-0.5 * frequency**2 * (nodes[1] - low))
    results = []
    for _ in nodes:
        results.append(fft.irfft(moved, len(light))[at])
        moved = moved * step
    results = np.array(results)
    position = (spread - low) / (nodes[1] - nodes[0])
    lower = np.minimum(position.astype(int), _KERNELS - 2)
    share = position - lower
    pixel = np.arange(len(at))
    return results[lower, pixel] * (1 - share) + results[lower + 1, pixel] * share


def _emission(model: GalaxyModel, loglam0: float, dispersion: np.ndarray) -> np.ndarray:
    """Emission lines in the fibre, solar luminosities per observed Å, (n,)."""
    total = sum(one.line_luminosity * one.fibre_fraction for one in model.populations)
    centres = (np.log10(LINE_WAVELENGTHS * (1 + model.z)) - loglam0) / LOGLAM_STEP
    gas = model.gas_dispersion / (np.log(10) * LOGLAM_STEP * _SPEED_OF_LIGHT)
    size = len(dispersion)
    flux = np.zeros(size)
    for centre, luminosity in zip(centres, total, strict=True):
        nearest = min(max(int(centre), 0), size - 1)
        sigma = np.hypot(gas, dispersion[nearest])
        reach = int(6 * sigma) + 2
        first, last = max(int(centre) - reach, 0), min(int(centre) + reach + 1, size)
        if first < last and luminosity > 0:
            edges = np.arange(first, last + 1) - 0.5
            flux[first:last] += luminosity * np.diff(ndtr((edges - centre) / sigma))
    pixel_width = 10 ** (loglam0 + LOGLAM_STEP * np.arange(size)) * np.log(10) * LOGLAM_STEP
    return flux / pixel_width


def fibre_spectrum(model: GalaxyModel, rng: np.random.Generator) -> Spectrum:
    """Observe a galaxy through a 3 arcsec fibre with the simulated spectrograph.

    Fluxes are rounded to a power of two near 1/32 of their error, ivar to 8 bits
    of mantissa and wdisp to 0.01 px, so that files compress: far below the noise.

    Parameters
    ----------
    model : GalaxyModel
    rng : numpy.random.Generator

    Returns
    -------
    Spectrum
    """
    loglam0 = round(float(np.clip(rng.normal(3.5805, 0.0009), 3.5785, 3.5828)), 4)
    end = float(np.clip(rng.normal(3.9637, 0.0005), 3.9625, 3.9650))
    size = round((end - loglam0) / LOGLAM_STEP) + 1
    wavelength = 10 ** (loglam0 + LOGLAM_STEP * np.arange(size))
    dispersion = noise.instrumental_dispersion(wavelength, rng)
    clean = noiseless_flux(model, loglam0, dispersion)
    # Spectrophotometric calibration is good to some per cent, smoothly.
    x = (wavelength - 6200) / 2700
    grey, tilt, bend = rng.normal(0, (0.04, 0.025, 0.015))
    clean = clean * np.exp(grey + tilt * x + bend * (x**2 - 0.3))
    sky = noise.make_sky(wavelength, dispersion, model.sky_level, rng)
    counts = noise.sensitivity(wavelength) * model.exposure_depth
    counts = counts * np.exp(rng.normal(0, 0.05) * x)
    variance = noise.variance(
        clean, sky.continuum + sky.lines, counts, exposures=model.exposure_depth
    )
    variance += (_SKY_ERROR * sky.lines) ** 2
    flux = clean + rng.standard_normal(size) * np.sqrt(variance)
    poor = 4.0 if rng.random() < 0.06 else 1.0  # now and then the sky is badly subtracted
    flux += sky.lines * rng.normal(0, 0.006 * poor)
    flux += np.gradient(sky.lines) * rng.normal(0, 0.012 * poor)
    return _recorded(flux, variance, sky.lines, dispersion, loglam0, rng)


def _recorded(
    flux: np.ndarray,
    variance: np.ndarray,
    sky_lines: np.ndarray,
    dispersion: np.ndarray,
    loglam0: float,
    rng: np.random.Generator,
) -> Spectrum:
    """Bad pixels, mask bits, spikes and rounding."""
    size = len(flux)
    bits = noise.BAD_PIXEL_BITS
    sigma = np.sqrt(variance)
    ivar = 1 / variance
    mask = np.zeros(size, dtype=np.int32)
    mask[sky_lines > 130 * 10 ** rng.normal(0, 0.25)] |= bits["bright_sky"]
    if rng.random() < 0.08:  # a CCD with bad columns flags its whole arm
        arm = slice(0, size // 2) if rng.random() < 0.5 else slice(size // 2, size)
        mask[arm] |= bits["many_bad_columns"]
        near = rng.integers(0, size, 20)
        mask[(near[:, None] + np.arange(8)).ravel() % size] |= bits["near_bad_pixel"]
    for _ in range(rng.poisson(0.8)):
        mask[rng.integers(size)] |= bits["bad_sky_chi"]
    for _ in range(rng.poisson(0.7)):  # spikes that the pipeline missed
        at, length = rng.integers(2, size - 2), rng.integers(1, 3)
        flux[at : at + length] += sigma[at] * rng.lognormal(2.0, 0.6)
        if rng.random() < 0.5:
            mask[at : at + length] |= bits["combine_reject"]
    holes = [int(rng.integers(1, 4)) for _ in range(rng.poisson(0.6))]
    if rng.random() < 0.04:
        holes.append(int(rng.integers(40, 130)))
    for length in holes:
        at = int(rng.integers(5, size - length - 5))
        ivar[at : at + length] = 0
        flux[at : at + length] = np.linspace(flux[at - 1], flux[at + length], length)
        mask[at : at + length] |= bits["full_reject"] | bits["no_data"]
    quantum = 2.0 ** np.round(np.log2(sigma / 32))
    mantissa, exponent = np.frexp(ivar)
    return Spectrum(
        flux=(np.round(flux / quantum) * quantum).astype(np.float32),
        ivar=np.ldexp(np.round(mantissa * 256) / 256, exponent).astype(np.float32),
        loglam0=loglam0,
        and_mask=mask,
        wdisp=np.round(dispersion, 2).astype(np.float32),
    )


def median_sn_r(spectrum: Spectrum) -> float:
    """Median signal-to-noise per pixel over 5600-6900 Å; NaN without a usable pixel."""
    wavelength = spectrum.wavelength
    used = (wavelength > R_BAND[0]) & (wavelength < R_BAND[1]) & (spectrum.ivar > 0)
    used &= np.isfinite(spectrum.flux)
    if not used.any():
        return float("nan")
    return float(np.median(spectrum.flux[used] * np.sqrt(spectrum.ivar[used])))

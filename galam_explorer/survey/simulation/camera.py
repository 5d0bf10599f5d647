"""The SDSS imaging camera as the simulation sees it: bands, seeing, sky, gain.

Fluxes are in nanomaggies (1 nMgy is AB magnitude 22.5), planes run g, r, i.
"""

from __future__ import annotations

from dataclasses import dataclass

import galsim
import numpy as np

__all__ = [
    "BANDS",
    "NATIVE_SCALE",
    "ZERO_POINT",
    "Seeing",
    "draw_seeing",
    "flux_of",
    "frame_noise",
    "sky_noise",
]

BANDS = ("g", "r", "i")
NATIVE_SCALE = 0.396
"""Arcsec per pixel of SDSS frames."""
ZERO_POINT = 22.5

# Typical calibration of an SDSS "frame" file (nanomaggies a count, electrons a
# count, dark variance in counts², sky in mag/arcsec²): data model of `frame`,
# camera table of Gunn et al. 1998, and the survey's median dark-site sky.
_NMGY_PER_COUNT = np.array([0.0038, 0.0051, 0.0066])
_GAIN = np.array([3.6, 4.7, 4.8])
_DARK_VARIANCE = np.array([1.4, 0.9, 2.5])
_SKY = np.array([21.95, 20.9, 20.3])
# Seeing in r (median FWHM, arcsec) and the other bands' ratio to it.
_FWHM_R, _FWHM_SCATTER = 1.32, 0.10
_FWHM_RATIO = np.array([1.07, 1.0, 0.95])
# A Moffat profile of beta 3 as three Gaussians: their sigmas for FWHM 1, and
# shares. Least squares in log surface brightness out to six FWHM. Sums of
# Gaussians keep stars, knots and their wings exact and quick.
PSF_SIGMAS = np.array([0.4009, 0.8127, 1.7526])
PSF_SHARES = np.array([0.6497, 0.3208, 0.0295])


@dataclass(frozen=True)
class Seeing:
    """Conditions under which one cutout is taken.

    Parameters
    ----------
    fwhm : tuple of float
        PSF's full width at half maximum in g, r, i, arcsec.
    sky : tuple of float
        Sky brightness in g, r, i, mag/arcsec².
    """

    fwhm: tuple[float, float, float] = tuple(_FWHM_R * _FWHM_RATIO)
    sky: tuple[float, float, float] = tuple(_SKY)

    def psf(self, band: int) -> galsim.GSObject:
        """PSF of one band as a GalSim object of unit flux."""
        gaussians = [
            galsim.Gaussian(sigma=sigma * self.fwhm[band], flux=share)
            for sigma, share in zip(PSF_SIGMAS, PSF_SHARES, strict=True)
        ]
        return galsim.Sum(gaussians)


def draw_seeing(rng: np.random.Generator) -> Seeing:
    """Seeing and sky of one field, scattered as they are over the survey."""
    fwhm = _FWHM_R * np.exp(_FWHM_SCATTER * rng.standard_normal()) * _FWHM_RATIO
    fwhm = fwhm * np.exp(0.03 * rng.standard_normal(3))
    sky = _SKY + 0.2 * rng.standard_normal(3)
    return Seeing(tuple(map(float, fwhm)), tuple(map(float, sky)))


def flux_of(mags: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """Nanomaggies of AB magnitudes."""
    return 10.0 ** (-0.4 * (np.asarray(mags, dtype=float) - ZERO_POINT))


def _sigma(planes: np.ndarray, seeing: Seeing) -> np.ndarray:
    """Noise of every pixel, nMgy; `planes` (3, ...) are sources without sky."""
    shape = (3,) + (1,) * (planes.ndim - 1)
    per_count = _NMGY_PER_COUNT.reshape(shape)
    sky = flux_of(seeing.sky).reshape(shape) * NATIVE_SCALE**2
    counts = (np.maximum(planes, 0.0) + sky) / per_count
    variance = counts / _GAIN.reshape(shape) + _DARK_VARIANCE.reshape(shape)
    return np.sqrt(variance) * per_count


def sky_noise(seeing: Seeing) -> np.ndarray:
    """Noise of a native pixel of blank sky in g, r, i, nMgy, shape (3,)."""
    return _sigma(np.zeros(3), seeing)


def frame_noise(planes: np.ndarray, seeing: Seeing, rng: np.random.Generator) -> np.ndarray:
    """Photon noise of sources and sky, and detector noise.

    Parameters
    ----------
    planes : ndarray, shape (3, h, w)
        Noiseless, sky-subtracted frame in nMgy a native pixel.
    seeing : Seeing
    rng : Generator

    Returns
    -------
    ndarray, shape (3, h, w)
        Zero-mean noise in nMgy. With hundreds of sky electrons in every pixel
        the Gaussian limit of Poisson's law is exact enough.
    """
    return rng.standard_normal(planes.shape) * _sigma(planes, seeing)

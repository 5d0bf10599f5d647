"""The spectrograph of the simulation: throughput, sky, resolution, errors and bad pixels.

Everything here is our own formula, set to resemble DR7-era SDSS spectra; no
observed array is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import PchipInterpolator

__all__ = [
    "BAD_PIXEL_BITS",
    "SkyModel",
    "expected_sn_r",
    "instrumental_dispersion",
    "make_sky",
    "sensitivity",
    "variance",
]

BAD_PIXEL_BITS = {
    "many_bad_columns": 1 << 4,
    "near_bad_pixel": 1 << 16,
    "full_reject": 1 << 18,
    "bright_sky": 1 << 23,
    "no_data": 1 << 24,
    "combine_reject": 1 << 25,
    "bad_sky_chi": 1 << 27,
}
"""Bits of SDSS's ``SPPIXMASK`` that the simulation sets."""

# Counts per 1e-17 erg/s/cm²/Å and pixel in the usual exposure at vacuum Å, read by
# eye off the ratio of signal to variance in DR7-era spectra.
_SENSITIVITY_NODES = np.array(
    [
        (3700, 1.4),
        (3780, 2.8),
        (3840, 3.7),
        (3900, 4.6),
        (3950, 5.2),
        (4000, 6.3),
        (4100, 8.2),
        (4300, 13.0),
        (4600, 18.3),
        (5000, 25.0),
        (5400, 28.0),
        (5650, 28.5),
        (5800, 23.5),
        (5860, 23.0),
        (5950, 32.0),
        (6050, 38.5),
        (6200, 42.0),
        (6400, 53.0),
        (6600, 60.0),
        (6900, 62.0),
        (7200, 60.5),
        (7500, 52.0),
        (7800, 46.0),
        (8100, 40.0),
        (8400, 33.0),
        (8600, 27.5),
        (8800, 22.0),
        (9050, 18.0),
        (9200, 14.5),
        (9400, 9.0),
    ]
).T
_READ_VARIANCE = 30.0
"""Counts², summed over the exposures and rows of a pixel."""
_FLAT_ERROR = 0.015
"""Error of flat-fielding and flux calibration that adds in proportion to the flux."""
_TELLURIC = ((6875.0, 16.0, 0.10), (7190.0, 35.0, 0.06), (7612.0, 24.0, 0.8), (8230.0, 60.0, 0.08))

# Vacuum wavelength (Å) and strength (1e-17 erg/s/cm²/Å at the peak, usual sky).
_SKY_LINES_TEXT = """
4047.8 25 4359.6 40 4979.7 3 5200.5 6 5462.3 30 5578.9 750 5684.2 14 5690.0 12
5771.2 16 5792.2 14 5891.6 80 5897.6 60 6155.9 6 6162.4 8 6172.2 6 6237.7 6 6259.7 10
6266.3 9 6289.1 14 6302.0 160 6308.7 10 6323.1 10 6358.0 10 6365.5 65 6467.8 10 6472.4 8
6479.0 9 6500.5 16 6506.8 9 6524.2 10 6535.0 16 6555.4 12 6570.8 8 6579.0 12 6598.6 14
6606.0 10 6628.5 8 6835.1 20 6843.8 10 6865.8 40 6873.1 22 6882.0 18 6891.2 14 6902.7 20
6914.5 40 6925.1 30 6941.4 32 6950.8 14 6971.8 10 6980.3 14 7005.8 14 7013.3 8 7242.2 30
7247.3 26 7278.4 85 7286.4 50 7305.7 55 7318.3 80 7331.2 60 7342.9 85 7360.7 40 7371.5 55
7394.2 18 7403.7 32 7440.5 18 7468.6 12 7473.8 18 7480.3 8 7508.5 12 7526.2 26 7529.8 18
7573.9 20 7588.2 10 7654.0 8 7664.3 14 7692.2 18 7714.6 26 7718.0 40 7727.2 22 7736.8 18
7752.8 90 7762.1 50 7782.6 60 7796.4 115 7810.7 60 7823.7 120 7843.6 60 7855.4 60 7872.6 20
7880.0 20 7893.5 60 7916.0 140 7923.3 60 7951.6 70 7967.0 140 7980.6 26 7995.8 140 8016.7 50
8028.0 75 8054.2 28 8064.5 40 8089.0 14 8104.9 16 8142.2 14 8284.0 60 8290.9 55 8300.7 110
8313.0 60 8347.0 220 8355.1 100 8384.7 90 8401.5 210 8417.5 70 8432.5 180 8454.6 60 8467.7 110
8495.8 60 8507.1 70 8540.7 30 8551.1 35 8590.9 14 8627.3 50 8633.5 50 8639.5 55 8644.8 55
8650.9 50 8656.8 45 8663.3 40 8669.0 30 8675.6 24 8683.6 18 8700.5 14 8711.0 14 8744.8 40
8761.1 100 8763.6 70 8770.3 190 8780.7 160 8793.6 90 8829.5 320 8838.7 130 8852.5 60 8870.0 90
8888.3 310 8905.6 100 8922.1 260 8945.8 90 8960.5 200 8990.9 90 9004.1 110 9040.0 30
9052.2 45 9102.8 22 9125.7 30 9156.0 45 9166.0 20
"""
_SKY_LINES = np.fromstring(_SKY_LINES_TEXT, sep=" ").reshape(-1, 2)


def sensitivity(wavelength: np.ndarray) -> np.ndarray:
    """Counts per flux unit of the usual exposure, shape (n,); vacuum Å in.

    Two arms that cross at a dichroic near 5850 Å, falling at both ends, with
    the telluric bands; outside 3700-9400 Å the ends go on.
    """
    w = np.asarray(wavelength, dtype=float)
    total = _sensitivity_curve()(np.clip(w, *_SENSITIVITY_NODES[0, [0, -1]]))
    for centre, width, depth in _TELLURIC:
        total = total * (1 - depth * np.exp(-0.5 * ((w - centre) / width) ** 2))
    return total


@lru_cache(maxsize=1)
def _sensitivity_curve() -> PchipInterpolator:
    return PchipInterpolator(*_SENSITIVITY_NODES)


@dataclass(frozen=True, eq=False)
class SkyModel:
    """Sky at each pixel, 1e-17 erg/s/cm²/Å: smooth part and lines, both (n,)."""

    continuum: np.ndarray
    lines: np.ndarray


def make_sky(
    wavelength: np.ndarray, dispersion: np.ndarray, level: float, rng: np.random.Generator
) -> SkyModel:
    """Night sky inside a fibre.

    Parameters
    ----------
    wavelength : ndarray, shape (n,)
        Vacuum Å, step 1e-4 dex.
    dispersion : ndarray, shape (n,)
        Instrumental sigma, pixels.
    level : float
        Continuum relative to a dark sky.
    rng : numpy.random.Generator
        Draws how strong the mercury, sodium, oxygen and OH lines are tonight.
    """
    w = wavelength
    bump = 1 + 0.55 * np.exp(-0.5 * ((w - 5930) / 130) ** 2)
    continuum = level * bump * (6.2 + 1.8 / (1 + np.exp((w - 6100) / 250)))
    groups = rng.lognormal(0, 0.35, 4)
    position, strength = _SKY_LINES.T
    group = np.where(position < 5500, 0, np.where(position < 6100, 1, 3))
    group = np.where((np.abs(position - 6302) < 2) | (np.abs(position - 6365) < 2), 2, group)
    at = np.log10(position / w[0]) * 1e4
    pixel = at.astype(int)[:, None] + np.arange(-7, 9)
    inside = (pixel >= 0) & (pixel < len(w))
    pixel = np.clip(pixel, 0, len(w) - 1)
    offset = (pixel - at[:, None]) / dispersion[pixel]
    light = np.where(inside, (strength * groups[group])[:, None] * np.exp(-0.5 * offset**2), 0)
    lines = np.bincount(pixel.ravel(), light.ravel(), len(w))
    return SkyModel(continuum, lines)


def variance(
    flux: np.ndarray, sky: np.ndarray, counts_per_flux: np.ndarray, *, exposures: float = 1.0
) -> np.ndarray:
    """Variance of a pixel: photons of object and sky, read noise, flat-field error.

    Parameters
    ----------
    flux, sky : ndarray, shape (n,)
        1e-17 erg/s/cm²/Å.
    counts_per_flux : ndarray, shape (n,)
        `sensitivity` times the exposure's depth.
    exposures : float
        Exposure relative to the usual one: read noise grows with it.
    """
    photons = np.maximum(flux, 0) + sky
    read = _READ_VARIANCE * exposures / counts_per_flux**2
    return photons / counts_per_flux + read + (_FLAT_ERROR * flux) ** 2


def expected_sn_r(fibre_mag_r: float, depth: float, sky_level: float) -> float:
    """Signal-to-noise per pixel near 6250 Å of an object of r magnitude `fibre_mag_r`."""
    wavelength = 6250.0
    flux = 3.631e-20 * 10 ** (-0.4 * fibre_mag_r) * 2.99792458e18 / wavelength**2 / 1e-17
    counts = sensitivity(np.array([wavelength])) * depth
    sky = 8.0 * sky_level
    error = variance(np.array([flux]), np.array([sky]), counts, exposures=depth)
    return float(flux / np.sqrt(error[0]))


def instrumental_dispersion(wavelength: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Instrumental sigma in pixels of 1e-4 dex, shape (n,).

    A parabola in each arm and a step between them near 5950 Å, as SDSS's
    ``wdisp``, with a fibre-to-fibre scatter.
    """
    w = np.asarray(wavelength, dtype=float)
    offset_blue, offset_red = rng.normal(0, 0.035, 2)
    tilt = rng.normal(0, 0.03)
    blue = 0.86 + offset_blue + 0.37 * ((5900 - w) / 2100).clip(0) ** 1.5
    x = (w - 6100) / 3100
    red = 0.95 + offset_red - (0.26 + tilt) * x + (0.11 + tilt / 2) * x**2
    share = 1 / (1 + np.exp(-(w - 5880) / 25))
    return np.clip(blue * (1 - share) + red * share, 0.65, 1.8)

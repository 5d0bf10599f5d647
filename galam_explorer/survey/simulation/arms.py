"""Arms, knots, bars and rings: where a disc's young stars are.

Drawn as round Gaussian blobs on the plane of the disc, projected on the sky.
Convolved with a PSF that is a sum of Gaussians they stay sums of separable
Gaussians, so that hundreds of them cost a few small matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galam_explorer.survey.simulation.camera import (
    NATIVE_SCALE,
    PSF_SHARES,
    PSF_SIGMAS,
    Seeing,
    flux_of,
)
from galam_explorer.survey.simulation.model import LightComponent

__all__ = ["Blobs", "add_blobs", "disc_blobs", "young_shares"]

# Colours of a population younger than 100 Myr with H II emission: g - r and
# r - i, mag.
_YOUNG_COLOURS = (-0.05, -0.20)
_SINGLE_THREAD_WORK = 200_000
"""Multiplications below which OpenBLAS starts no threads (its limit is 4 x 65 536)."""
_EXPONENTIAL_HLR = 1.678
"""Half-light radius of an exponential disc in scale lengths."""


@dataclass(frozen=True, eq=False)
class Blobs:
    """Round Gaussians on the sky.

    Parameters
    ----------
    east, north : ndarray, shape (n,)
        Offsets from the galaxy's centre, arcsec.
    sigma : ndarray, shape (n,)
        Intrinsic widths, arcsec.
    flux : ndarray, shape (3, n)
        nMgy in g, r, i.
    """

    east: np.ndarray
    north: np.ndarray
    sigma: np.ndarray
    flux: np.ndarray

    def __add__(self, other: Blobs) -> Blobs:
        names = ("east", "north", "sigma", "flux")
        pairs = ((getattr(self, name), getattr(other, name)) for name in names)
        return Blobs(*(np.concatenate(pair, axis=-1) for pair in pairs))


def add_blobs(
    planes: np.ndarray, blobs: Blobs, seeing: Seeing, centre: tuple[float, float]
) -> None:
    """Add blobs, convolved with PSF and pixel, to planes in place.

    Parameters
    ----------
    planes : ndarray, shape (3, h, w)
        nMgy a native pixel; north up, east left.
    blobs : Blobs
    seeing : Seeing
    centre : tuple of float
        Row and column of the galaxy's centre, px.
    """
    rows = (centre[0] - blobs.north / NATIVE_SCALE)[:, None] - np.arange(planes.shape[1])
    columns = (centre[1] - blobs.east / NATIVE_SCALE)[:, None] - np.arange(planes.shape[2])
    rows2, columns2 = -0.5 * rows**2, -0.5 * columns**2
    for band, plane in enumerate(planes):
        for psf_sigma, share in zip(PSF_SIGMAS * seeing.fwhm[band], PSF_SHARES, strict=True):
            # A square pixel adds 1/12 px² to the variance; no blob is narrower
            # than the PSF's core (1.2 px), where sampling is exact to 1e-6.
            variance = (blobs.sigma**2 + psf_sigma**2) / NATIVE_SCALE**2 + 1 / 12
            inverse = 1.0 / variance[:, None]
            weight = blobs.flux[band][:, None] * share * inverse / (2 * np.pi)
            _add_outer(plane, np.exp(rows2 * inverse) * weight, np.exp(columns2 * inverse))


def _add_outer(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Add the sum of outer products ``rows.T @ columns`` to a plane in place.

    In pieces small enough that BLAS keeps to one thread: the same bits for any
    number of threads, and no spinning where worker processes share the cores
    (measured on a busy two-core machine: 3 ms instead of 48).
    """
    height = min(96, plane.shape[0])
    step = max(1, _SINGLE_THREAD_WORK // (height * plane.shape[1]))
    for top in range(0, plane.shape[0], height):
        part = slice(top, top + height)
        for first in range(0, len(rows), step):
            some = slice(first, first + step)
            plane[part] += rows[some, part].T @ columns[some]


def young_shares(disc: LightComponent) -> np.ndarray:
    """Share of a disc's light that young stars give in g, r, i, shape (3,).

    Knots are bluer than the disc as a whole, or as blue where all of it is young.
    """
    g, r, i = disc.mags
    redder = np.array([0.0, g - r - _YOUNG_COLOURS[0], g - i - sum(_YOUNG_COLOURS)])
    return np.clip(disc.young_fraction * 10.0 ** (-0.4 * np.maximum(redder, 0.0)), 0.0, 0.9)


def _arm_points(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Radii (scale lengths) and azimuths of `n` blobs along log-spiral arms."""
    style = rng.random()
    arms = 2 if style < 0.5 else int(rng.integers(3, 5)) if style < 0.65 else 0
    pitch = np.deg2rad(rng.uniform(9, 28)) * rng.choice([-1, 1])
    # A smooth exponential disc would be gamma(2, 1): arms leave its centre free.
    radius = np.clip(rng.gamma(2.4, 0.86, n), 0.3, 7.0)
    if arms:
        start = rng.uniform(0, 2 * np.pi) + 2 * np.pi / arms * rng.integers(0, arms, n)
        scatter = rng.uniform(0.12, 0.35) * rng.standard_normal(n)
    else:
        # Flocculent: many short pieces of arms, each with its own phase.
        pieces = rng.uniform(0, 2 * np.pi, 14)
        which = rng.integers(0, 14, n)
        middle = rng.gamma(2.8, 0.74, 14)
        radius = np.clip(middle[which] + 0.35 * rng.standard_normal(n), 0.2, 7.0)
        start = pieces[which] - np.log(np.maximum(middle, 0.3))[which] / np.tan(pitch)
        scatter = 0.22 * rng.standard_normal(n)
    return radius, start + scatter + np.log(radius) / np.tan(pitch)


def _project(x: np.ndarray, y: np.ndarray, disc: LightComponent) -> tuple[np.ndarray, np.ndarray]:
    """From the disc's plane (x along the major axis) to east and north."""
    angle = np.deg2rad(disc.position_angle)
    y = y * disc.axis_ratio
    return x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle)


def disc_blobs(
    disc: LightComponent, rng: np.random.Generator, kpc: float
) -> tuple[Blobs, np.ndarray]:
    """Arms and knots of one disc, perhaps a bar or a ring.

    Parameters
    ----------
    disc : LightComponent
    rng : Generator
    kpc : float
        Arcsec that a kiloparsec subtends.

    Returns
    -------
    Blobs
        Together they hold the returned share of the disc's flux.
    share : ndarray, shape (3,)
        Share of the disc's light in g, r, i that the blobs hold.
    """
    scale = disc.half_light_radius / _EXPONENTIAL_HLR
    n = int(np.clip(60 * scale / NATIVE_SCALE, 40, 220))
    radius, azimuth = _arm_points(n, rng)
    if rng.random() < 0.12:
        ring = rng.random(n) < 0.5
        radius = np.where(ring, rng.uniform(0.9, 1.6) + 0.1 * rng.standard_normal(n), radius)
    knots = rng.random(n) < 0.25
    size = np.where(knots, 0.12 * kpc, scale * rng.uniform(0.15, 0.4, n))
    size = size * max(disc.axis_ratio, 0.3) ** 0.5
    # Old stars crowd in the arms too; without star formation there are none.
    young = young_shares(disc)
    old = 0.25 * min(1.0, disc.young_fraction / 0.15) * (1 - young)
    weight_young = np.exp(0.6 * rng.standard_normal(n)) * np.where(knots, 0.7, 1.0)
    weight_old = np.where(knots, 1e-9, np.exp(0.3 * rng.standard_normal(n)))
    flux = np.outer(flux_of(disc.mags) * young, weight_young / weight_young.sum())
    flux += np.outer(flux_of(disc.mags) * old, weight_old / weight_old.sum())
    x, y = radius * scale * np.cos(azimuth), radius * scale * np.sin(azimuth)
    blobs, share = Blobs(*_project(x, y, disc), size, flux), young + old
    if disc.axis_ratio > 0.3 and rng.random() < 0.3:
        bar, bar_share = _bar(disc, rng, scale, 1 - share)
        blobs, share = blobs + bar, share + bar_share
    return blobs, share


def _bar(
    disc: LightComponent, rng: np.random.Generator, scale: float, free: np.ndarray
) -> tuple[Blobs, np.ndarray]:
    """A stellar bar: 10-22 % of what is left of the disc's light, its old colour."""
    half = rng.uniform(0.6, 1.1) * scale
    along = np.linspace(-1, 1, 17)
    turn = rng.uniform(0, np.pi)
    east, north = _project(half * along * np.cos(turn), half * along * np.sin(turn), disc)
    share = rng.uniform(0.10, 0.22) * free
    weight = np.exp(-(along**2) / 0.7)
    flux = np.outer(flux_of(disc.mags) * share, weight / weight.sum())
    return Blobs(east, north, np.full(17, 0.16 * half), flux), share

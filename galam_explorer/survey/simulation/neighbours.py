"""What else is in a cutout: stars, field galaxies, companions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galam_explorer.survey.simulation.arms import Blobs, add_blobs
from galam_explorer.survey.simulation.camera import NATIVE_SCALE, Seeing, flux_of
from galam_explorer.survey.simulation.model import LightComponent
from galam_explorer.survey.simulation.profiles import draw_components

__all__ = ["Neighbour", "companion", "draw_neighbour", "draw_neighbours"]

_FAINTEST = 22.8
"""r magnitude below the frames' detection limit: fainter sources are noise."""
_DETAIL_MAG, _DETAIL_SIZE = 19.0, 1.5
"""Galaxies fainter in r and smaller in arcsec are drawn as sums of Gaussians."""
# An exponential profile as concentric Gaussians: shares, and variances in units
# of the squared half-light radius (Hogg & Lang 2013, the three narrowest merged).
_EXP_SHARES = np.array([0.0218, 0.1002, 0.3685, 0.5095])
_EXP_VARIANCES = np.array([0.036, 0.140, 0.461, 1.502])
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)


@dataclass(frozen=True)
class Neighbour:
    """One source beside the target.

    Parameters
    ----------
    kind : str
        ``"star"`` or ``"galaxy"``.
    east, north : float
        Offset from the cutout's centre, arcsec.
    mags : tuple of float
        AB magnitudes in g, r, i.
    component : LightComponent, optional
        Light profile of a galaxy.
    """

    kind: str
    east: float
    north: float
    mags: tuple[float, float, float]
    component: LightComponent | None = None


def _magnitudes(
    n: int, slope: float, bright: float, faint: float, rng: np.random.Generator
) -> np.ndarray:
    """Magnitudes whose cumulative counts grow as 10 ** (slope * m)."""
    low, high = 10 ** (slope * bright), 10 ** (slope * faint)
    return np.log10(low + (high - low) * rng.random(n)) / slope


def _star(east: float, north: float, r: float, rng: np.random.Generator) -> Neighbour:
    """Colours along the stellar locus: turn-off stars, K dwarfs, M dwarfs."""
    # Blue stars fade out of a high-latitude field below r of about 20; M dwarfs take over.
    kind = rng.random() + 0.05 * (r - 19)
    if kind < 0.45:
        g_r = max(-0.2, rng.normal(0.42, 0.13))
        r_i = 0.36 * g_r + rng.normal(0.0, 0.03)
    elif kind < 0.65:
        g_r = rng.uniform(0.6, 1.3)
        r_i = 0.40 * g_r - 0.03 + rng.normal(0.0, 0.04)
    else:
        g_r = rng.normal(1.42, 0.07)
        r_i = min(1.9, 0.55 + rng.exponential(0.35))
    return Neighbour("star", east, north, (r + g_r, r, r - r_i))


def _field_galaxy(east: float, north: float, r: float, rng: np.random.Generator) -> Neighbour:
    """A galaxy of the field: faint ones are small; a third are red."""
    if rng.random() < 0.35:
        g_r, n = rng.normal(1.15, 0.25), 4.0
        r_i = rng.normal(0.45, 0.08)
    else:
        g_r, n = rng.normal(0.55, 0.22), 1.0
        r_i = rng.normal(0.22, 0.10)
    size = 10 ** (-0.11 * (r - 17.5) + 0.38 + 0.15 * rng.standard_normal())
    mags = (r + g_r, r, r - r_i)
    shape = LightComponent(
        "bulge" if n > 2 else "disc",
        mags,
        float(np.clip(size, 0.25, 15.0)),
        n,
        float(rng.uniform(0.45 if n > 2 else 0.2, 1.0)),
        float(rng.uniform(0, 180)),
        0.0,
    )
    return Neighbour("galaxy", east, north, mags, shape)


def draw_neighbours(half_width: float, density: float, rng: np.random.Generator) -> list[Neighbour]:
    """Stars and galaxies of a random field.

    Counts per square degree: stars 4 500 to r = 22 with slope 0.16 a magnitude
    (galactic latitudes of 30-60 degrees); galaxies 90 to r = 17.77 with slope
    0.42, 5 400 to r = 22 (Yasuda et al. 2001). Star counts scatter from field
    to field with latitude.

    Parameters
    ----------
    half_width : float
        Half the field's width, arcsec.
    density : float
        Factor on both counts.
    rng : Generator
    """
    area = (2 * half_width / 3600) ** 2 * density
    found = []
    richness = np.exp(0.65 * rng.standard_normal())
    stars = rng.poisson(4500 * 10 ** (0.16 * (_FAINTEST - 22)) * area * richness)
    for r in _magnitudes(stars, 0.16, 13.5, _FAINTEST, rng):
        found.append(_star(*rng.uniform(-half_width, half_width, 2), float(r), rng))
    galaxies = rng.poisson(90 * 10 ** (0.42 * (_FAINTEST - 17.77)) * area)
    for r in _magnitudes(galaxies, 0.42, 14.5, _FAINTEST, rng):
        found.append(_field_galaxy(*rng.uniform(-half_width, half_width, 2), float(r), rng))
    return found


def companion(
    target_mags: np.ndarray,
    target_size: float,
    reach: tuple[float, float],
    fainter: float,
    rng: np.random.Generator,
) -> Neighbour:
    """A physical neighbour of the target: its redshift, so its family of colours.

    Parameters
    ----------
    target_mags : ndarray, shape (3,)
        The target's total g, r, i.
    target_size : float
        The target's half-light radius, arcsec.
    reach : tuple of float
        Least and largest separation, arcsec.
    fainter : float
        Magnitudes by which it is fainter than the target.
    rng : Generator
    """
    separation = rng.uniform(*reach)
    angle = rng.uniform(0, 2 * np.pi)
    g, r, i = target_mags + fainter
    bluer = rng.normal(0.0, 0.12)
    mags = (float(g + bluer), float(r), float(i - 0.4 * bluer))
    round_one = rng.random() < 0.55
    size = target_size * 10 ** (-0.13 * fainter) * np.exp(0.25 * rng.standard_normal())
    shape = LightComponent(
        "bulge" if round_one else "disc",
        mags,
        float(np.clip(size, 0.3, 30.0)),
        3.5 if round_one else 1.0,
        float(rng.uniform(0.55 if round_one else 0.25, 1.0)),
        float(rng.uniform(0, 180)),
        0.0,
    )
    east, north = separation * np.sin(angle), separation * np.cos(angle)
    return Neighbour("galaxy", float(east), float(north), mags, shape)


def _faint_galaxy(shape: LightComponent) -> Blobs:
    """A small faint galaxy as round Gaussians strung along its major axis.

    A Gaussian ellipse is a round one smeared along a line, which five
    Gauss-Hermite nodes do to well below the noise; several times quicker than
    an FFT for sources hardly wider than the PSF.
    """
    major = np.sqrt(_EXP_VARIANCES) * shape.half_light_radius
    smear = major * np.sqrt(1 - shape.axis_ratio**2)
    along = np.outer(smear, _NODES).ravel()
    angle = np.deg2rad(shape.position_angle)
    weight = np.outer(_EXP_SHARES, _WEIGHTS / _WEIGHTS.sum()).ravel()
    width = np.repeat(major * shape.axis_ratio, len(_NODES))
    flux = np.outer(flux_of(shape.mags), weight)
    return Blobs(along * np.sin(angle), along * np.cos(angle), width, flux)


def draw_neighbour(
    neighbour: Neighbour, shape: tuple[int, int], centre: tuple[float, float], seeing: Seeing
) -> tuple[np.ndarray, tuple[slice, slice]] | None:
    """A neighbour's light on the part of a frame that it reaches.

    Parameters
    ----------
    neighbour : Neighbour
    shape : tuple of int
        Height and width of the frame, native pixels.
    centre : tuple of float
        Row and column of the target in the frame.
    seeing : Seeing

    Returns
    -------
    planes : ndarray, shape (3, h, w)
        nMgy a pixel.
    where : tuple of slice
        Rows and columns of the frame that they cover.
        None instead of the pair if nothing falls inside the frame.
    """
    row = centre[0] - neighbour.north / NATIVE_SCALE
    column = centre[1] - neighbour.east / NATIVE_SCALE
    # Out to where the light is lost in the noise: wings of the PSF for bright
    # stars, of the profile for galaxies.
    reach = 6.0 + 3.0 * max(0.0, 22.5 - neighbour.mags[1])
    galaxy = neighbour.component
    if galaxy is not None:
        reach += (4.0 if galaxy.sersic_n < 2 else 6.0) * galaxy.half_light_radius / NATIVE_SCALE
    top, left = max(0, int(row - reach)), max(0, int(column - reach))
    bottom = min(shape[0], int(row + reach) + 2)
    right = min(shape[1], int(column + reach) + 2)
    if bottom <= top or right <= left:
        return None
    planes = np.zeros((3, bottom - top, right - left))
    inner = (row - top, column - left)
    if galaxy is None:
        point = Blobs(*np.zeros((3, 1)), flux_of(neighbour.mags)[:, None])
        add_blobs(planes, point, seeing, inner)
    elif neighbour.mags[1] > _DETAIL_MAG and galaxy.half_light_radius < _DETAIL_SIZE:
        add_blobs(planes, _faint_galaxy(galaxy), seeing, inner)
    else:
        draw_components(planes, [galaxy], [np.ones(3)], seeing, inner)
    return planes, (slice(top, bottom), slice(left, right))

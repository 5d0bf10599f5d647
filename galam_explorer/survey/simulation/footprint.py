"""Positions on an SDSS-like footprint, clustered on the sky as galaxies are.

The footprint is the SDSS legacy area in survey coordinates (lambda, eta) of
Stoughton et al. (2002), Sect. 3.2.2: the northern cap and three southern
stripes. Clustering is a two-level Neyman-Scott process inside thin redshift
slices: superstructures of about 15 Mpc hold groups of about 1 Mpc.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from astropy.cosmology import FlatLambdaCDM

__all__ = ["clustered_position", "in_footprint"]

_COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)
_SLICE = 0.004
_CLUSTERED = 0.6
"""Share of galaxies in groups; the rest are spread evenly."""
_GROUPS_PER_SLICE = 400
_SUPERSTRUCTURES_PER_SLICE = 30


def _survey_coordinates(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    alpha, delta = np.radians(np.asarray(ra) - 95.0), np.radians(dec)
    lam = -np.arcsin(np.cos(alpha) * np.cos(delta))
    eta = np.arctan2(np.sin(delta), np.sin(alpha) * np.cos(delta)) - np.radians(32.5)
    return np.degrees(lam), (np.degrees(eta) + 180.0) % 360.0 - 180.0


def in_footprint(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Whether positions (J2000 degrees) are inside the SDSS-like footprint."""
    ra, dec = np.asarray(ra, float) % 360.0, np.asarray(dec, float)
    lam, eta = _survey_coordinates(ra, dec)
    # The northern cap narrows towards its edges, as the real one does.
    cap = (np.abs(eta) < 36.0) & (np.abs(lam) < 62.0 - 22.0 * (eta / 36.0) ** 2)
    cap &= (ra > 110.0) & (ra < 262.0)
    autumn = (ra > 310.0) | (ra < 59.0)
    stripes = (np.abs(dec) < 1.25) | (np.abs(dec - 14.6) < 1.25) | (np.abs(dec + 9.6) < 1.25)
    return cap | (autumn & stripes)


def _uniform(rng: np.random.Generator) -> tuple[float, float]:
    while True:
        ra, dec = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-0.2, 1.0)))
        if in_footprint(ra, dec):
            return float(ra), float(dec)


def _offset(ra: float, dec: float, angle: float, rng: np.random.Generator) -> tuple[float, float]:
    """Move by a Gaussian of `angle` degrees per axis along the great circles."""
    dx, dy = rng.normal(0, angle, 2)
    dec = float(np.clip(dec + dy, -89.9, 89.9))
    return float((ra + dx / np.cos(np.radians(dec))) % 360.0), dec


@cache
def _degrees_per_mpc(slice_number: int) -> float:
    redshift = max(slice_number + 0.5, 1.0) * _SLICE
    return float(np.degrees(1.0 / _COSMOLOGY.angular_diameter_distance(redshift).value))


@cache
def _group_centre(seed: int, slice_number: int, group: int) -> tuple[float, float]:
    rng = np.random.default_rng([seed, 101, slice_number, group])
    parent = np.random.default_rng(
        [seed, 102, slice_number, int(rng.integers(_SUPERSTRUCTURES_PER_SLICE))]
    )
    ra, dec = _uniform(parent)
    for _ in range(20):
        place = _offset(ra, dec, 8.0 * _degrees_per_mpc(slice_number), rng)
        if in_footprint(*place):
            return place
    return ra, dec


def clustered_position(seed: int, z: float, rng: np.random.Generator) -> tuple[float, float]:
    """Right ascension and declination for a galaxy at redshift `z`.

    Groups depend on `seed` and the redshift slice only, so galaxies drawn by
    different workers share them.

    Parameters
    ----------
    seed : int
        Seed of the survey.
    z : float
        Redshift.
    rng : numpy.random.Generator
        The galaxy's own generator.

    Returns
    -------
    ra, dec : float
        J2000 degrees, inside the footprint.
    """
    slice_number = int(z / _SLICE)
    if rng.random() < _CLUSTERED:
        # Rich groups are rare: the share of the k-th falls like 1/k.
        group = int(_GROUPS_PER_SLICE ** rng.random()) - 1
        centre = _group_centre(seed, slice_number, group)
        # A heavy-tailed radius stands in for the projected density of a group.
        radius = 0.5 * np.sqrt(rng.standard_exponential()) * _degrees_per_mpc(slice_number)
        for _ in range(20):
            ra, dec = _offset(*centre, min(radius, 3.0), rng)
            if in_footprint(ra, dec):
                return ra, dec
    return _uniform(rng)

"""Where the light of Sérsic components falls: fibre fractions and Petrosian quantities.

A component is represented by equal packets of light at the quantiles of its
Sérsic profile and at eight position angles; a packet's share inside a circular
aperture under Gaussian seeing is a non-central chi-square probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import chndtr, gammaincinv

__all__ = ["FIBRE_DIAMETER", "SEEING_FWHM", "Petrosian", "fibre_fraction", "growth", "petrosian"]

FIBRE_DIAMETER = 3.0
"""Arcsec, SDSS spectrograph fibres."""
SEEING_FWHM = 1.4
"""Arcsec, seeing of the simulation (median of SDSS imaging in r is about 1.3)."""

_QUANTILES = (np.arange(64) + 0.5) / 64
_ANGLES = (np.arange(8) + 0.5) / 8 * np.pi / 2
_STEP = 1.25 ** (1 / 3)
_RADII = 0.25 * _STEP ** np.arange(90)
"""Aperture radii, arcsec; three steps are the Petrosian ratio 1.25."""
_NODES = np.geomspace(0.01, 300, 240)
"""Packet radii that the tables are made for, arcsec."""
_PETROSIAN_RATIO = 0.2


@lru_cache(maxsize=1)
def _aperture_table() -> np.ndarray:
    """Share of a packet at `_NODES` inside each radius, shape (n_radius + 1, n_node).

    The last row is the fibre.
    """
    sigma = SEEING_FWHM / np.sqrt(8 * np.log(2))
    radius = np.append(_RADII, FIBRE_DIAMETER / 2)[:, None]
    table = np.where(radius > _NODES, 1.0, 0.0)
    near = np.abs(radius - _NODES) < 6 * sigma
    aperture, node = np.broadcast_arrays(radius, _NODES)
    table[near] = chndtr((aperture[near] / sigma) ** 2, 2, (node[near] / sigma) ** 2)
    return table


@lru_cache(maxsize=1)
def _log_nodes() -> np.ndarray:
    return np.log(_NODES)


def _node_weights(half_light_radius: float, sersic_n: float, axis_ratio: float) -> np.ndarray:
    """Light per packet radius, shape (n_node,), sum 1."""
    # Ciotti & Bertin (1999): the light inside radius x is P(2n, b x^(1/n)).
    scale = gammaincinv(2 * sersic_n, 0.5)
    elliptical = (gammaincinv(2 * sersic_n, _QUANTILES) / scale) ** sersic_n
    squash = np.hypot(np.cos(_ANGLES), axis_ratio * np.sin(_ANGLES))
    packets = np.log(half_light_radius * np.outer(elliptical, squash).ravel())
    nodes = _log_nodes()
    position = np.clip((packets - nodes[0]) / (nodes[1] - nodes[0]), 0, len(nodes) - 1.001)
    lower = position.astype(int)
    share = position - lower
    weights = np.bincount(lower, 1 - share, len(nodes)) + np.bincount(lower + 1, share, len(nodes))
    return weights / len(packets)


def growth(half_light_radius: float, sersic_n: float, axis_ratio: float) -> np.ndarray:
    """Share of a component's light in circular apertures, seeing included.

    Parameters
    ----------
    half_light_radius : float
        Major axis, arcsec.
    sersic_n, axis_ratio : float

    Returns
    -------
    ndarray, shape (91,)
        One value an aperture radius of the module's grid; the last is the fibre.
    """
    weights = _node_weights(half_light_radius, sersic_n, axis_ratio)
    return np.einsum("ij,j->i", _aperture_table(), weights)


def fibre_fraction(curve: np.ndarray) -> float:
    """Share of the light inside the fibre, from `growth`."""
    return float(curve[-1])


@dataclass(frozen=True)
class Petrosian:
    """Petrosian quantities: share of the light measured, radii in arcsec."""

    fraction: float
    r50: float
    r90: float


def petrosian(curve: np.ndarray) -> Petrosian:
    """SDSS Petrosian flux and radii of a light profile.

    Parameters
    ----------
    curve : ndarray, shape (91,)
        `growth`, or a flux-weighted mean of several.

    Returns
    -------
    Petrosian
        Petrosian ratio 0.2, flux within two Petrosian radii (Blanton et al.
        2001, AJ 121, 2358).
    """
    light = curve[:-1]
    area = _RADII**2
    ring = (light[6:] - light[:-6]) / (area[6:] - area[:-6])
    ratio = ring / (light[3:-3] / area[3:-3])
    inner = _RADII[3:-3]
    below = np.flatnonzero(ratio < _PETROSIAN_RATIO)
    at = max(int(below[0]), 1) if len(below) else len(inner) - 1
    share = (ratio[at - 1] - _PETROSIAN_RATIO) / max(ratio[at - 1] - ratio[at], 1e-12)
    radius = inner[at - 1] * (inner[at] / inner[at - 1]) ** np.clip(share, 0, 1)
    fraction = float(np.interp(2 * radius, _RADII, light))
    r50, r90 = np.interp([0.5 * fraction, 0.9 * fraction], light, _RADII)
    return Petrosian(fraction, float(r50), float(r90))

"""Sky to plane and back, east to the left: Hammer-Aitoff and the tangent plane."""

from __future__ import annotations

import numpy as np

__all__ = [
    "galactic_plane",
    "hammer",
    "hammer_inverse",
    "separation",
    "tangent",
    "tangent_inverse",
]

_NORTH_GALACTIC_POLE = np.radians([192.85948, 27.12825])
"""J2000 right ascension and declination (Reid & Brunthaler 2004)."""
_ASCENDING_NODE = np.radians(282.85948)
"""Right ascension where the galactic plane crosses the equator northwards."""


def _wrap(angle: np.ndarray) -> np.ndarray:
    """Degrees into [-180, 180)."""
    return (np.asarray(angle, dtype=float) + 180.0) % 360.0 - 180.0


def hammer(ra: np.ndarray, dec: np.ndarray, centre: float = 180.0) -> tuple[np.ndarray, np.ndarray]:
    """Hammer-Aitoff, equal-area, closed form (Hammer 1892; Calabretta & Greisen 2002).

    Parameters
    ----------
    ra, dec : array_like
        Degrees.
    centre : float
        Right ascension at the centre, degrees.

    Returns
    -------
    x, y : ndarray
        ``|x| <= 2 sqrt 2`` (east to the left), ``|y| <= sqrt 2``.
    """
    half = np.radians(_wrap(np.asarray(ra) - centre)) / 2
    phi = np.radians(np.asarray(dec, dtype=float))
    gamma = np.sqrt(2.0 / (1.0 + np.cos(phi) * np.cos(half)))
    return -2.0 * gamma * np.cos(phi) * np.sin(half), gamma * np.sin(phi)


def hammer_inverse(
    x: np.ndarray, y: np.ndarray, centre: float = 180.0
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `hammer`; NaN outside the ellipse.

    Returns
    -------
    ra, dec : ndarray
        Degrees, ra in [0, 360).
    """
    x, y = -np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    squared = 1.0 - (x / 4.0) ** 2 - (y / 2.0) ** 2
    with np.errstate(invalid="ignore"):
        z = np.where(squared >= 0.5 - 1e-12, np.sqrt(np.maximum(squared, 0.5)), np.nan)
        longitude = 2.0 * np.arctan2(z * x, 2.0 * (2.0 * z * z - 1.0))
        dec = np.degrees(np.arcsin(np.clip(z * y, -1.0, 1.0)))
    return (np.degrees(longitude) + centre) % 360.0, dec


def tangent(
    ra: np.ndarray, dec: np.ndarray, ra0: float, dec0: float
) -> tuple[np.ndarray, np.ndarray]:
    """Gnomonic projection about ``(ra0, dec0)``; NaN beyond 80° from there.

    Returns
    -------
    x, y : ndarray
        Degrees on the tangent plane, east to the left, north up.
    """
    delta = np.radians(_wrap(np.asarray(ra) - ra0))
    phi, phi0 = np.radians(np.asarray(dec, dtype=float)), np.radians(dec0)
    cosine = np.sin(phi0) * np.sin(phi) + np.cos(phi0) * np.cos(phi) * np.cos(delta)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.degrees(1.0) / np.where(cosine > np.cos(np.radians(80.0)), cosine, np.nan)
    north = np.cos(phi0) * np.sin(phi) - np.sin(phi0) * np.cos(phi) * np.cos(delta)
    return -np.cos(phi) * np.sin(delta) * scale, north * scale


def tangent_inverse(
    x: np.ndarray, y: np.ndarray, ra0: float, dec0: float
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of `tangent`: degrees on the plane to ra in [0, 360) and dec."""
    xi, eta = -np.radians(np.asarray(x, dtype=float)), np.radians(np.asarray(y, dtype=float))
    phi0 = np.radians(dec0)
    down = np.cos(phi0) - eta * np.sin(phi0)
    delta = np.arctan2(xi, down)
    dec = np.arctan2(np.sin(phi0) + eta * np.cos(phi0), np.hypot(xi, down))
    return (np.degrees(delta) + ra0) % 360.0, np.degrees(dec)


def separation(ra: np.ndarray, dec: np.ndarray, ra0: float, dec0: float) -> np.ndarray:
    """Angular distance from ``(ra0, dec0)``, degrees (haversine, exact when small)."""
    phi, phi0 = np.radians(np.asarray(dec, dtype=float)), np.radians(dec0)
    delta = np.radians(np.asarray(ra, dtype=float) - ra0)
    h = np.sin((phi - phi0) / 2) ** 2 + np.cos(phi) * np.cos(phi0) * np.sin(delta / 2) ** 2
    return np.degrees(2.0 * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))))


def galactic_plane(points: int = 361) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination along galactic latitude 0, degrees."""
    along = np.linspace(0.0, 2.0 * np.pi, points)
    tilt = np.pi / 2 - _NORTH_GALACTIC_POLE[1]
    dec = np.arcsin(np.sin(tilt) * np.sin(along))
    ra = _ASCENDING_NODE + np.arctan2(np.cos(tilt) * np.sin(along), np.cos(along))
    return np.degrees(ra) % 360.0, np.degrees(dec)

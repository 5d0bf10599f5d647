"""What SDSS's pipeline would measure on a noiseless image of the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from galam_explorer.survey.simulation.camera import ZERO_POINT, Seeing
from galam_explorer.survey.simulation.model import LightComponent
from galam_explorer.survey.simulation.profiles import draw_components

__all__ = ["ISOPHOTE", "Measured", "isophotal_ellipse", "measure_target", "petrosian"]

ISOPHOTE = 25.0
"""r surface brightness of the truth isophote, mag/arcsec²: about twice the sky
noise of a native pixel, where a galaxy's edge is seen on a cutout."""
_GRID = 96


@dataclass(frozen=True)
class Measured:
    """Noise-free r-band measurements of a galaxy as seen through the PSF.

    Parameters
    ----------
    petro_mag_r : float
        Petrosian magnitude (AB).
    petro_r50_r, petro_r90_r : float
        Radii of 50 and 90 % of the Petrosian flux, arcsec.
    isophote_a, isophote_b : float
        Semi-axes of the `ISOPHOTE` ellipse, arcsec; 0 if the galaxy is fainter.
    isophote_theta : float
        Its position angle, degrees east of north, in [0, 180).
    """

    petro_mag_r: float
    petro_r50_r: float
    petro_r90_r: float
    isophote_a: float
    isophote_b: float
    isophote_theta: float


def petrosian(image: np.ndarray, scale: float) -> tuple[float, float, float]:
    """Petrosian flux and radii in circular apertures around the image's centre.

    The Petrosian radius is where the mean surface brightness in an annulus of
    0.8 to 1.25 r falls to a fifth of the mean inside r; the flux is that inside
    two such radii (Strauss et al. 2002, Sect. 3.2).

    Parameters
    ----------
    image : ndarray, shape (n, n)
        Noiseless surface-brightness image, flux per pixel.
    scale : float
        Arcsec per pixel.

    Returns
    -------
    flux, r50, r90 : float
        Flux in the image's unit, radii in arcsec.
    """
    offsets = np.arange(len(image)) - (len(image) - 1) / 2
    radius = np.hypot(offsets[:, None], offsets).ravel() * scale
    order = np.argsort(radius, kind="stable")
    grown = np.cumsum(image.ravel()[order])
    # Aperture n holds n pixels: its area, not its outermost pixel, gives its radius.
    effective = np.sqrt(np.arange(1, len(order) + 1) / np.pi) * scale
    inside = effective < offsets[-1] * scale
    effective, grown = np.r_[0.0, effective[inside]], np.r_[0.0, grown[inside]]

    def flux(r: np.ndarray | float) -> np.ndarray:
        return np.interp(r, effective, grown)

    r = np.linspace(2 * scale, effective[-1] / 1.25, 300)
    annulus = (flux(1.25 * r) - flux(0.8 * r)) / (1.25**2 - 0.8**2)
    below = np.flatnonzero(annulus < 0.2 * flux(r))
    r_p = r[below[0]] if len(below) else r[-1]
    total = float(flux(2 * r_p))
    r50, r90 = np.interp([0.5 * total, 0.9 * total], grown, effective)
    return total, float(r50), float(r90)


def isophotal_ellipse(image: np.ndarray, scale: float) -> tuple[float, float, float]:
    """Ellipse with the area and second moments of the pixels above `ISOPHOTE`.

    Parameters
    ----------
    image : ndarray, shape (n, n)
        Noiseless r image, nMgy per arcsec², north up, east left.
    scale : float
        Arcsec per pixel.

    Returns
    -------
    a, b : float
        Semi-axes, arcsec; 0 where no pixel is bright enough.
    theta : float
        Position angle, degrees east of north.
    """
    rows, columns = np.nonzero(image > 10.0 ** (-0.4 * (ISOPHOTE - ZERO_POINT)))
    if len(rows) == 0:
        return 0.0, 0.0, 0.0
    north, east = -(rows - rows.mean()), -(columns - columns.mean())
    # Each pixel is a square, not a point: 1/12 px² on the diagonal.
    covariance = np.cov(np.vstack([north, east]), bias=True) + np.eye(2) / 12
    values, vectors = np.linalg.eigh(covariance)
    ratio = float(np.sqrt(values[0] / values[1]))
    a = np.sqrt(len(rows) / (np.pi * ratio)) * scale
    theta = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])) % 180.0
    return float(a), float(a * ratio), float(theta)


def measure_target(components: Sequence[LightComponent], seeing: Seeing) -> Measured:
    """Petrosian quantities and truth isophote of a galaxy.

    Arms and knots are left out: they redistribute light along the azimuth,
    which circular apertures and second moments hardly notice.

    Parameters
    ----------
    components : sequence of LightComponent
    seeing : Seeing

    Returns
    -------
    Measured
    """
    reach = max(part.half_light_radius * (6.0 if part.sersic_n < 2 else 8.0) for part in components)
    scale = 2 * (reach + 4.0) / _GRID
    r_plane = np.zeros((1, _GRID, _GRID))
    centre = ((_GRID - 1) / 2,) * 2
    ones = [np.ones(3)] * len(components)
    draw_components(r_plane, components, ones, seeing, centre, scale, bands=(1,))
    flux, r50, r90 = petrosian(r_plane[0], scale)
    ellipse = isophotal_ellipse(r_plane[0] / scale**2, scale)
    return Measured(float(ZERO_POINT - 2.5 * np.log10(flux)), r50, r90, *ellipse)

"""Light components drawn through the PSF onto pixels with GalSim."""

from __future__ import annotations

from collections.abc import Sequence

import galsim
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import gammainc, gammaincinv

from galam_explorer.survey.simulation.camera import (
    NATIVE_SCALE,
    PSF_SHARES,
    PSF_SIGMAS,
    Seeing,
    flux_of,
)
from galam_explorer.survey.simulation.model import LightComponent

__all__ = ["PROFILE_PARAMS", "draw_components", "profile"]

PROFILE_PARAMS = galsim.GSParams(
    folding_threshold=0.01, maxk_threshold=0.005, maximum_fft_size=8192
)
"""GalSim's accuracy: half of its default, 1 % of the light may alias in the FFT."""
# Galaxies are bluer further out: half-light radii in g and i relative to r
# (a few per cent: Vulcani et al. 2014 find 5-10 % from g to i).
_SIZE_RATIO = {"bulge": (1.03, 1.0, 0.98), "disc": (1.05, 1.0, 0.97)}
_INDEX_STEP = 0.5
_WIDE = 10.0
"""Circular half-light radius, arcsec, times Sérsic index, that makes an FFT slow."""
_CORE, _FINER = 7, 5
"""Pixels around the middle one that are sampled more finely, and how finely."""


def _index_and_radius(component: LightComponent, band: int) -> tuple[float, float]:
    """Sérsic index to draw, and the half-light radius of a circle of the same area.

    The index is rounded to halves: GalSim tabulates each one once, which takes
    longer than drawing a galaxy.
    """
    ratio = _SIZE_RATIO["disc" if component.name == "disc" else "bulge"][band]
    n = float(np.clip(round(component.sersic_n / _INDEX_STEP) * _INDEX_STEP, 0.5, 6.0))
    return n, component.half_light_radius * ratio * component.axis_ratio**0.5


def _flux_inside(component: LightComponent, band: int, radius: float) -> float:
    """Share of a component's light inside an ellipse of circular radius `radius`."""
    n, half = _index_and_radius(component, band)
    return float(gammainc(2 * n, gammaincinv(2 * n, 0.5) * (radius / half) ** (1 / n)))


def profile(component: LightComponent, band: int) -> galsim.GSObject:
    """Unit-flux profile of a component in one band, before the PSF."""
    n, half = _index_and_radius(component, band)
    if n == 1.0:
        shape = galsim.Exponential(half_light_radius=half, gsparams=PROFILE_PARAMS)
    else:
        shape = galsim.Sersic(n, half_light_radius=half, gsparams=PROFILE_PARAMS)
    # A shear keeps the area. GalSim's x grows to the right, which is west.
    angle = (90.0 + component.position_angle) * galsim.degrees
    return shape.shear(q=component.axis_ratio, beta=angle)


def draw_components(
    planes: np.ndarray,
    components: Sequence[LightComponent],
    shares: Sequence[np.ndarray],
    seeing: Seeing,
    centre: tuple[float, float],
    scale: float = NATIVE_SCALE,
    bands: Sequence[int] = (0, 1, 2),
) -> None:
    """Add concentric components to planes in place.

    Parameters
    ----------
    planes : ndarray, shape (len(bands), h, w), float64
        nMgy a pixel; north up, east left.
    components : sequence of LightComponent
    shares : sequence of ndarray, shape (3,)
        Share of each component's g, r, i flux to draw.
    seeing : Seeing
    centre : tuple of float
        Row and column of the common centre, px.
    scale : float
        Arcsec per pixel.
    bands : sequence of int
        Which of g, r, i the planes are.
    """
    height, width = planes.shape[1:]
    offset = (centre[1] - (width - 1) / 2, (height - 1) / 2 - centre[0])
    frame = {"nx": width, "ny": height, "scale": scale, "offset": offset, "dtype": float}
    pairs = list(zip(components, shares, strict=True))
    for band, plane in zip(bands, planes, strict=True):
        small = []
        for component, share in pairs:
            flux = float(flux_of(component.mags[band]) * share[band])
            shape = profile(component, band)
            if _is_wide(component, width * scale, scale):
                plane += _draw_wide(shape * flux, component, seeing, band, centre, frame)
            else:
                small.append(shape * flux)
        if small:
            # One sum, one convolution: half the FFTs of one after the other.
            light = galsim.Sum(small)
            seen = galsim.Convolve(light, seeing.psf(band), gsparams=PROFILE_PARAMS)
            plane += seen.drawImage(**frame).array[::-1]


def _is_wide(component: LightComponent, width: float, scale: float) -> bool:
    """Whether an FFT of a component is wasteful: it must hold all of the galaxy.

    So where the light reaches far out of a frame `width` arcsec wide, or where
    pixels are too coarse for the PSF to matter.
    """
    circular = component.half_light_radius * component.axis_ratio**0.5
    reach = circular * (2.5 * component.sersic_n if component.sersic_n > 1.25 else 2.0)
    slow = circular * component.sersic_n > _WIDE
    return slow and (reach > width / 2 or scale > NATIVE_SCALE)


def _radius2(
    component: LightComponent, centre: tuple[float, float], side: int, scale: float
) -> np.ndarray:
    """Squared circular radius of every pixel's ellipse, arcsec², shape (side, side)."""
    angle = np.deg2rad(component.position_angle)
    north = (centre[0] - np.arange(side))[:, None] * scale
    east = (centre[1] - np.arange(side)) * scale
    along = east * np.sin(angle) + north * np.cos(angle)
    across = east * np.cos(angle) - north * np.sin(angle)
    return along**2 * component.axis_ratio + across**2 / component.axis_ratio


def _core(
    shape: galsim.GSObject,
    component: LightComponent,
    band: int,
    shift: tuple[float, float],
    scale: float,
) -> np.ndarray:
    """The innermost pixels of a component, finely sampled, before the PSF.

    `shift` is the centre's row and column beyond the middle pixel's. What the
    profile holds there beyond the samples, its cusp, goes into the middle pixel.
    Shape (2 _CORE + 1, 2 _CORE + 1).
    """
    pixels = 2 * _CORE + 1
    side, fine = pixels * _FINER, scale / _FINER
    rows, columns = shift[0] * _FINER, shift[1] * _FINER
    drawn = shape.drawImage(
        nx=side, ny=side, scale=fine, offset=(columns, -rows), method="no_pixel", dtype=float
    ).array[::-1]
    middle = (side - 1) / 2
    # The largest ellipse inside the box, whatever its shape.
    radius = (_CORE - 0.5) * scale * component.axis_ratio**0.5
    inside = _radius2(component, (middle + rows, middle + columns), side, fine) < radius**2
    # Samples at the rim stand for the part of the ellipse that they leave out.
    rim = drawn[inside].min() * (np.pi * (radius / fine) ** 2 - inside.sum())
    cusp = shape.flux * _flux_inside(component, band, radius) - drawn[inside].sum() - rim
    binned = drawn.reshape(pixels, _FINER, pixels, _FINER).sum(axis=(1, 3))
    binned[_CORE, _CORE] += cusp
    return binned


def _draw_wide(
    shape: galsim.GSObject,
    component: LightComponent,
    seeing: Seeing,
    band: int,
    centre: tuple[float, float],
    frame: dict,
) -> np.ndarray:
    """A wide component sampled in real space instead of by FFT, shape (h, w)."""
    scale, height, width = frame["scale"], frame["ny"], frame["nx"]
    sampled = shape.drawImage(method="no_pixel", **frame).array[::-1].copy()
    row, column = round(centre[0]), round(centre[1])
    if _CORE <= row < height - _CORE and _CORE <= column < width - _CORE:
        shift = (centre[0] - row, centre[1] - column)
        box = slice(row - _CORE, row + _CORE + 1), slice(column - _CORE, column + _CORE + 1)
        sampled[box] = _core(shape, component, band, shift, scale)
    # A square pixel adds 1/12 px² to the variance.
    sigmas = np.sqrt((PSF_SIGMAS * seeing.fwhm[band] / scale) ** 2 + 1 / 12)
    return sum(
        share * gaussian_filter(sampled, sigma, mode="nearest")
        for sigma, share in zip(sigmas, PSF_SHARES, strict=True)
    )

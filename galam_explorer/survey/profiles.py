"""Light components drawn through the PSF onto pixels with GalSim."""

from __future__ import annotations

from collections.abc import Sequence

import galsim
import numpy as np

from galam_explorer.survey.camera import NATIVE_SCALE, Seeing, flux_of
from galam_explorer.survey.model import LightComponent

__all__ = ["PROFILE_PARAMS", "draw_components", "profile"]

PROFILE_PARAMS = galsim.GSParams(
    folding_threshold=0.01, maxk_threshold=0.005, maximum_fft_size=8192
)
"""GalSim's accuracy: half of its default, 1 % of the light may alias in the FFT."""
# Galaxies are bluer further out: half-light radii in g and i relative to r
# (a few per cent: Vulcani et al. 2014 find 5-10 % from g to i).
_SIZE_RATIO = {"bulge": (1.03, 1.0, 0.98), "disc": (1.05, 1.0, 0.97)}
_INDEX_STEP = 0.5


def profile(component: LightComponent, band: int) -> galsim.GSObject:
    """Unit-flux profile of a component in one band, before the PSF.

    The Sérsic index is rounded to halves: GalSim tabulates each index once,
    which takes longer than drawing a galaxy.
    """
    ratio = _SIZE_RATIO["disc" if component.name == "disc" else "bulge"][band]
    # A shear keeps the area, so the circular radius is the geometric mean.
    radius = component.half_light_radius * ratio * component.axis_ratio**0.5
    n = float(np.clip(round(component.sersic_n / _INDEX_STEP) * _INDEX_STEP, 0.5, 6.0))
    if n == 1.0:
        shape = galsim.Exponential(half_light_radius=radius, gsparams=PROFILE_PARAMS)
    else:
        shape = galsim.Sersic(n, half_light_radius=radius, gsparams=PROFILE_PARAMS)
    # GalSim's x grows to the right, which is west.
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
    for band, plane in zip(bands, planes, strict=True):
        # One sum, one convolution: half the FFTs of drawing one after the other.
        light = galsim.Sum(
            [
                profile(component, band) * float(flux_of(component.mags[band]) * share[band])
                for component, share in zip(components, shares, strict=True)
            ]
        )
        seen = galsim.Convolve(light, seeing.psf(band), gsparams=PROFILE_PARAMS)
        image = seen.drawImage(nx=width, ny=height, scale=scale, offset=offset, dtype=float)
        plane += image.array[::-1]

"""SDSS-like gri cutouts of simulated galaxies, with the truth about what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from galam_explorer.errors import GalamError
from galam_explorer.survey.simulation.arms import add_blobs, disc_blobs
from galam_explorer.survey.simulation.blending import add_neighbours
from galam_explorer.survey.simulation.camera import (
    NATIVE_SCALE,
    ZERO_POINT,
    Seeing,
    draw_seeing,
    flux_of,
    frame_noise,
)
from galam_explorer.survey.simulation.colour import (
    encode_jpeg,
    frame_to_rgb,
    resample_plane,
    store_and_resample,
)
from galam_explorer.survey.simulation.model import LightComponent
from galam_explorer.survey.simulation.neighbours import (
    Neighbour,
    companion,
    draw_neighbours,
)
from galam_explorer.survey.simulation.photometry import Measured, measure_target
from galam_explorer.survey.simulation.profiles import draw_components

__all__ = ["Rendered", "TruthPlanes", "render_cutout"]

_MARGIN = 6
"""Native pixels around the field, so that resampling never meets an edge."""
_LARGEST_FRAME = 4096
# Galaxies live in groups: how often members show around one, and how many in a
# field 70 arcsec wide.
_GROUP_PROBABILITY, _GROUP_MEMBERS = 0.5, 5.0


@dataclass(frozen=True, eq=False)
class TruthPlanes:
    """Noiseless r-band images on the cutout's pixels, nMgy per arcsec².

    Parameters
    ----------
    target, neighbours : ndarray, shape (size, size), float32
        The galaxy alone, and everything else alone.
    """

    target: np.ndarray
    neighbours: np.ndarray


@dataclass(frozen=True, eq=False)
class Rendered:
    """A simulated cutout and what is known about it.

    Parameters
    ----------
    jpeg : bytes
        The encoded image.
    scale : float
        Arcsec per pixel.
    petro_mag_r, petro_r90_r : float
        As SDSS would measure them without noise (AB, arcsec).
    truth : dict of str to float
        ``true_blended`` (1 if another source really overlaps the target, else
        0), ``true_neighbours`` (sources above the detection limit in the
        field), ``true_contamination`` (other sources' share of the r light
        inside the target's isophote), ``true_isophote_a``, ``_b`` (semi-axes
        at 25 r mag/arcsec², arcsec), ``_theta`` (degrees east of north),
        ``true_fwhm_r`` (arcsec). The target's centre is the image's:
        ``(size - 1) / 2`` px.
    planes : TruthPlanes, optional
    """

    jpeg: bytes
    scale: float
    petro_mag_r: float
    petro_r90_r: float
    truth: dict[str, float]
    planes: TruthPlanes | None = None


@dataclass(frozen=True)
class _Frame:
    """Native pixels that hold the field, and where the target lies in them."""

    shape: tuple[int, int]
    centre: tuple[float, float]
    width: float

    @property
    def half_width(self) -> float:
        return max(self.shape) / 2 * NATIVE_SCALE


def _check_components(components: Sequence[LightComponent]) -> None:
    """Raise `GalamError` on components that cannot be drawn."""
    if not components:
        raise GalamError("a galaxy needs at least one light component", "components")
    for part in components:
        numbers = (*part.mags, part.half_light_radius, part.sersic_n, part.position_angle)
        if not np.all(np.isfinite(numbers)):
            raise GalamError("magnitudes, radius, index and angle must be finite", part.name)
        if part.half_light_radius <= 0 or not 0 < part.axis_ratio <= 1:
            raise GalamError("needs half_light_radius > 0 and 0 < axis_ratio <= 1", part.name)
        if not 0 <= part.young_fraction <= 1 or not 0.3 <= part.sersic_n <= 8:
            raise GalamError("needs 0 <= young_fraction <= 1, 0.3 <= sersic_n <= 8", part.name)


def _check_options(z: float, size: int, scale: float, probability: float, density: float) -> None:
    """Raise `GalamError` on options that no cutout can be drawn with."""
    if not (np.isfinite(z) and 0 < z < 2):
        raise GalamError(f"must lie between 0 and 2, not {z!r}", "z")
    if not isinstance(size, int | np.integer) or not 8 <= size <= 2048:
        raise GalamError(f"must be a whole number from 8 to 2048, not {size!r}", "size")
    if not (np.isfinite(scale) and 0 < scale <= _LARGEST_FRAME * NATIVE_SCALE / size):
        widest = _LARGEST_FRAME * NATIVE_SCALE
        raise GalamError(
            f"{scale!r} arcsec per pixel cannot be drawn for {size} pixels",
            "scale",
            f"choose a scale above 0 with scale x size up to {widest:.0f} arcsec",
        )
    if not 0 <= probability <= 1:
        raise GalamError(f"must lie between 0 and 1, not {probability!r}", "blend_probability")
    if not 0 <= density <= 100:
        raise GalamError(f"must lie between 0 and 100, not {density!r}", "neighbour_density")


def _frame(size: int, scale: float, rng: np.random.Generator) -> _Frame:
    """A frame around the field; the target's place within a pixel is random."""
    width = size * scale / NATIVE_SCALE
    side = int(np.ceil(width)) + 2 * _MARGIN
    row, column = (side - 1) / 2 + rng.uniform(-0.5, 0.5, 2)
    return _Frame((side, side), (float(row), float(column)), width)


def _arcsec_per_kpc(z: float) -> float:
    """Apparent size of 1 kpc; second-order expansion in z for H0 = 70, q0 = -0.55."""
    distance = 299_792.458 / 70.0 * z * (1 - 0.225 * z) / (1 + z) ** 2
    return 206.265 / distance


def _draw_target(
    components: Sequence[LightComponent],
    z: float,
    frame: _Frame,
    seeing: Seeing,
    rng: np.random.Generator,
) -> np.ndarray:
    """Noiseless g, r, i planes of the target, shape (3, h, w)."""
    planes = np.zeros((3, *frame.shape))
    shares = []
    for part in components:
        share = np.zeros(3)
        if part.young_fraction > 0:
            blobs, share = disc_blobs(part, rng, _arcsec_per_kpc(z))
            add_blobs(planes, blobs, seeing, frame.centre)
        shares.append(1.0 - share)
    draw_components(planes, components, shares, seeing, frame.centre)
    return planes


def _neighbours(
    components: Sequence[LightComponent],
    measured: Measured,
    frame: _Frame,
    blend_probability: float,
    density: float,
    rng: np.random.Generator,
) -> list[Neighbour]:
    """The field's sources, and perhaps a companion close to the target."""
    others = draw_neighbours(frame.half_width, density, rng)
    mags = ZERO_POINT - 2.5 * np.log10(sum(flux_of(part.mags) for part in components))
    edge = max(2.5, measured.isophote_a)
    if rng.random() < blend_probability:
        reach = (max(1.2, 0.35 * measured.isophote_b), edge)
        fainter = rng.triangular(-0.3, 1.2, 3.8)
        others.append(companion(mags, measured.petro_r50_r, reach, fainter, rng))
    if rng.random() < _GROUP_PROBABILITY * min(density, 1.0):
        # Members thin out as 1/r, the projected density of a group.
        for _ in range(rng.poisson(_GROUP_MEMBERS * frame.half_width / 35.0)):
            reach = (1.2 * edge, max(1.3 * edge, 1.2 * frame.half_width))
            fainter = rng.triangular(0.5, 4.5, 5.0)
            others.append(companion(mags, measured.petro_r50_r, reach, fainter, rng))
    return others


def render_cutout(
    components: Sequence[LightComponent],
    rng: np.random.Generator,
    *,
    z: float,
    size: int = 128,
    scale: float = NATIVE_SCALE,
    blend_probability: float = 0.12,
    neighbour_density: float = 1.0,
    with_planes: bool = False,
) -> Rendered:
    """Draw one galaxy as SDSS's ImgCutout would show it.

    Target and neighbours are drawn with GalSim on native pixels through the
    PSF of each band, noise is added, the frame becomes a Lupton RGB JPEG, and
    the cutout is resampled from that (north up, east left, the target in the
    centre).

    Parameters
    ----------
    components : sequence of LightComponent
        The target, concentric.
    rng : Generator
        All randomness comes from it; the same state gives the same bytes.
    z : float
        Redshift: sets how large star-forming knots appear.
    size : int
        Width and height, px.
    scale : float
        Arcsec per pixel.
    blend_probability : float
        Probability of a companion put close to the target, on top of chance
        overlaps with the field's sources.
    neighbour_density : float
        Factor on the field's number counts, from 0 on; 0 leaves the target
        alone with its possible companion.
    with_planes : bool
        Also return the noiseless r planes (they change nothing else).

    Returns
    -------
    Rendered

    Raises
    ------
    GalamError
        On components or options that no cutout can be drawn from.
    """
    _check_components(components)
    _check_options(z, size, scale, blend_probability, neighbour_density)
    frame = _frame(size, scale, rng)
    seeing = draw_seeing(rng)
    measured = measure_target(components, seeing)
    target = _draw_target(components, z, frame, seeing, rng)
    others = _neighbours(components, measured, frame, blend_probability, neighbour_density, rng)
    planes, truth = add_neighbours(others, target, frame.centre, seeing)
    light = target + planes
    rgb = frame_to_rgb(light + frame_noise(light, seeing, rng))
    cutout = store_and_resample(rgb, frame.centre, frame.width, size)
    truth |= {
        "true_isophote_a": measured.isophote_a,
        "true_isophote_b": measured.isophote_b,
        "true_isophote_theta": measured.isophote_theta,
        "true_fwhm_r": seeing.fwhm[1],
    }
    kept = None
    if with_planes:
        area = NATIVE_SCALE**2
        kept = TruthPlanes(
            *(
                resample_plane(plane[1] / area, frame.centre, frame.width, size)
                for plane in (target, planes)
            )
        )
    return Rendered(
        encode_jpeg(cutout), scale, measured.petro_mag_r, measured.petro_r90_r, truth, kept
    )

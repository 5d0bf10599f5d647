"""Photometry measured on cutouts: magnitudes, colours, sizes (the baseline's input).

A colour JPEG is not linear. Each pixel went through Lupton et al. (2004)'s
mapping, ``x * f(I) / I`` with ``I`` the mean of the three bands and ``f`` an
asinh; away from black and from saturation it is inverted exactly, up to the 8
bits and the JPEG's losses. The constants are those that the simulation fitted
to real ImgCutout answers, so zero points mean something there only; trees do
not care about zero points.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from galam_explorer.config import PreprocessConfig
from galam_explorer.preprocess import prepare_cutout
from galam_explorer.preprocess.sample import resolve
from galam_explorer.records import CutoutStages, Galaxy
from galam_explorer.survey.atomic import atomic_path
from galam_explorer.survey.images import decode_cutout
from galam_explorer.survey.simulation.camera import NATIVE_SCALE, ZERO_POINT
from galam_explorer.survey.simulation.colour import BAND_SCALES, BLACK, SOFTENING, STRETCH
from galam_explorer.survey.store import Survey

__all__ = ["PHOTOMETRY", "linear_planes", "measure_survey", "photometry", "photometry_path"]

FIBRE_RADIUS = 1.5
"""Of SDSS's spectrograph, arcsec: the labels belong to this aperture."""

PHOTOMETRY = {
    "mag_g": ("mag", "magnitude of the light inside the mask, g"),
    "mag_r": ("mag", "magnitude of the light inside the mask, r"),
    "mag_i": ("mag", "magnitude of the light inside the mask, i"),
    "g_r": ("mag", "colour of the light inside the mask"),
    "r_i": ("mag", "colour of the light inside the mask"),
    "g_r_fibre": ("mag", "colour within 1.5 arcsec of the centre"),
    "r_i_fibre": ("mag", "colour within 1.5 arcsec of the centre"),
    "g_r_outer": ("mag", "colour outside the half-light radius"),
    "r_i_outer": ("mag", "colour outside the half-light radius"),
    "mag_r_fibre": ("mag", "magnitude within 1.5 arcsec of the centre, r"),
    "r50": ("arcsec", "radius of half the light inside the mask, r"),
    "concentration": ("", "radius of 90 % of the light over that of 50 %, r"),
    "surface_brightness": ("mag/arcsec2", "mean within r50, r"),
    "mask_axis": ("arcsec", "geometric mean of the mask's full axes, before the crop"),
    "axis_ratio": ("", "minor over major axis of the mask"),
}
"""Unit and definition of what `photometry` measures."""

_SLOPE = 0.1 / np.arcsinh(0.1 * SOFTENING)
_ALGORITHM = 1  # Raised when the same configuration gives other numbers.


def linear_planes(image: np.ndarray) -> np.ndarray:
    """Undo the colour mapping.

    Parameters
    ----------
    image : ndarray, uint8 (h, w, 3)
        R, G, B hold i, r, g.

    Returns
    -------
    ndarray, float64 (3, h, w)
        g, r, i in nMgy a native pixel of 0.396 arcsec; what was below black is
        lost, and saturated pixels are too faint with the right colour.
    """
    mapped = image.astype(float) / 255.0
    mean = mapped.mean(axis=2)
    intensity = np.sinh(mean / _SLOPE) * STRETCH / SOFTENING
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(mean > 0, intensity / mean, 0.0)
    planes = np.moveaxis(mapped * ratio[..., None], 2, 0)[::-1] + BLACK
    return planes / BAND_SCALES[:, None, None]


def _magnitude(flux: float) -> float:
    return float(ZERO_POINT - 2.5 * np.log10(flux)) if flux > 0 else float("nan")


def _radius(sorted_radius: np.ndarray, growth: np.ndarray, share: float) -> float:
    """Radius that holds a share of the light; pixels have a size, so it never is 0."""
    index = int(np.searchsorted(growth, share * growth[-1]))
    return float(np.hypot(sorted_radius[min(index, len(growth) - 1)], 0.5))


def photometry(stages: CutoutStages, scale: float = float("nan")) -> dict[str, float]:
    """Measure one galaxy inside the mask that the preprocessing found.

    Parameters
    ----------
    stages : CutoutStages
    scale : float
        Arcsec per pixel of ``stages.original``; where unknown (NaN), 0.396 is
        taken for the aperture, and sizes and magnitudes are NaN.

    Returns
    -------
    dict
        Keys of `PHOTOMETRY`; all NaN without a mask.
    """
    if stages.mask is None or stages.original is None or not stages.mask.any():
        return dict.fromkeys(PHOTOMETRY, float("nan"))
    planes = linear_planes(stages.original)
    planes -= _sky(planes, stages.mask)
    planes *= (scale / NATIVE_SCALE) ** 2 if np.isfinite(scale) else 1.0
    rows, columns = np.indices(stages.mask.shape)
    light = np.where(stages.mask, np.maximum(planes[1], 0.0), 0.0)
    centre = _centre(light, stages.mask, rows, columns)
    radius = np.hypot(rows - centre[0], columns - centre[1])
    aperture = FIBRE_RADIUS / (scale if np.isfinite(scale) else NATIVE_SCALE)
    inside = np.argsort(radius[stages.mask])
    growth = np.maximum(np.cumsum(planes[1][stages.mask][inside]), 1e-12)
    r50, r90 = (_radius(radius[stages.mask][inside], growth, share) for share in (0.5, 0.9))
    total, fibre, outer = (
        _magnitudes(planes, where)
        for where in (stages.mask, radius <= aperture, stages.mask & (radius > r50))
    )
    known = scale if np.isfinite(scale) else float("nan")
    axes = (stages.ellipse.width, stages.ellipse.height)
    return {
        "mag_g": total[0] + 0 * known,
        "mag_r": total[1] + 0 * known,
        "mag_i": total[2] + 0 * known,
        "g_r": total[0] - total[1],
        "r_i": total[1] - total[2],
        "g_r_fibre": fibre[0] - fibre[1],
        "r_i_fibre": fibre[1] - fibre[2],
        "g_r_outer": outer[0] - outer[1],
        "r_i_outer": outer[1] - outer[2],
        "mag_r_fibre": fibre[1] + 0 * known,
        "r50": r50 * known,
        "concentration": r90 / r50,
        "surface_brightness": total[1] + 2.5 * float(np.log10(2 * np.pi * (r50 * known) ** 2)),
        "mask_axis": float(np.sqrt(axes[0] * axes[1])) * known,
        "axis_ratio": min(axes) / max(axes),
    }


def _sky(planes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Median outside the mask (of everything if the mask fills the image), (3, 1, 1)."""
    outside = ~mask if (~mask).sum() > 50 else np.ones_like(mask)
    return np.median(planes[:, outside], axis=1)[:, None, None]


def _centre(
    light: np.ndarray, mask: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[float, float]:
    """Centre of the bright light; of the mask if there is no light."""
    bright = np.where(light > 0.5 * light.max(), light, 0.0) if light.max() > 0 else mask
    total = bright.sum()
    return float((rows * bright).sum() / total), float((columns * bright).sum() / total)


def _magnitudes(planes: np.ndarray, where: np.ndarray) -> list[float]:
    return [_magnitude(float(plane[where].sum())) for plane in planes]


def measure_galaxy(galaxy: Galaxy, config: PreprocessConfig) -> dict[str, float]:
    """Photometry of one galaxy; all NaN where it has no usable cutout."""
    stages = prepare_cutout(galaxy.cutout, config, galaxy.id)
    if stages.original is None:
        return dict.fromkeys(PHOTOMETRY, float("nan"))
    side = min(decode_cutout(galaxy.cutout, galaxy.id).shape[:2])
    return photometry(stages, galaxy.cutout.scale * side / stages.original.shape[0])


def photometry_path(survey: Survey, config: PreprocessConfig | str = "robust") -> Path:
    """Where the measurements of a survey are kept."""
    name = f"{resolve(config).hash}-{survey.fingerprint}-v{_ALGORITHM}.parquet"
    return survey.cache_dir / "photometry" / name


def measure_survey(
    survey: Survey,
    config: PreprocessConfig | str = "robust",
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Photometry of every galaxy, kept in the survey's cache.

    Parameters
    ----------
    survey : Survey
    config : PreprocessConfig or str
        Whose masks are used.
    progress : callable, optional
        Called as ``progress(done, total)``.

    Returns
    -------
    DataFrame
        ``id`` and `PHOTOMETRY`, one row a galaxy in catalogue order.
    """
    config = resolve(config)
    path = photometry_path(survey, config)
    columns = ["id", *PHOTOMETRY]
    if path.is_file():
        try:
            kept = pd.read_parquet(path)
        except (OSError, ValueError):  # damaged: measured again
            kept = pd.DataFrame()
        if list(kept.columns) == columns and kept["id"].tolist() == survey.ids:
            return kept
    report = progress or (lambda done, total: None)
    rows = []
    for galaxy in survey:
        rows.append({"id": galaxy.id, **measure_galaxy(galaxy, config)})
        if len(rows) % 32 == 0:
            report(len(rows), len(survey))
    table = pd.DataFrame(rows, columns=columns)
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
    report(len(rows), len(survey))
    return table

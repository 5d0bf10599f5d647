"""Libraries of single-age, single-metallicity spectra that galaxies are fitted with.

All of them come out alike: vacuum wavelengths, every template of mean 1 in the
band that light weights refer to, and the resolution per pixel.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import platformdirs
from astropy.io import fits

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.ssp import air_to_vacuum, load_ssp_grid

__all__ = ["DOWNLOADABLE", "TemplateLibrary", "load_templates", "templates_folder"]

DOWNLOADABLE = ("emiles", "fsps", "galaxev", "xsl")
"""Names that ``galam templates get`` knows."""
EMBEDDED_AGES = (0.0631, 0.126, 0.251, 0.501, 1.0, 2.0, 3.98, 7.94, 14.0)
"""Gyr; the paper's nine ages, of which the oldest (15.8) is beyond the grid's end."""
EMBEDDED_METALS = (-1.71, -0.71, 0.0, 0.22)
MILES_FWHM = 2.51
_FITS_NAME = re.compile(
    r"Z(?P<sign>[mp])(?P<metal>\d+\.\d+)T(?P<age>\d+\.\d+).*?(?:FWHM_(?P<fwhm>[\d.]+\d))?(?:\.fits?)$"
)


@dataclass(frozen=True, eq=False)
class TemplateLibrary:
    """Templates on a full grid of ages and metallicities; arrays are read-only.

    Parameters
    ----------
    name : str
    wavelength : ndarray, shape (n_wave,)
        Vacuum Å.
    flux : ndarray, shape (n_wave, n_age, n_metal)
        Per Å, each with mean 1 over the band of the configuration.
    fwhm : ndarray, shape (n_wave,)
        Spectral resolution, Å.
    age_gyr : ndarray, shape (n_age,)
    m_h : ndarray, shape (n_metal,)
        [M/H], dex.
    digest : str
        Twelve hex digits of the values.
    """

    name: str
    wavelength: np.ndarray
    flux: np.ndarray
    fwhm: np.ndarray
    age_gyr: np.ndarray
    m_h: np.ndarray
    digest: str

    @property
    def shape(self) -> tuple[int, int]:
        """(n_age, n_metal)."""
        return self.flux.shape[1:]

    @property
    def grid(self) -> np.ndarray:
        """``log_age`` (yr) and ``m_h`` of every template, shape (n_age · n_metal, 2)."""
        log_age, m_h = np.meshgrid(np.log10(self.age_gyr) + 9, self.m_h, indexing="ij")
        return np.column_stack([log_age.ravel(), m_h.ravel()])

    def mean_labels(self, weights: np.ndarray) -> np.ndarray:
        """Weighted mean ``log_age`` and ``m_h``, shape (..., 2), of weights (..., n_templates).

        NaN where all weights are 0.
        """
        total = weights.sum(-1, keepdims=True)
        return weights @ self.grid / np.where(total > 0, total, np.nan)


def templates_folder() -> Path:
    """Where downloaded templates are kept."""
    return Path(platformdirs.user_data_dir("galam_explorer")) / "templates"


def load_templates(config: LabelConfig) -> TemplateLibrary:
    """The library that a configuration names, cut to what its fits need.

    Raises
    ------
    GalamError
        If there is no such file or folder, an age or metallicity is missing,
        the files have different grids, or the band is not covered.
    """
    return _load(
        config.templates, config.wave_min, config.wave_max, config.band_min, config.band_max
    )


@lru_cache(maxsize=4)
def _load(name: str, low: float, high: float, band_min: float, band_max: float) -> TemplateLibrary:
    if name in ("embedded", "embedded-full"):
        raw = _embedded(full=name == "embedded-full")
    else:
        path = Path(name).expanduser()
        if name in DOWNLOADABLE and not path.exists():
            path = templates_folder() / f"spectra_{name}.npz"
            if not path.is_file():
                raise GalamError(
                    "these templates are not on this machine",
                    name,
                    f"run galam templates get {name}",
                )
        raw = _from_folder(path) if path.is_dir() else _from_npz(path)
    wavelength, flux, fwhm, ages, metals = raw
    config = LabelConfig(band_min=band_min, band_max=band_max)
    config.check_band(wavelength[0], wavelength[-1], name)
    band = (wavelength >= band_min) & (wavelength <= band_max)
    flux = flux / flux[band].mean(0)
    # Some 6000 km/s of margin: fitting velocities, and smoothing up to 1000 km/s.
    keep = (wavelength > low * 0.98) & (wavelength < high * 1.02)
    arrays = {"wavelength": wavelength[keep], "flux": flux[keep], "fwhm": fwhm[keep]}
    arrays |= {"age_gyr": ages, "m_h": metals}
    digest = hashlib.sha256()
    for array in arrays.values():
        array.setflags(write=False)
        digest.update(np.ascontiguousarray(array).tobytes())
    return TemplateLibrary(name=name, digest=digest.hexdigest()[:12], **arrays)


def _embedded(full: bool) -> tuple[np.ndarray, ...]:
    grid = load_ssp_grid()
    low, high = grid.high_resolution_range
    # FWHM outside: measured, see PROVENANCE.md beside the grid.
    inside = (grid.wavelength_air >= low) & (grid.wavelength_air <= high)
    fwhm = np.where(inside, MILES_FWHM, 4.5)
    ages = np.arange(len(grid.age_gyr))
    metals = np.arange(len(grid.m_h))
    if not full:
        ages = np.array([np.argmin(abs(np.log(grid.age_gyr / age))) for age in EMBEDDED_AGES])
        metals = np.array([np.argmin(abs(grid.m_h - metal)) for metal in EMBEDDED_METALS])
    flux = grid.flux[np.ix_(ages, metals)].astype(float)
    return (
        grid.wavelength.copy(),
        np.moveaxis(flux, -1, 0),
        fwhm,
        grid.age_gyr[ages].astype(float),
        grid.m_h[metals].astype(float),
    )


def _from_npz(path: Path) -> tuple[np.ndarray, ...]:
    """pPXF's layout: templates (n_wave, n_age, n_metal), ages, metals, lam (air), fwhm."""
    needed = ("templates", "ages", "metals", "lam", "fwhm")
    remedy = "give an npz file in pPXF's layout, a folder of MILES FITS files, or a name"
    try:
        with np.load(path) as file:
            if missing := [name for name in needed if name not in file]:
                raise GalamError(f"no array {missing[0]!r}", path, remedy)
            flux, ages, metals, lam, fwhm = (np.asarray(file[name], float) for name in needed)
    except FileNotFoundError as error:
        raise GalamError("there are no such templates", path, remedy) from error
    except (OSError, ValueError, TypeError, zipfile.BadZipFile, AttributeError) as error:
        raise GalamError(f"not an npz file of templates ({error})", path, remedy) from error
    fwhm = np.broadcast_to(fwhm, lam.shape).copy()
    if flux.shape != (len(lam), len(ages), len(metals)):
        raise GalamError("the arrays' shapes do not fit together", path, remedy)
    if not np.isfinite(flux).all() or (ages <= 0).any() or (np.diff(lam) <= 0).any():
        raise GalamError("the arrays hold values that cannot be", path, remedy)
    return air_to_vacuum(lam), flux, fwhm, ages, metals


def _from_folder(folder: Path) -> tuple[np.ndarray, ...]:
    """MILES or E-MILES FITS files, named as their web tool names them."""
    files, known = {}, sorted([*folder.glob("*.fits"), *folder.glob("*.fit")])
    for path in known:
        match = _FITS_NAME.search(path.name)
        if match is None:
            continue
        metal = float(match["metal"]) * (-1 if match["sign"] == "m" else 1)
        key = (float(match["age"]), metal)
        if key in files:
            raise GalamError(
                f"two files for age {key[0]} Gyr and [M/H] {key[1]}",
                folder,
                "keep one initial mass function and one grid in a folder",
            )
        files[key] = path, float(match["fwhm"] or MILES_FWHM)
    if not files:
        raise GalamError("no template FITS files here (names with Zp0.00T01.0000)", folder)
    ages, metals = (np.array(sorted({key[axis] for key in files})) for axis in (0, 1))
    for metal in metals:
        for age in ages:
            if (age, metal) not in files:
                raise GalamError(
                    f"no template for age {age} Gyr and [M/H] {metal}",
                    folder,
                    "the grid must be full: every age at every metallicity",
                )
    spectra, grid, fwhm = [], None, None
    for (_, _), (path, width) in sorted(files.items()):
        lam, flux = _read_fits(path)
        if grid is None:
            grid, fwhm = lam, width
        elif lam.shape != grid.shape or not np.allclose(lam, grid, rtol=1e-7) or width != fwhm:
            raise GalamError("another wavelength grid or resolution than the first file's", path)
        spectra.append(flux)
    cube = np.array(spectra).reshape(len(ages), len(metals), -1)
    return air_to_vacuum(grid), np.moveaxis(cube, -1, 0), np.full(len(grid), fwhm), ages, metals


def _read_fits(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Air wavelengths and flux of a one-dimensional FITS image on a linear grid."""
    try:
        with fits.open(path, memmap=False) as hdus:
            header, flux = hdus[0].header, np.asarray(hdus[0].data, dtype=float)
            start, step = float(header["CRVAL1"]), float(header["CDELT1"])
            first = float(header.get("CRPIX1", 1))
    except (OSError, ValueError, TypeError, KeyError, fits.VerifyError) as error:
        raise GalamError(f"not a template spectrum ({error})", path) from error
    if flux.ndim != 1 or not np.isfinite(flux).all() or step <= 0:
        raise GalamError("not a one-dimensional spectrum of finite values", path)
    return start + step * (np.arange(len(flux)) + 1 - first), flux

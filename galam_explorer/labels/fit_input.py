"""What both engines fit: one spectrum in its rest frame, with its mask and resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ppxf.ppxf_util import determine_mask, vac_to_air

from galam_explorer.config import LabelConfig
from galam_explorer.labels.templates import TemplateLibrary
from galam_explorer.records import LOGLAM_STEP, Galaxy, StellarPopulation

__all__ = ["C_KMS", "PIXEL_KMS", "FitInput", "fit_input"]

C_KMS = 299792.458
PIXEL_KMS = C_KMS * np.log(10) * LOGLAM_STEP
"""Width of an SDSS pixel, km/s."""
MAX_REDSHIFT = 3.0
MIN_MATCHING = 0.01
VELOCITY_MARGIN = 2900.0
"""km/s that templates must reach beyond the galaxy: pPXF's ±2000 and 900 for the smoothing."""
FWHM_PER_SIGMA = np.sqrt(8 * np.log(2))


@dataclass(frozen=True, eq=False)
class FitInput:
    """The pixels of one spectrum within the fitted range.

    Parameters
    ----------
    id : str
    loglam0 : float
        log10 of the first rest-frame vacuum wavelength, Å; step 1e-4.
    flux : ndarray, shape (n,)
        In units of `scale`; 0 where not finite.
    error : ndarray, shape (n,)
        1 sigma, same units; 1 where the pixel is not used.
    good : ndarray, shape (n,), bool
        Pixels to fit.
    wdisp : ndarray, shape (n,)
        Instrumental dispersion (1 sigma), pixels.
    scale : float
        Median flux of the good pixels, 1e-17 erg/s/cm²/Å.
    """

    id: str
    loglam0: float
    flux: np.ndarray
    error: np.ndarray
    good: np.ndarray
    wdisp: np.ndarray
    scale: float

    def __len__(self) -> int:
        return len(self.flux)

    @property
    def wavelength(self) -> np.ndarray:
        """Rest-frame vacuum Å, shape (n,)."""
        return 10 ** (self.loglam0 + LOGLAM_STEP * np.arange(len(self)))


def fit_input(
    galaxy: Galaxy, config: LabelConfig, library: TemplateLibrary
) -> FitInput | StellarPopulation:
    """Cut, scale and mask a spectrum; a `StellarPopulation` with the reason if impossible."""
    spectrum, z = galaxy.spectrum, galaxy.z
    if spectrum is None:
        return StellarPopulation("no_spectrum", "The galaxy has no spectrum.")
    if not -0.02 < z < MAX_REDSHIFT:
        text = "The redshift is not known." if np.isnan(z) else f"The redshift {z:g} cannot be."
        return StellarPopulation("no_redshift", text)
    loglam = spectrum.loglam - np.log10(1 + z)
    margin = np.exp(VELOCITY_MARGIN / C_KMS)
    low = max(config.wave_min, library.wavelength[0] * margin)
    high = min(config.wave_max, library.wavelength[-1] / margin)
    inside = np.flatnonzero((loglam >= np.log10(low)) & (loglam <= np.log10(high)))
    if not len(inside):
        ends = 10 ** loglam[[0, -1]]
        return StellarPopulation(
            "no_overlap",
            f"Rest-frame {ends[0]:.0f}-{ends[1]:.0f} Å does not meet {low:.0f}-{high:.0f} Å.",
        )
    cut = slice(inside[0], inside[-1] + 1)
    good = spectrum.good[cut].copy()
    if config.emission == "mask":
        good &= _line_mask(loglam[cut], config.emission_width)
    if good.sum() < config.min_pixels:
        return StellarPopulation(
            "too_few_pixels", f"{good.sum()} good pixels, fewer than {config.min_pixels}."
        )
    flux = np.where(good, spectrum.flux[cut], 0).astype(float)
    scale = float(np.median(flux[good]))
    if not scale > 0:
        return StellarPopulation("no_signal", f"The median flux is {scale:.3g}, not positive.")
    flux = np.where(np.isfinite(spectrum.flux[cut]), spectrum.flux[cut], 0) / scale
    error = np.where(good, spectrum.error[cut] / scale, 1.0)
    wdisp = _clean_wdisp(spectrum.wdisp, len(spectrum), config.assumed_wdisp)[cut]
    return FitInput(galaxy.id, float(loglam[cut.start]), flux, error, good, wdisp, scale)


def _line_mask(loglam: np.ndarray, width: float) -> np.ndarray:
    # pPXF's line list is in air; the range keeps it from cutting the ends.
    ln_air = np.log(vac_to_air(10**loglam))
    return determine_mask(ln_air, np.array([100.0, 1e5]), width=width)


def _clean_wdisp(wdisp: np.ndarray | None, n: int, assumed: float) -> np.ndarray:
    """Dispersion in every pixel, interpolated over values that cannot be."""
    if wdisp is None:
        return np.full(n, assumed)
    usable = np.isfinite(wdisp) & (wdisp > 0.3) & (wdisp < 10)
    if not usable.any():
        return np.full(n, assumed)
    pixels = np.arange(n)
    return np.interp(pixels, pixels[usable], wdisp[usable].astype(float))


def template_sigma(library: TemplateLibrary, wavelength: np.ndarray) -> np.ndarray:
    """Resolution of the templates (1 sigma) at `wavelength`, pixels of 1e-4 dex."""
    fwhm = np.interp(wavelength, library.wavelength, library.fwhm)
    return fwhm / FWHM_PER_SIGMA / (wavelength * np.log(10) * LOGLAM_STEP)


def matching_variance(
    data: FitInput, config: LabelConfig, library: TemplateLibrary, wavelength: np.ndarray
) -> np.ndarray:
    """What to add to the templates' variance at rest-frame `wavelength`, pixels².

    At least `MIN_MATCHING`, which does not matter beside the templates' own (about 1);
    smaller values would make varying-width smoothing slow for nothing.
    """
    if not config.match_resolution:
        return np.zeros(len(wavelength))
    wdisp = np.interp(wavelength, data.wavelength, data.wdisp)
    return np.clip(wdisp**2 - template_sigma(library, wavelength) ** 2, MIN_MATCHING, None)

"""The reference: one spectrum at a time by pPXF (Cappellari 2017, 2023)."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy.fft
from ppxf import ppxf_util
from ppxf.ppxf import ppxf

from galam_explorer.config import LabelConfig
from galam_explorer.labels.fit_input import (
    FWHM_PER_SIGMA,
    PIXEL_KMS,
    FitInput,
    fit_input,
    matching_variance,
)
from galam_explorer.labels.noise import noise_draws, with_draws
from galam_explorer.labels.templates import TemplateLibrary, load_templates
from galam_explorer.records import LOGLAM_STEP, Galaxy, StellarPopulation

__all__ = ["fit_ppxf", "matched_templates"]

_FINER = 4
# What degenerate data make pPXF and the libraries under it raise.
_FAILURES = (AssertionError, ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError)


def matched_templates(
    data: FitInput, config: LabelConfig, library: TemplateLibrary
) -> tuple[np.ndarray, np.ndarray]:
    """Templates smoothed to the instrument's resolution, on a grid of SDSS's step.

    Returns
    -------
    templates : ndarray, shape (n_temp, n_age · n_metal)
    ln_wavelength : ndarray, shape (n_temp,)
        Natural logarithm of the vacuum wavelength, Å.
    """
    fine, ln_wavelength = _fine_templates(library)
    pixels = np.arange(len(ln_wavelength), dtype=float)
    if not config.match_resolution:
        return fine[::_FINER], ln_wavelength
    variance = matching_variance(data, config, library, np.exp(ln_wavelength))
    # varsmooth interpolates linearly, which at one point a pixel blurs lines by some
    # per cent; at four it does not matter.
    between = np.arange(len(fine)) / _FINER
    sigma = np.interp(between, pixels, np.sqrt(variance))
    return ppxf_util.varsmooth(between, fine, sigma, xout=pixels), ln_wavelength


@lru_cache(maxsize=2)
def _fine_templates(library: TemplateLibrary) -> tuple[np.ndarray, np.ndarray]:
    """Templates on the SDSS step, then four times finer by Fourier interpolation."""
    flux = library.flux.reshape(len(library.wavelength), -1)
    pixels, ln_wavelength, _ = ppxf_util.log_rebin(library.wavelength, flux, velscale=PIXEL_KMS)
    fine = resample_fourier(pixels, _FINER)
    fine.setflags(write=False)
    return fine, ln_wavelength


def resample_fourier(spectra: np.ndarray, factor: int) -> np.ndarray:
    """Spectra (n, nt) by Fourier interpolation: ((n - 1) · factor + 1, nt), ends reflected."""
    n = len(spectra)
    padded = np.zeros(((n - 1) * factor + 1, spectra.shape[1]))
    padded[:n] = scipy.fft.dct(spectra, type=1, axis=0)
    padded[n - 1] /= 2  # the highest frequency is no longer the last one
    return scipy.fft.idct(padded, type=1, axis=0) * factor


def fit_ppxf(
    galaxy: Galaxy,
    config: LabelConfig | None = None,
    library: TemplateLibrary | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> StellarPopulation:
    """Fit one galaxy by pPXF, and its noise draws if the configuration has any.

    Parameters
    ----------
    galaxy : Galaxy
        With a spectrum and a redshift.
    config : LabelConfig, optional
    library : TemplateLibrary, optional
        What `load_templates` gives for `config` by default.
    tell : callable, optional
        Called as ``tell(done, total)`` after each noise draw; what it raises ends the fit.

    Returns
    -------
    StellarPopulation
        Its `status` says whether the fit was possible.
    """
    config = config or LabelConfig(engine="ppxf")
    library = library or load_templates(config)
    data = fit_input(galaxy, config, library)
    if isinstance(data, StellarPopulation):
        return data
    try:
        templates = matched_templates(data, config, library)
        fit = _run(data, data.flux, templates, config)
        result = _result(fit, data, library)
    except _FAILURES as error:
        text = (str(error).splitlines() or [type(error).__name__])[0]
        return StellarPopulation("fit_failed", f"pPXF: {text}")
    if not config.draws:
        return result
    labels = []
    for noise in noise_draws(data, config):
        labels.append(_draw(data, data.flux + noise, templates, config, library))
        if tell is not None:
            tell(len(labels), config.draws)
    return with_draws(result, np.array(labels))


def _draw(
    data: FitInput,
    flux: np.ndarray,
    templates: tuple[np.ndarray, np.ndarray],
    config: LabelConfig,
    library: TemplateLibrary,
) -> np.ndarray:
    """Labels (2,) of one noise draw; NaN where it cannot be fitted."""
    try:
        return library.mean_labels(_star_weights(_run(data, flux, templates, config), library))
    except _FAILURES:
        return np.full(2, np.nan)


def _run(
    data: FitInput, flux: np.ndarray, templates: tuple[np.ndarray, np.ndarray], config: LabelConfig
) -> ppxf:
    spectra, ln_wavelength = templates
    start, extra = [0.0, config.sigma_start], {}
    if config.emission == "fit":
        gas, names = _gas_templates(data, ln_wavelength)
        component = [0] * spectra.shape[1] + [1] * gas.shape[1]
        spectra = np.column_stack([spectra, gas])
        extra = {
            "component": component,
            "gas_component": np.array(component) > 0,
            "gas_names": names,
            "moments": [2, 2],
        }
        start = [start, [0.0, 120.0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ppxf(
            spectra,
            flux,
            data.error,
            PIXEL_KMS,
            start,
            degree=config.degree,
            mdegree=config.mdegree,
            mask=data.good,
            lam=data.wavelength,
            lam_temp=np.exp(ln_wavelength),
            ftol=config.ftol,
            quiet=True,
            **({"moments": 2} | extra),
        )


def _gas_templates(data: FitInput, ln_wavelength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """pPXF's emission lines, Balmer decrement free, on the templates' vacuum grid."""
    fwhm = data.wdisp * FWHM_PER_SIGMA * data.wavelength * np.log(10) * LOGLAM_STEP
    shown = data.wavelength[[0, -1]]
    resolution = {"lam": data.wavelength, "fwhm": fwhm}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints their names
        gas, names, _ = ppxf_util.emission_lines(ln_wavelength, shown, resolution, vacuum=True)
    return gas, names


def _star_weights(fit: ppxf, library: TemplateLibrary) -> np.ndarray:
    weights = fit.weights[: library.grid.shape[0]]
    if not weights.sum() > 0:
        raise ValueError("all template weights are 0")
    return weights / weights.sum()


def _result(fit: ppxf, data: FitInput, library: TemplateLibrary) -> StellarPopulation:
    weights = _star_weights(fit, library)
    log_age, m_h = library.mean_labels(weights)
    velocity, sigma = np.atleast_2d(np.array(fit.sol, dtype=float))[0][:2]
    return StellarPopulation(
        status="ok",
        log_age=float(log_age),
        m_h=float(m_h),
        velocity=float(velocity),
        sigma=float(sigma),
        chi2=float(fit.chi2),
        n_pixels=int(data.good.sum()),
        weights=weights.reshape(library.shape),
        wavelength=data.wavelength,
        flux=data.flux,
        best_fit=fit.bestfit,
        good=data.good,
    )

"""Spectra to network inputs: resampling and min-max normalisation (paper Sect. 2.2.1)."""

from __future__ import annotations

import numpy as np

from galam_explorer.config import PreprocessConfig
from galam_explorer.records import PreparedSpectrum, Spectrum

__all__ = ["N_WAVELENGTHS", "WAVELENGTHS", "prepare_spectrum"]

WAVELENGTHS = np.arange(3830.0, 8001.0)
"""Observed vacuum wavelengths of the network's input, Å, shape (4171,)."""
N_WAVELENGTHS = len(WAVELENGTHS)

_ERROR_RATIO = 2.0
_ERROR_WINDOW = 201
_LINE_SIGMA = 8.0
_NOISE_SIGMA = 3.0
_LINE_SUPPORT = 0.3
_MIN_GOOD_SHARE = 0.5


def prepare_spectrum(
    spectrum: Spectrum | None, config: PreprocessConfig | str = "robust"
) -> PreparedSpectrum:
    """Resample a spectrum to 3830-8000 Å at 1 Å and normalise it to [0, 1].

    Linear interpolation, then ``(X - X_min) / (X_max - X_min)`` (paper
    Sect. 2.2.1, Eq. 1). With ``clean_spectrum``, pixels without information
    and sky residuals (error above twice its running median) are interpolated
    over first, and the bounds are those of continuum and lines: lone spikes and
    noise beyond them are clipped.

    Parameters
    ----------
    spectrum : Spectrum, optional
        Observed frame, vacuum; None gives ``no_spectrum``.
    config : PreprocessConfig or str
        Or the name of one, ``"paper"`` or ``"robust"``.

    Returns
    -------
    PreparedSpectrum
        With values float32 (4171,) when the status is ``ok``.

    Raises
    ------
    GalamError
        On an unknown configuration name.
    """
    if isinstance(config, str):
        config = PreprocessConfig.named(config)
    if spectrum is None:
        return PreparedSpectrum("no_spectrum", "the galaxy has no spectrum")
    refused = _refuse(spectrum)
    if refused is not None:
        return refused
    wavelength, flux = spectrum.wavelength, np.asarray(spectrum.flux, dtype=float)
    if not config.clean_spectrum:
        if not np.isfinite(flux).all():
            count = int((~np.isfinite(flux)).sum())
            return PreparedSpectrum("bad_spectrum", f"{count} flux values are not finite")
        values = np.interp(WAVELENGTHS, wavelength, flux)
        return _normalised(values, float(values.min()), float(values.max()))
    return _clean_and_normalise(spectrum, wavelength, flux)


def _clean_and_normalise(
    spectrum: Spectrum, wavelength: np.ndarray, flux: np.ndarray
) -> PreparedSpectrum:
    inside = (wavelength > WAVELENGTHS[0] - 2) & (wavelength < WAVELENGTHS[-1] + 2)
    usable = inside & spectrum.good
    if usable.sum() < _MIN_GOOD_SHARE * inside.sum():
        share = 100 * usable.sum() / inside.sum()
        return PreparedSpectrum("bad_spectrum", f"only {share:.0f} % of the pixels are good")
    wavelength, flux, error = wavelength[usable], flux[usable], spectrum.error[usable]
    usual, level = _running_median(error), _running_median(flux)
    line = np.abs(flux - level) > _LINE_SIGMA * error
    # The photons of an emission line raise its error too: those pixels stay.
    keep = (error < _ERROR_RATIO * usual) | line
    low, high = _bounds(flux[keep], usual[keep], line[keep])
    return _normalised(np.interp(WAVELENGTHS, wavelength[keep], flux[keep]), low, high)


def _refuse(spectrum: Spectrum) -> PreparedSpectrum | None:
    """The checks that both configurations share."""
    if len(spectrum) < 2 or not np.isfinite(spectrum.loglam0):
        return PreparedSpectrum("bad_spectrum", "there are fewer than two pixels")
    first, last = 10.0 ** spectrum.loglam[[0, -1]]
    if first > WAVELENGTHS[0] or last < WAVELENGTHS[-1]:
        return PreparedSpectrum(
            "spectrum_out_of_range",
            f"it covers {first:.0f}-{last:.0f} Å; 3830-8000 Å are needed",
        )
    if not (np.nan_to_num(spectrum.ivar, nan=0.0, posinf=0.0) > 0).any():
        return PreparedSpectrum("bad_spectrum", "no pixel has a positive ivar")
    return None


def _running_median(values: np.ndarray) -> np.ndarray:
    """Running median at every 32nd pixel, interpolated between: fast, and smooth enough."""
    half = _ERROR_WINDOW // 2
    padded = np.pad(values, half, mode="reflect" if len(values) > half else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _ERROR_WINDOW)[::32]
    pixels = np.arange(len(values))
    return np.interp(pixels, pixels[::32], np.median(windows, axis=1))


def _bounds(flux: np.ndarray, usual: np.ndarray, line: np.ndarray) -> tuple[float, float]:
    """Lowest and highest flux, where lone spikes and noise count as their surroundings.

    A line of the galaxy is at least as wide as the instrument's profile, so
    that a neighbour rises with its peak: such pixels count as they are. Any
    other pixel counts as at most 3 usual errors from the median of five.
    """
    shifted = np.lib.stride_tricks.sliding_window_view(np.pad(flux, 2, mode="edge"), 5)
    around = np.median(shifted, axis=1)
    excess = flux - around
    beside = np.where(
        excess > 0,
        np.maximum(shifted[:, 1], shifted[:, 3]) - around,
        around - np.minimum(shifted[:, 1], shifted[:, 3]),
    )
    kept = line & (beside >= _LINE_SUPPORT * np.abs(excess))
    limit = _NOISE_SIGMA * usual
    counted = np.where(kept, flux, np.clip(flux, around - limit, around + limit))
    return float(counted.min()), float(counted.max())


def _normalised(values: np.ndarray, low: float, high: float) -> PreparedSpectrum:
    if not high > low:
        return PreparedSpectrum("bad_spectrum", "the flux is the same everywhere")
    scaled = np.clip((values - low) / (high - low), 0.0, 1.0)
    return PreparedSpectrum("ok", "", scaled.astype(np.float32))

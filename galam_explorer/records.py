"""The plain data that pass from room to room.

Arrays are stored in the types given here; nothing in this file computes more
than a unit conversion. Wavelengths are vacuum Å, fluxes 1e-17 erg/s/cm²/Å.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "LOGLAM_STEP",
    "UNUSABLE_BITS",
    "Cutout",
    "CutoutStages",
    "Ellipse",
    "Galaxy",
    "Prediction",
    "PreparedSpectrum",
    "Spectrum",
    "StellarPopulation",
]

LOGLAM_STEP = 1e-4
"""Step of SDSS wavelength grids in log10(Å)."""

UNUSABLE_BITS = sum(1 << bit for bit in (17, 18, 22, 23, 24, 25, 26, 27))
"""SDSS mask bits that make a pixel unusable: LOWFLAT, FULLREJECT, NOSKY, BRIGHTSKY,
NODATA, COMBINEREJ, BADFLUXFACTOR, BADSKYCHI. Bits 0-11 describe a whole fibre
(MANYBADCOLUMNS marks half a spectrum) and NEARBADPIXEL only warns."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One observed spectrum on SDSS's logarithmic grid.

    Parameters
    ----------
    flux : ndarray, shape (n,), float32
        Flux density, 1e-17 erg/s/cm²/Å, observed frame.
    ivar : ndarray, shape (n,), float32
        Inverse variance of `flux`; 0 marks pixels without information. It is
        not an error: the error is ``ivar ** -0.5``.
    loglam0 : float
        log10 of the first vacuum wavelength in Å; the step is `LOGLAM_STEP`.
    and_mask : ndarray, shape (n,), int32, optional
        SDSS mask bits set in every exposure; `UNUSABLE_BITS` make a pixel unusable.
    wdisp : ndarray, shape (n,), float32, optional
        Instrumental dispersion (1 sigma) in pixels of 1e-4 dex.
    """

    flux: np.ndarray = field(repr=False)
    ivar: np.ndarray = field(repr=False)
    loglam0: float
    and_mask: np.ndarray | None = field(default=None, repr=False)
    wdisp: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.flux)

    @property
    def loglam(self) -> np.ndarray:
        """log10 of the vacuum wavelength in Å, shape (n,), float64."""
        return self.loglam0 + LOGLAM_STEP * np.arange(len(self.flux))

    @property
    def wavelength(self) -> np.ndarray:
        """Observed vacuum wavelength in Å, shape (n,), float64."""
        return 10.0**self.loglam

    @property
    def good(self) -> np.ndarray:
        """Pixels that carry information, shape (n,), bool."""
        good = np.isfinite(self.flux) & np.isfinite(self.ivar) & (self.ivar > 0)
        return good if self.and_mask is None else good & (self.and_mask & UNUSABLE_BITS == 0)

    @property
    def error(self) -> np.ndarray:
        """1 sigma error ``ivar ** -0.5``, shape (n,); NaN where ivar is not positive."""
        ivar = np.asarray(self.ivar, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(ivar > 0, ivar**-0.5, np.nan)


@dataclass(frozen=True, eq=False)
class Cutout:
    """One image of a galaxy, centred on it, as the encoded bytes that came.

    Parameters
    ----------
    encoded : bytes
        JPEG or PNG file contents (decode with
        `galam_explorer.survey.images.decode_cutout`).
    scale : float
        Arcsec per pixel; NaN where unknown.
    """

    encoded: bytes = field(repr=False)
    scale: float = float("nan")


@dataclass(frozen=True, eq=False)
class Galaxy:
    """One row of a survey with its arrays; either array may be missing.

    Parameters
    ----------
    id : str
        ``plate-mjd-fiber`` for SDSS spectra, ``sim-...`` for simulated
        galaxies, otherwise the name of the file it came from.
    origin : str
        ``"simulated"``, ``"sdss"`` or ``"local"``: what this very galaxy is.
    ra, dec : float
        J2000 degrees; NaN where unknown.
    z : float
        Redshift; NaN where unknown.
    z_warning : int
        SDSS zWarning; -1 where unknown.
    sn_r : float
        Median signal-to-noise per pixel in the r band.
    petro_mag_r, petro_r90_r : float
        Petrosian magnitude (AB) and 90 % light radius (arcsec) in r.
    spec_class : str
        SDSS class ("GALAXY", "QSO", ...); empty where unknown.
    spectrum : Spectrum, optional
    cutout : Cutout, optional
    truth : mapping of str to float
        What the simulation put in, keys ``true_log_age``, ``true_m_h``, ...;
        empty for real galaxies.
    """

    id: str
    origin: str
    ra: float = float("nan")
    dec: float = float("nan")
    z: float = float("nan")
    z_warning: int = -1
    sn_r: float = float("nan")
    petro_mag_r: float = float("nan")
    petro_r90_r: float = float("nan")
    spec_class: str = ""
    spectrum: Spectrum | None = None
    cutout: Cutout | None = None
    truth: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparedSpectrum:
    """A spectrum ready for M1, or why there is none.

    Parameters
    ----------
    status : str
        ``ok``, ``no_spectrum``, ``bad_spectrum`` or ``spectrum_out_of_range``.
    reason : str
        One sentence; empty when ``ok``.
    values : ndarray, shape (4171,), float32, optional
        3830-8000 Å observed frame at 1 Å, normalised to [0, 1] (paper
        Sect. 2.2.1, Eq. 1). Present exactly when the status is ``ok``.
    """

    status: str
    reason: str = ""
    values: np.ndarray | None = None


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in pixel coordinates (x right, y down, pixel centres integer).

    Parameters
    ----------
    x, y : float
        Centre, px.
    width, height : float
        Full axes, px, as OpenCV's ``fitEllipse`` returns them.
    angle : float
        Rotation in degrees, OpenCV's convention.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float

    @property
    def cv(self) -> tuple:
        """The nested tuple that OpenCV's drawing functions take."""
        return (self.x, self.y), (self.width, self.height), self.angle


@dataclass(frozen=True)
class CutoutStages:
    """Every step from a cutout to the network's input, as far as it got.

    Stages that were not reached are None, so that the reason of a rejection can
    be shown (paper Sect. 2.2.2 and Fig. 3). Images are (height, width) or
    (height, width, 3) at the working size.

    Parameters
    ----------
    status : str
        ``ok``, ``no_cutout``, ``bad_cutout``, ``no_ellipse``,
        ``empty_foreground``, ``no_source`` or ``blended``.
    reason : str
        One sentence that says what was found; empty when ``ok``.
    original : ndarray, uint8 (h, w, 3), optional
    grey : ndarray, uint8 (h, w), optional
    thresholds : tuple of float
        The iterated grey-level thresholds, the first guess first.
    binary : ndarray, bool (h, w), optional
        Pixels above the last threshold.
    edges : ndarray, bool (h, w), optional
        Canny edges of `binary`.
    ellipses : tuple of Ellipse
        One fit per contour of at least five points, before scaling.
    ellipse : Ellipse, optional
        The chosen one, axes already scaled.
    mask : ndarray, bool (h, w), optional
        True inside `ellipse`.
    masked : ndarray, uint8 (h, w, 3), optional
    detection : ndarray, float32 (h, w), optional
        Background-subtracted, smoothed image that sources are detected on.
    detection_threshold : ndarray, float32 (h, w), optional
    segmentation : ndarray, int32 (h, w), optional
        Labels of detected sources; 0 is background.
    deblended : ndarray, int32 (h, w), optional
        Labels after deblending.
    crop_box : tuple of int, optional
        ``(y0, y1, x0, x1)``, half-open; may reach outside the image, where the
        crop is black.
    cropped : ndarray, uint8 (128, 128, 3), optional
        Network input. Present exactly when the status is ``ok``.
    """

    status: str
    reason: str = ""
    original: np.ndarray | None = None
    grey: np.ndarray | None = None
    thresholds: tuple[float, ...] = ()
    binary: np.ndarray | None = None
    edges: np.ndarray | None = None
    ellipses: tuple[Ellipse, ...] = ()
    ellipse: Ellipse | None = None
    mask: np.ndarray | None = None
    masked: np.ndarray | None = None
    detection: np.ndarray | None = None
    detection_threshold: np.ndarray | None = None
    segmentation: np.ndarray | None = None
    deblended: np.ndarray | None = None
    crop_box: tuple[int, int, int, int] | None = None
    cropped: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class StellarPopulation:
    """Age and metallicity of one galaxy by full-spectrum fitting, or why there are none.

    Numbers are NaN where unknown. Dispersions come from noise draws alone
    (paper Sect. 4.3, Eq. 12); a change of templates or continuum can move a
    label by more.

    Parameters
    ----------
    status : str
        ``ok``, ``no_spectrum``, ``no_redshift``, ``no_overlap``,
        ``too_few_pixels``, ``no_signal`` or ``fit_failed``.
    reason : str
        One sentence; empty when ``ok``.
    log_age : float
        Mean of log10(age/yr), weighted by light in the configuration's band.
    m_h : float
        Mean [M/H], dex, weighted likewise.
    velocity, sigma : float
        Stellar velocity relative to the redshift, and dispersion, km/s.
    chi2 : float
        Reduced χ².
    n_pixels : int
        Pixels fitted.
    log_age_std, m_h_std : float
        Standard deviations over the noise draws, dex.
    covariance : float
        Covariance of age and metallicity over the draws, dex².
    weights : ndarray, shape (n_age, n_metal), optional
        Shares of the light, sum 1.
    draws : ndarray, shape (n_draws, 2), optional
        ``log_age`` and ``m_h`` of every noise draw.
    wavelength, flux, best_fit : ndarray, shape (n,), optional
        What was fitted: rest-frame vacuum Å, flux in units of its median, model.
    good : ndarray, shape (n,), bool, optional
        Pixels that entered the fit.
    """

    status: str
    reason: str = ""
    log_age: float = float("nan")
    m_h: float = float("nan")
    velocity: float = float("nan")
    sigma: float = float("nan")
    chi2: float = float("nan")
    n_pixels: int = 0
    log_age_std: float = float("nan")
    m_h_std: float = float("nan")
    covariance: float = float("nan")
    weights: np.ndarray | None = field(default=None, repr=False)
    draws: np.ndarray | None = field(default=None, repr=False)
    wavelength: np.ndarray | None = field(default=None, repr=False)
    flux: np.ndarray | None = field(default=None, repr=False)
    best_fit: np.ndarray | None = field(default=None, repr=False)
    good: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Prediction:
    """What one model says of one galaxy, or why it says nothing.

    Intervals are ``(low, high)`` in the unit of their value and calibrated on
    validation galaxies (see `galam_explorer.evaluate.calibration`). Numbers are
    NaN where there is no prediction.

    Parameters
    ----------
    id : str
    model : str
        ``m1`` (spectrum), ``m3`` (image), ``m4`` (image alone, through simulated
        features), ``m4_real`` (image and the spectrum's features), ``image_only``.
    log_age : float
        log10(age/yr), light-weighted.
    m_h : float
        [M/H], dex.
    log_age_68, log_age_90, m_h_68, m_h_90 : tuple of float
    domain_score : float
        Share of training-like galaxies nearer to the training domain, 0 to 1; above
        0.99 is outside it.
    in_domain : bool
    status : str
        ``ok``, or the preprocessing status that left the model without input.
    reason : str
        One sentence; empty when ``ok``.
    """

    id: str
    model: str
    log_age: float = float("nan")
    m_h: float = float("nan")
    log_age_68: tuple[float, float] = (float("nan"), float("nan"))
    log_age_90: tuple[float, float] = (float("nan"), float("nan"))
    m_h_68: tuple[float, float] = (float("nan"), float("nan"))
    m_h_90: tuple[float, float] = (float("nan"), float("nan"))
    domain_score: float = float("nan")
    in_domain: bool = True
    status: str = "ok"
    reason: str = ""

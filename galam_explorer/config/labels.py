"""Choices of the full-spectrum fit that gives the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from galam_explorer.config.base import Config
from galam_explorer.errors import GalamError

__all__ = ["LabelConfig"]

ENGINES = ("batched", "ppxf")
EMISSION = ("mask", "fit", "none")


@dataclass(frozen=True)
class LabelConfig(Config):
    """How a spectrum becomes an age and a metallicity.

    A label means nothing without its configuration: changing the continuum or
    the templates moves ages and metallicities by more than the noise does.
    Wavelengths are rest-frame vacuum Å, velocities km/s.

    Parameters
    ----------
    templates : str
        ``"embedded"`` (36 of the shipped grid: 9 ages × 4 [M/H], as many as the
        paper's), ``"embedded-full"`` (all 225), ``"emiles"``, ``"fsps"``,
        ``"galaxev"`` or ``"xsl"`` (after ``galam templates get``), an npz file in
        pPXF's layout or a folder of MILES FITS files.
    template_digest : str
        Digest of the templates' values; filled in when a survey is labelled, so
        that the hash changes with them and not only with where they came from.
    engine : {"batched", "ppxf"}
    degree : int
        Degree of the additive Legendre polynomials; -1 for none.
    mdegree : int
        Degree of the multiplicative Legendre polynomials; 0 for none. Additive
        ones change line strengths, so labels are best made with multiplicative
        ones alone (Cappellari 2017, Sect. 3.6).
    wave_min, wave_max : float
        The part of the spectrum that is fitted. The templates must reach 2900 km/s
        further.
    emission : {"mask", "fit", "none"}
        Leave out the surroundings of the strong emission lines, fit the lines
        together with the stars (pPXF only), or do nothing.
    emission_width : float
        Half-width of what is left out around a line, km/s.
    band_min, band_max : float
        Templates are normalised to mean 1 between these, so that weights are
        shares of the light there.
    match_resolution : bool
        Smooth the templates to the instrument's resolution where it is lower.
    assumed_wdisp : float
        Instrumental dispersion (1 sigma, pixels of 1e-4 dex) of spectra that do
        not say theirs.
    sigma_start : float
        First guess of the stellar velocity dispersion; the velocity starts at 0.
    min_pixels : int
        Fewest pixels to fit.
    ftol : float
        Relative change of χ² at which the fit has converged. pPXF's own default,
        1e-4, leaves labels unconverged by up to some hundredths of a dex.
    draws : int
        Noise realisations for the dispersion; 0 for none.
    seed : int
        Of the noise; a galaxy's noise depends on this and its id alone.
    """

    templates: str = "embedded"
    template_digest: str = ""
    engine: str = "batched"
    degree: int = -1
    mdegree: int = 10
    wave_min: float = 3620.0
    wave_max: float = 7320.0
    emission: str = "mask"
    emission_width: float = 800.0
    band_min: float = 5070.0
    band_max: float = 5950.0
    match_resolution: bool = True
    assumed_wdisp: float = 1.1
    sigma_start: float = 200.0
    min_pixels: int = 500
    ftol: float = 1e-6
    draws: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        self.require(isinstance(self.templates, str) and self.templates != "", "templates", "named")
        self.require(self.engine in ENGINES, "engine", f"one of {', '.join(ENGINES)}")
        self.require(self.emission in EMISSION, "emission", f"one of {', '.join(EMISSION)}")
        self.require(
            self.emission != "fit" or self.engine == "ppxf",
            "emission",
            "'mask' or 'none' with the batched engine",
        )
        whole = (("degree", -1, 40), ("mdegree", 0, 40), ("min_pixels", 100, 100_000))
        whole += (("draws", 0, 100_000), ("seed", 0, 2**32 - 1))
        for name, low, high in whole:
            value = getattr(self, name)
            ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
            self.require(ok, name, f"a whole number from {low} to {high}")
        self.require(self.draws != 1, "draws", "0 or at least 2")
        for low, high in (("wave_min", "wave_max"), ("band_min", "band_max")):
            self.require(getattr(self, low) > 0, low, "positive")
            self.require(getattr(self, high) > getattr(self, low), high, f"above {low}")
        self.require(0 < self.emission_width <= 3000, "emission_width", "from 0 to 3000 km/s")
        self.require(0 < self.assumed_wdisp < 10, "assumed_wdisp", "between 0 and 10 pixels")
        self.require(1 <= self.sigma_start <= 1000, "sigma_start", "from 1 to 1000 km/s")
        self.require(0 < self.ftol <= 1e-2, "ftol", "above 0 and at most 0.01")

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """The paper's set-up as far as it is stated: 36 templates by pPXF, 100 draws.

        The paper (Sect. 2.1) does not say which polynomials it used; these are ours.
        """
        return cls(**{"engine": "ppxf", "draws": 100, **changes})

    def check_band(self, low: float, high: float, where: str) -> None:
        """Raise `GalamError` unless templates from `low` to `high` Å cover the light band."""
        if low > self.band_min or high < self.band_max:
            raise GalamError(
                f"the templates reach from {low:.0f} to {high:.0f} Å and do not cover the band "
                f"{self.band_min:.0f}-{self.band_max:.0f} Å that weights refer to",
                where,
            )

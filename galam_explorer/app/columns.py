"""What the numbers of a galaxy are called, their units and their definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["COLOURS", "COLUMNS", "LABELS", "Column"]


@dataclass(frozen=True)
class Column:
    """How a catalogue column is called, with unit and definition."""

    label: str
    unit: str
    definition: str
    digits: int = 2

    @property
    def title(self) -> str:
        """Label with unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def text(self, value: float) -> str:
        """The value with its unit, or a dash."""
        if value is None or not np.isfinite(value):
            return "—"
        unit = "" if not self.unit else self.unit if self.unit in "°″" else f" {self.unit}"
        return f"{value:z.{self.digits}f}{unit}"


def _truth(label: str, unit: str, what: str, digits: int = 2) -> Column:
    return Column(label, unit, f"Simulated truth: {what}. Put in, not observed", digits)


_LIGHT = "weighted by the light between 5070 and 5950 Å"

COLUMNS = {
    "ra": Column("RA", "°", "Right ascension, J2000", 5),
    "dec": Column("Dec", "°", "Declination, J2000", 5),
    "z": Column("z", "", "Redshift from the survey's catalogue; none without a spectrum", 4),
    "sn_r": Column("S/N r", "", "Median signal-to-noise per pixel of the spectrum in r", 1),
    "petro_mag_r": Column("r", "mag", "Petrosian magnitude in r (AB)", 2),
    "petro_r90_r": Column("R90", "″", "Radius that holds 90 % of the Petrosian flux in r", 1),
    "true_log_age": _truth("true log age", "log yr", f"mean log10 age in the fibre, {_LIGHT}"),
    "true_m_h": _truth("true [M/H]", "dex", f"mean metallicity in the fibre, {_LIGHT}"),
    "true_log_age_total": _truth("log age, whole", "log yr", f"as log age, whole galaxy, {_LIGHT}"),
    "true_m_h_total": _truth("[M/H], whole", "dex", f"as [M/H], whole galaxy, {_LIGHT}"),
    "true_z": _truth("true z", "", "redshift", 4),
    "true_log_mass": _truth("log mass", "log M☉", "living stars"),
    "true_log_ssfr": _truth("log sSFR", "log/yr", "star formation per mass over 100 Myr"),
    "true_a_v": _truth("A_V", "mag", "attenuation of the stars in the fibre"),
    "true_sigma": _truth("σ", "km/s", "stellar velocity dispersion", 0),
    "true_log_oh": _truth("12+log O/H", "", "oxygen abundance of the gas"),
    "true_bulge_fraction": _truth("bulge share", "", "the bulge's share of the r light"),
    "true_fibre_fraction": _truth("fibre share", "", "share of the r light inside the fibre"),
    "true_blended": _truth("blended", "", "1 if another source really overlaps this one", 0),
    "true_neighbours": _truth("neighbours", "", "detectable other sources in the image", 0),
    "true_contamination": _truth(
        "contamination", "", "others' share of the light inside 25 mag", 3
    ),
    "true_isophote_a": _truth("a25", "″", "semi-major axis at 25 r mag per square arcsec", 1),
    "true_isophote_b": _truth("b25", "″", "semi-minor axis at 25 r mag per square arcsec", 1),
    "true_isophote_theta": _truth("PA25", "°", "position angle, east of north", 0),
    "true_fwhm_r": _truth("seeing", "″", "full width at half maximum of the image's PSF in r"),
}
"""Definitions of catalogue columns (paper Sect. 2; truth columns: `galam simulate`)."""

LABELS = {
    "label_log_age": Column(
        "label: log age", "log yr", f"Full-spectrum fit of the spectrum, {_LIGHT}"
    ),
    "label_m_h": Column("label: [M/H]", "dex", f"Full-spectrum fit of the spectrum, {_LIGHT}"),
}
"""What `galam label` saves beside a survey (paper Sect. 2.3)."""

COLOURS = (
    "z",
    "sn_r",
    "petro_mag_r",
    "petro_r90_r",
    "true_log_age",
    "true_m_h",
    "true_log_mass",
    "true_bulge_fraction",
)
"""Numeric columns that the sky can be coloured by."""

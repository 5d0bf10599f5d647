"""Emission lines of simulated galaxies: which, and how strong relative to H alpha."""

from __future__ import annotations

import numpy as np

__all__ = [
    "HALPHA",
    "LINE_NAMES",
    "LINE_WAVELENGTHS",
    "active_ratios",
    "gas_metallicity",
    "halpha_luminosity",
    "star_forming_ratios",
]

_LINES = {
    "[OII]3727": 3727.09,
    "[OII]3730": 3729.88,
    "[NeIII]3870": 3869.86,
    "Hzeta": 3890.15,
    "Hepsilon": 3971.20,
    "Hdelta": 4102.89,
    "Hgamma": 4341.68,
    "Hbeta": 4862.68,
    "[OIII]4960": 4960.30,
    "[OIII]5008": 5008.24,
    "HeI5877": 5877.25,
    "[OI]6302": 6302.05,
    "[NII]6550": 6549.85,
    "Halpha": 6564.61,
    "[NII]6585": 6585.27,
    "[SII]6718": 6718.29,
    "[SII]6733": 6732.67,
    "[ArIII]7138": 7137.76,
}
LINE_NAMES = tuple(_LINES)
LINE_WAVELENGTHS = np.array(list(_LINES.values()))
"""Vacuum rest wavelengths, Å, shape (n_line,)."""
LINE_WAVELENGTHS.setflags(write=False)
HALPHA = LINE_NAMES.index("Halpha")

_BALMER = {"Hzeta": 0.105, "Hepsilon": 0.159, "Hdelta": 0.259, "Hgamma": 0.469, "Hbeta": 1.0}
"""Relative to H beta, case B at 10^4 K (Osterbrock & Ferland 2006, Table 4.4)."""
_HALPHA_TO_HBETA = 2.86


def halpha_luminosity(sfr: float) -> float:
    """H alpha luminosity, solar, of a star-formation rate in solar masses a year.

    Murphy et al. (2011, ApJ 737, 67), Eq. 2: Kroupa IMF, constant rate.
    """
    return sfr / 5.37e-42 / 3.828e33


def gas_metallicity(log_mass: float) -> float:
    """Mean 12 + log10(O/H) at a stellar mass (Andrews & Martini 2013, Eq. 5)."""
    return float(8.798 - np.log10(1 + 10 ** (0.640 * (8.901 - log_mass))))


def star_forming_ratios(oxygen: float, rng: np.random.Generator) -> np.ndarray:
    """Line fluxes of an H II region relative to H alpha, before attenuation.

    [N II]/H alpha and [O III]/H beta follow the calibrations of Pettini & Pagel
    (2004, MNRAS 348, L59, Eqs. 1 and 3) inverted; [O II] and [S II] are typical
    SDSS values that fall with metallicity. Each group scatters on its own.

    Parameters
    ----------
    oxygen : float
        12 + log10(O/H).
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_line,)
    """
    n2 = min((oxygen - 8.90) / 0.57, -0.35) + rng.normal(0, 0.08)
    o3n2 = (8.73 - oxygen) / 0.32
    o3_hbeta = np.clip(o3n2 + (oxygen - 8.90) / 0.57, -0.9, 0.75) + rng.normal(0, 0.10)
    o2_hbeta = 0.50 - 1.0 * max(oxygen - 8.45, 0.0) + rng.normal(0, 0.10)
    s2 = -0.42 - 0.25 * max(oxygen - 8.5, 0.0) + rng.normal(0, 0.06)
    return _assemble(n2, o3_hbeta, o2_hbeta, s2, -1.55 + rng.normal(0, 0.12), 0.72)


def active_ratios(seyfert: bool, rng: np.random.Generator) -> np.ndarray:
    """Line fluxes of Seyfert or LINER-like gas relative to H alpha; shape (n_line,).

    Typical positions of the two branches in the diagrams of Kewley et al. (2006).
    """
    levels = (-0.05, 0.80, 0.40, -0.35, -1.0) if seyfert else (0.10, 0.30, 0.65, 0.0, -0.65)
    n2, o3, o2, s2, o1 = np.array(levels) + rng.normal(0, 0.12, 5)
    return _assemble(n2, o3, o2, s2, o1, 0.85)


def _assemble(
    n2: float, o3_hbeta: float, o2_hbeta: float, s2: float, o1: float, doublet: float
) -> np.ndarray:
    """All lines relative to H alpha from the logarithms of the main ratios."""
    hbeta = 1 / _HALPHA_TO_HBETA
    o3, o2 = hbeta * 10**o3_hbeta, hbeta * 10**o2_hbeta
    strength = {name: hbeta * ratio for name, ratio in _BALMER.items()}
    strength |= {
        "Halpha": 1.0,
        "[OIII]5008": o3,
        "[OIII]4960": o3 / 2.98,
        "[OII]3727": 0.43 * o2,
        "[OII]3730": 0.57 * o2,
        "[NeIII]3870": 0.09 * o3,
        "HeI5877": 0.12 * hbeta,
        "[OI]6302": 10**o1,
        "[NII]6585": 10**n2,
        "[NII]6550": 10**n2 / 3.05,
        "[SII]6718": 10**s2 / (1 + doublet),
        "[SII]6733": 10**s2 * doublet / (1 + doublet),
        "[ArIII]7138": 0.10 * hbeta * 10 ** (0.5 * o3_hbeta),
    }
    return np.array([strength[name] for name in LINE_NAMES])

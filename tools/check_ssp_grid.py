"""Compare the shipped SSP grid with published MILES and E-MILES models.

    python tools/check_ssp_grid.py --miles FOLDER [--emiles FILE.npz]

FOLDER holds MILES SSP files as its web tool gives them
(``Mun1.30Zm0.71T01.0000_...fits``); FILE.npz is in pPXF's layout. Both have an
IMF and isochrones that differ from ours, so nothing here is expected to be 0.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d

from galam_explorer.survey.ssp import SspGrid, load_ssp_grid

CONTINUUM_WIDTH = 100.0
"""Sigma in Å of the Gaussian that separates continuum from lines."""
LAST_AGE_GYR = 14.5
"""References older than this are compared with our oldest population, and say so."""


@dataclass(frozen=True)
class Reference:
    """One published SSP: air wavelength in Å, flux in any unit (n,)."""

    age_gyr: float
    m_h: float
    wave: np.ndarray
    flux: np.ndarray


def read_miles(folder: Path) -> list[Reference]:
    """Every MILES file of a folder, ordered by metallicity and age."""
    pattern = re.compile(r"Z([mp])([\d.]+)T([\d.]+)_")
    found = []
    for path in folder.glob("*.fits"):
        sign, m_h, age = pattern.search(path.name).groups()
        flux, header = fits.getdata(path, header=True)
        wave = header["CRVAL1"] + header["CDELT1"] * np.arange(len(flux))
        value = float(m_h) * (-1 if sign == "m" else 1)
        found.append(Reference(float(age), value, wave, np.asarray(flux, dtype=float)))
    return sorted(found, key=lambda one: (one.m_h, one.age_gyr))


def read_emiles(path: Path, ages: tuple[float, ...]) -> list[Reference]:
    """The populations of a pPXF template file nearest to `ages` (Gyr)."""
    with np.load(path) as file:
        templates, wave = file["templates"].astype(float), file["lam"]
        all_ages, metals = file["ages"], file["metals"]
    rows = sorted({int(np.argmin(np.abs(all_ages - age))) for age in ages})
    return [
        Reference(all_ages[row], m_h, wave, templates[:, row, column])
        for column, m_h in enumerate(metals)
        for row in rows
    ]


def differences(grid: SspGrid, reference: Reference, first: float, last: float) -> dict[str, float]:
    """How our population and a reference differ between two wavelengths (Å, air).

    Returns
    -------
    dict
        ``shape``: rms of the ratio after one common scale, ``smooth``: the same
        after smoothing both with `CONTINUUM_WIDTH`, ``lines``: rms of the ratio
        after dividing each by its smoothed self, all in per cent; ``scale``: our
        flux per solar mass formed over theirs.
    """
    age = min(reference.age_gyr, grid.age_gyr[-1])
    ours = np.interp(reference.wave, grid.wavelength_air, grid.spectrum(age, reference.m_h))
    sigma = CONTINUUM_WIDTH / np.median(np.diff(reference.wave))
    smooth_ours = gaussian_filter1d(ours, sigma, mode="nearest")
    smooth_theirs = gaussian_filter1d(reference.flux, sigma, mode="nearest")
    used = (reference.wave >= first) & (reference.wave <= last)

    def rms(ratio: np.ndarray) -> float:
        ratio = ratio[used]
        return 100 * float(np.std(ratio / np.mean(ratio)))

    ratio = ours / reference.flux
    smooth = smooth_ours / smooth_theirs
    return {
        "shape": rms(ratio),
        "smooth": rms(smooth),
        "lines": rms(ratio / smooth),
        "scale": float(np.mean(ratio[used])),
    }


def table(grid: SspGrid, references: list[Reference], first: float, last: float) -> str:
    """A Markdown table of `differences`, one row a reference."""
    lines = [
        "| [M/H] | age (Gyr) | shape % | smooth % | lines % | scale |",
        "|---|---|---|---|---|---|",
    ]
    for one in references:
        got = differences(grid, one, first, last)
        age = f"{one.age_gyr:.3g}"
        if one.age_gyr > LAST_AGE_GYR:
            age += f" (ours {grid.age_gyr[-1]:.3g})"
        lines.append(
            f"| {one.m_h:+.2f} | {age} | {got['shape']:.1f} | {got['smooth']:.1f} "
            f"| {got['lines']:.1f} | {got['scale']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--miles", type=Path, required=True)
    parser.add_argument("--emiles", type=Path)
    arguments = parser.parse_args()
    grid = load_ssp_grid()
    print("MILES, 3560-7390 Å\n")
    print(table(grid, read_miles(arguments.miles), 3560, 7390))
    if arguments.emiles:
        references = read_emiles(arguments.emiles, (0.1, 1.0, 3.0, 10.0))
        for name, first, last in (("blue", 2400, 3540), ("red", 7410, 8900)):
            print(f"\nE-MILES, {name} extension, {first}-{last} Å\n")
            print(table(grid, references, first, last))


if __name__ == "__main__":
    main()

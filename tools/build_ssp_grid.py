"""Make `galam_explorer/survey/data/ssp_grid.npz`, the SSP grid of the simulated survey.

Needs ``fastar-astro`` (and with it JAX), which is not a dependency of the
project: install it in an environment of its own and run there::

    python -m venv ssp-env && ssp-env/bin/pip install fastar-astro==0.1.2
    ssp-env/bin/python tools/build_ssp_grid.py

Two models are spliced. The spectroscopic one (MILES stars, 3540.5-7409.6 Å,
0.9 Å steps, FWHM 2.51 Å) is kept as synthesised; outside, the low-resolution
one (4 Å steps) is scaled to it where they meet. Wavelengths are in air, as in both models.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "galam_explorer" / "survey" / "data" / "ssp_grid.npz"
AGES_GYR = np.append(np.round(10 ** np.arange(-1.2, 1.15, 0.1), 4), 14.0)
METALS = np.array([-1.71, -1.2, -0.71, -0.4, -0.2, 0.0, 0.1, 0.22, 0.3])
LOW_RESOLUTION_RANGE = (2000.0, 11000.0)
MATCH_WIDTH = 250.0
"""Å at either end of the high-resolution range over which the two are matched."""
MANTISSA_BITS = 13

# erg/s/cm2/Å at 10 pc (fastar) to L_sun/Å, with the IAU 2015 nominal solar luminosity
TO_SOLAR = 4 * np.pi * (10 * 3.0856775814913673e18) ** 2 / 3.828e33


def round_mantissa(values: np.ndarray, bits: int) -> np.ndarray:
    """Round to `bits` bits of mantissa, so that the file compresses."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent).astype(np.float32)


def splice(
    high_wave: np.ndarray, high: np.ndarray, low_wave: np.ndarray, low: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Continue `high` on both sides with `low`, scaled to it near each end.

    Returns
    -------
    wave, flux : ndarray, shape (n,)
    """
    blue = low_wave < high_wave[0] - 2
    red = low_wave > high_wave[-1] + 2

    def scale(first: float, last: float) -> float:
        inside = (high_wave >= first) & (high_wave <= last)
        return np.sum(high[inside]) / np.sum(np.interp(high_wave[inside], low_wave, low))

    blue_scale = scale(high_wave[0], high_wave[0] + MATCH_WIDTH)
    red_scale = scale(high_wave[-1] - MATCH_WIDTH, high_wave[-1])
    wave = np.concatenate([low_wave[blue], high_wave, low_wave[red]])
    return wave, np.concatenate([low[blue] * blue_scale, high, low[red] * red_scale])


def build(imf_name: str) -> dict[str, np.ndarray]:
    """Synthesise the whole grid; see `main` for what each array is."""
    import fastar.imf
    from fastar import IntegratedSSPSynthesizer

    imf = getattr(fastar.imf, imf_name)
    spectroscopic = IntegratedSSPSynthesizer(imf_function=imf)
    photometric = IntegratedSSPSynthesizer(model_label="phot", imf_function=imf)
    low_wave = np.asarray(photometric.wave, dtype=float)
    used = (low_wave >= LOW_RESOLUTION_RANGE[0]) & (low_wave <= LOW_RESOLUTION_RANGE[1])
    high_wave = np.asarray(spectroscopic.wave, dtype=float)
    flux, living = [], []
    for age in AGES_GYR:
        for m_h in METALS:
            high = np.asarray(spectroscopic.synthesize(age, m_h), dtype=float)
            low = np.asarray(photometric.synthesize(age, m_h), dtype=float)
            wave, spliced = splice(high_wave, high, low_wave[used], low[used])
            flux.append(spliced * TO_SOLAR)
            living.append(float(spectroscopic.stellar_mass(age, m_h)))
    shape = len(AGES_GYR), len(METALS)
    return {
        "wavelength_air": wave,
        "flux": round_mantissa(np.reshape(flux, (*shape, -1)), MANTISSA_BITS),
        "age_gyr": AGES_GYR,
        "m_h": METALS,
        "living_mass": np.reshape(living, shape).astype(np.float32),
        "high_resolution_range": np.array([high_wave[0], high_wave[-1]]),
        "imf": np.array(imf_name),
        "made_with": np.array(
            ", ".join(f"{name} {version(name)}" for name in ("fastar-astro", "jax", "numpy"))
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--imf", default="kroupa", help="an IMF of fastar.imf (default: kroupa)")
    arguments = parser.parse_args()
    arrays = build(arguments.imf)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=arguments.out.parent, suffix=".npz")
    with os.fdopen(descriptor, "wb") as file:
        np.savez_compressed(file, **arrays)
    os.chmod(name, 0o644)
    os.replace(name, arguments.out)
    print(f"{arguments.out}: {arrays['flux'].shape}, {arguments.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

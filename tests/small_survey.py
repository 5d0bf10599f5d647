"""A small survey made in a moment: drawn galaxies, and the real spectra that ppxf ships."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from galam_explorer.records import Cutout, Galaxy, Spectrum
from galam_explorer.survey import SurveyWriter
from galam_explorer.survey.demo import ppxf_spectra
from galam_explorer.survey.sdss_files import read_spectrum_file

WITH_BOTH, IMAGE_ONLY, SPECTRUM_ONLY = "sim-000000", "sim-000001", "sim-000002"
REJECTED, NOWHERE, BLENDED = "sim-000003", "sim-000004", "sim-000005"
NAN = float("nan")


def draw(
    rng: np.random.Generator, side: int = 96, blobs: int = 1, noise: float = 4.0
) -> np.ndarray:
    """Round galaxies on a noisy sky, uint8 (side, side, 3)."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    light = np.zeros((side, side))
    for index in range(blobs):
        shift = 11.0 * index
        light += 210 * np.exp(-((x - shift) ** 2 + (1.3 * (y - 0.5 * shift)) ** 2) / 90.0)
    tint = rng.uniform(0.6, 1.0, 3)
    sky = rng.normal(6, noise, (side, side, 3))
    return np.clip(light[..., None] * tint + sky, 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray) -> bytes:
    """The image as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def flat_spectrum(rng: np.random.Generator) -> Spectrum:
    """A smooth continuum with noise, an emission line and ten bad pixels."""
    n = 3800
    wave = 3800 * 10 ** (1e-4 * np.arange(n))
    flux = 20 * (wave / 5000) ** -0.5 + rng.normal(0, 1, n)
    flux += 60 * np.exp(-(((wave - 6564.6 * 1.05) / 5) ** 2))
    ivar = np.ones(n, np.float32)
    ivar[2000:2010], flux[2005] = 0, 5000.0
    return Spectrum(flux.astype(np.float32), ivar, float(np.log10(3800.0)))


def galaxies(n: int = 60, seed: int = 5, positions: bool = True) -> list[Galaxy]:
    """`n` galaxies; the first six are the special cases named above."""
    rng = np.random.default_rng(seed)
    real = [read_spectrum_file(path) for path in ppxf_spectra()[:1]]
    made = []
    for index in range(n):
        spectrum = real[0].spectrum if real and index == 0 else flat_spectrum(rng)
        if index == 1 or (index > 5 and index % 3):
            spectrum = None
        blobs = 0 if index == 3 else 2 if index == 5 else 1
        noise = 0.0 if index == 3 else 4.0
        cutout = Cutout(jpeg(draw(rng, blobs=blobs, noise=noise)), 0.396)
        made.append(
            Galaxy(
                id=f"sim-{index:06d}",
                origin="simulated",
                ra=rng.uniform(120, 240) if positions and index != 4 else NAN,
                dec=rng.uniform(0, 60) if positions and index != 4 else NAN,
                z=0.05,
                z_warning=0,
                sn_r=float(rng.uniform(5, 40)) if spectrum is not None else NAN,
                petro_mag_r=float(rng.uniform(14, 17.7)),
                petro_r90_r=float(rng.uniform(4, 12)),
                spec_class="GALAXY" if spectrum is not None else "",
                spectrum=spectrum,
                cutout=None if index == 2 else cutout,
                truth={"true_log_age": float(rng.uniform(8.5, 10.1)), "true_m_h": -0.1},
            )
        )
    return made


def make_survey(path: Path, n: int = 60, positions: bool = True) -> Path:
    """Write the survey; its folder."""
    SurveyWriter(path, "Small survey", "simulated").append(galaxies(n, positions=positions))
    return path

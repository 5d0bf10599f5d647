"""A tiny survey to train on: spectra and images that depend on their truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from small_survey import draw, jpeg

from galam_explorer.config import NetworkConfig, TrainConfig
from galam_explorer.preprocess import prepare_survey
from galam_explorer.records import Cutout, Galaxy, Spectrum
from galam_explorer.survey import Survey, SurveyWriter, load_survey

TINY = NetworkConfig(width=0.25, heads=2, queries=4)
QUICK = TrainConfig(
    epochs=2, batch_size=8, threads=1, target="truth", precision="32", fractions=(0.6, 0.2, 0.2)
)


def galaxy(index: int, rng: np.random.Generator) -> Galaxy:
    """One galaxy: old ones have a 4000 Å break, metal-rich ones a dip at 5175 Å."""
    log_age, m_h = rng.uniform(8.5, 10.1), rng.uniform(-1.0, 0.3)
    wave = 3800 * 10 ** (1e-4 * np.arange(3800))
    flux = 20 - 6 * (log_age - 8.5) * (wave < 4200)
    flux -= 4 * (m_h + 1) * np.exp(-(((wave - 5430) / 40) ** 2))
    flux += rng.normal(0, 0.3, len(wave))
    spectrum = Spectrum(
        flux.astype(np.float32), np.full(len(wave), 11.0, np.float32), float(np.log10(3800.0))
    )
    return Galaxy(
        id=f"sim-{index:06d}",
        origin="simulated",
        ra=float(rng.uniform(120, 240)),
        dec=float(rng.uniform(0, 60)),
        z=0.05,
        z_warning=0,
        sn_r=20.0,
        petro_mag_r=16.0,
        petro_r90_r=8.0,
        spec_class="GALAXY",
        spectrum=spectrum,
        cutout=Cutout(jpeg(draw(rng)), 0.396),
        truth={"true_log_age": float(log_age), "true_m_h": float(m_h)},
    )


def make_training_survey(path: Path, n: int = 60, prepare: bool = True) -> Survey:
    """Write `n` galaxies and prepare them."""
    rng = np.random.default_rng(3)
    SurveyWriter(path, "tiny", "simulated").append([galaxy(index, rng) for index in range(n)])
    survey = load_survey(path)
    if prepare:
        prepare_survey(survey, "robust", 1)
    return survey


def without_time(metrics: list[dict]) -> list[dict]:
    """Metrics without how long they took."""
    return [{k: v for k, v in line.items() if k not in ("seconds", "time")} for line in metrics]

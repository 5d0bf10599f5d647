"""Which galaxies there are: class, mass, redshift, orientation, sizes and dust.

Star-forming and quiescent galaxies follow stellar-mass functions and are placed
uniformly in comoving volume, as far out as SDSS could have seen them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from galam_explorer.survey.simulation.light import load_cosmology, slab_attenuation

__all__ = [
    "LRG_LIMIT",
    "LRG_SHARE",
    "LRG_Z",
    "MAIN_LIMIT",
    "Z_RANGE",
    "Sketch",
    "draw_dust",
    "draw_shapes",
    "draw_sketch",
]

Z_RANGE = (0.002, 0.3)
MAIN_LIMIT = 17.77
"""Petrosian r of the main galaxy sample."""
LRG_LIMIT = 19.2
LRG_Z = (0.15, 0.3)
LRG_SHARE = 0.07

_LOG_MASS = np.linspace(7.6, 12.1, 181)
# Double Schechter functions, rounded after Peng et al. (2010, ApJ 721, 193), Table 3:
# pairs of (density per Mpc³ and dex at the knee, faint-end slope); log knee 10.67.
_MASS_FUNCTIONS = {False: ((1.01e-3, -1.40),), True: ((3.41e-3, -0.52), (0.126e-3, -1.56))}
_LOG_KNEE = 10.67
_BRIGHTEST_MASS_TO_LIGHT = {False: -0.5, True: 0.10}
"""log10 of the smallest mass-to-light in r that is proposed, solar."""


@dataclass(frozen=True)
class Sketch:
    """What is fixed before the light is computed."""

    target: str
    quiescent: bool
    z: float
    log_mass: float
    bulge_share: float
    cos_inclination: float
    position_angle: float


@lru_cache(maxsize=2)
def _proposal(target: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cumulative proposal over (quiescent, log mass), and the largest z of each.

    Returns
    -------
    cumulative : ndarray, shape (2 * n_mass,)
        Star-forming first; only quiescent galaxies for ``"lrg"``.
    z_max, volume_max : ndarray, shape (2 * n_mass,)
        Comoving volume (Mpc³, full sky) out to `z_max`.
    """
    cosmology = load_cosmology()
    limit = MAIN_LIMIT if target == "main" else LRG_LIMIT
    modulus = 5 * np.log10(cosmology.luminosity_distance) + 25
    density, z_max = [], []
    for quiescent in (False, True):
        x = 10 ** (_LOG_MASS - _LOG_KNEE)
        number = sum(norm * x ** (slope + 1) for norm, slope in _MASS_FUNCTIONS[quiescent])
        number = number * np.exp(-x)
        if target == "lrg":
            number = number * quiescent * (_LOG_MASS > 10.8)
        magnitude = 4.65 - 2.5 * (_LOG_MASS - _BRIGHTEST_MASS_TO_LIGHT[quiescent])
        reach = np.interp(limit - magnitude, modulus, cosmology.z)
        z_max.append(np.clip(reach, Z_RANGE[0], Z_RANGE[1]))
        density.append(number)
    z_max = np.concatenate(z_max)
    volume = np.interp(z_max, cosmology.z, cosmology.comoving_volume)
    cumulative = np.cumsum(np.concatenate(density) * volume)
    return cumulative / cumulative[-1], z_max, volume


def draw_sketch(target: str, rng: np.random.Generator) -> Sketch:
    """Draw class, mass, redshift, bulge share and orientation."""
    cosmology = load_cosmology()
    cumulative, _, volume = _proposal(target)
    cell = int(np.searchsorted(cumulative, rng.random()))
    quiescent, row = divmod(cell, len(_LOG_MASS))
    step = _LOG_MASS[1] - _LOG_MASS[0]
    log_mass = _LOG_MASS[row] + step * (rng.random() - 0.5)
    placed = rng.random() * volume[cell]
    z = float(np.interp(placed, cosmology.comoving_volume, cosmology.z))
    if quiescent:
        elliptical = rng.random() < np.interp(log_mass, [9.5, 10.5, 11.5], [0.25, 0.35, 0.85])
        bulge_share = 1.0 if elliptical else rng.beta(3.2, 2.6)
    else:
        mean = np.interp(log_mass, [9.0, 10.0, 10.7, 11.3], [0.05, 0.12, 0.28, 0.42])
        bulge_share = rng.beta(2.2 * mean + 0.15, 2.2 * (1 - mean))
    if bulge_share < 0.03:
        bulge_share = 0.0
    return Sketch(
        target,
        bool(quiescent),
        z,
        float(log_mass),
        float(bulge_share),
        float(rng.random()),
        float(rng.uniform(0, 180)),
    )


def draw_dust(sketch: Sketch, rng: np.random.Generator) -> tuple[float, float]:
    """A_V of bulge and disc; a disc seen edge-on is more attenuated."""
    depth = 0.42 * 10 ** (0.30 * (min(sketch.log_mass, 11.0) - 10) + rng.normal(0, 0.28))
    if sketch.quiescent:
        depth *= 0.15
    disc = slab_attenuation(depth, sketch.cos_inclination)
    screen = abs(rng.normal(0, 0.06 if sketch.quiescent else 0.12))
    return min(0.4 * disc + screen, 2.5), min(disc, 2.5)


def draw_shapes(
    sketch: Sketch, rng: np.random.Generator
) -> tuple[tuple[float, float, float, float], tuple[float, float, float, float]]:
    """(half-light radius in kpc, n, axis ratio, position angle) of bulge and disc.

    Sizes follow Shen et al. (2003, MNRAS 343, 978, Eqs. 17 and 18 and Table 1).
    """
    mass = 10**sketch.log_mass
    late = 0.10 * mass**0.14 * (1 + mass / 3.98e10) ** 0.25
    scatter = 0.34 + (0.47 - 0.34) / (1 + (mass / 3.98e10) ** 2)
    disc_kpc = late * (1 + 0.35 * sketch.bulge_share) * rng.lognormal(0, scatter)
    if sketch.quiescent:
        disc_kpc *= 0.85
    spheroid_mass = mass * max(sketch.bulge_share, 0.02)
    early = 2.88e-6 * spheroid_mass**0.56
    bulge_kpc = max(early, 0.25) * rng.lognormal(0, 0.30)
    if sketch.bulge_share < 1:
        bulge_kpc = min(bulge_kpc, 0.6 * disc_kpc)
    thick = np.clip(rng.normal(0.21, 0.04), 0.1, 0.35)
    disc_ratio = float(np.sqrt(thick**2 + (1 - thick**2) * sketch.cos_inclination**2))
    pure = sketch.bulge_share == 1
    central = 3.6 + 0.9 * (sketch.log_mass - 10.8) if pure else 1.3 + 3.2 * sketch.bulge_share
    bulge_n = float(np.clip(central + rng.normal(0, 0.7), 1.0, 6.0))
    if pure:
        bulge_ratio = float(np.clip(rng.normal(0.76, 0.14), 0.35, 1.0))
    else:
        flat = np.clip(rng.normal(0.65, 0.12), 0.4, 0.95)
        bulge_ratio = float(np.sqrt(flat**2 + (1 - flat**2) * sketch.cos_inclination**2))
    # Shen et al. measured in circles: the major axis of what they saw is longer.
    bulge_kpc /= np.sqrt(bulge_ratio)
    disc_kpc *= 1.25
    bulge_angle = (sketch.position_angle + (0 if pure else rng.normal(0, 8))) % 180
    disc_n = float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.4))
    return (
        (float(bulge_kpc), bulge_n, bulge_ratio, bulge_angle),
        (float(disc_kpc), disc_n, disc_ratio, sketch.position_angle),
    )

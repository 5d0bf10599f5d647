"""Draws the galaxies of the simulated survey: populations, structure and selection.

Star-forming and quiescent galaxies follow stellar-mass functions; a galaxy is
placed uniformly in comoving volume and kept when SDSS would have observed it
(paper Sect. 2.1.1: 0.002 <= z <= 0.3, S/N_r >= 5; Strauss et al. 2002: r < 17.77
in the main sample, with a tail of luminous red galaxies).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from galam_explorer.survey.simulation import emission, histories
from galam_explorer.survey.simulation.demography import (
    LRG_LIMIT,
    LRG_SHARE,
    LRG_Z,
    MAIN_LIMIT,
    Z_RANGE,
    Sketch,
    draw_dust,
    draw_shapes,
    draw_sketch,
)
from galam_explorer.survey.simulation.light import (
    attenuation_curve,
    load_cosmology,
    load_photometric_bank,
    transmission,
)
from galam_explorer.survey.simulation.model import GalaxyModel, LightComponent, Population
from galam_explorer.survey.simulation.noise import expected_sn_r
from galam_explorer.survey.simulation.structure import fibre_fraction, growth, petrosian
from galam_explorer.survey.ssp import load_ssp_grid

__all__ = ["draw_galaxy", "is_selected", "propose", "truth"]

MINIMUM_SN = 5.0
BRIGHT_FIBRE_LIMIT = 15.0
"""Brighter fibres would spill into their neighbours (Strauss et al. 2002)."""
BRIGHT_LIMIT = 13.5
"""Brighter galaxies are too large for a cutout and rare."""


def _stars(sketch: Sketch, rng: np.random.Generator) -> list[tuple[str, np.ndarray, float]]:
    """(name, mass formed per population, star-formation rate) of each component."""
    oldest = load_cosmology().age_gyr(sketch.z)
    m_h = histories.stellar_metallicity(sketch.log_mass, rng)
    grid = load_ssp_grid()
    made = []
    for name, share, offset, make in (
        ("bulge", sketch.bulge_share, 0.06, histories.bulge_history),
        ("disc", 1 - sketch.bulge_share, -0.08, histories.disc_history),
    ):
        if share == 0:
            continue
        history = make(sketch.log_mass, sketch.quiescent, oldest, rng)
        # Late starters formed from richer gas: age and metallicity run against each other.
        late = 0.03 * (9.0 - history.start)
        own = m_h + offset + late + rng.normal(0, 0.07)
        weights = histories.mass_weights(history, own, rng.uniform(0.1, 0.4))
        formed = share * 10**sketch.log_mass / np.sum(weights * grid.living_mass)
        rate = histories.recent_star_formation(history) * formed
        made.append((name, weights * formed, float(rate)))
    return made


def _nucleus(sketch: Sketch, rng: np.random.Generator) -> str:
    """What ionises the central gas besides young stars."""
    seyfert = np.interp(sketch.log_mass, [9.8, 10.6, 11.3], [0.005, 0.06, 0.05])
    draw = rng.random()
    if draw < seyfert:
        return "seyfert"
    liner = 0.65 if sketch.quiescent else np.interp(sketch.log_mass, [10, 11], [0.05, 0.4])
    return "liner" if draw < seyfert + liner else "none"


@dataclass(frozen=True, eq=False)
class _Gas:
    """Line ratios relative to H alpha, and how strong the active gas is.

    `active_width` is the equivalent width (Å) of its H alpha on the light of the
    central component.
    """

    oxygen: float
    nucleus: str
    young_ratios: np.ndarray
    active_ratios: np.ndarray
    active_width: float


def _gas(sketch: Sketch, rng: np.random.Generator) -> _Gas:
    """Draw the metallicity and the ionisation of the gas."""
    oxygen = emission.gas_metallicity(sketch.log_mass) + rng.normal(0, 0.10)
    nucleus = _nucleus(sketch, rng)
    young_ratios = emission.star_forming_ratios(oxygen, rng) * 10 ** rng.normal(0, 0.12)
    active_ratios = emission.active_ratios(nucleus == "seyfert", rng)
    widths = {
        "none": 0.0,
        "liner": 10 ** rng.normal(-0.05, 0.25),
        "seyfert": 10 ** rng.normal(0.9, 0.3),
    }
    return _Gas(float(oxygen), nucleus, young_ratios, active_ratios, float(widths[nucleus]))


def _lines(light: np.ndarray, rate: float, a_v_gas: float, gas: _Gas, central: bool) -> np.ndarray:
    """Attenuated line luminosities (solar) of a component with starlight `light`."""
    bank = load_photometric_bank()
    continuum = float(np.interp(emission.LINE_WAVELENGTHS[emission.HALPHA], bank.wavelength, light))
    curve = attenuation_curve(emission.LINE_WAVELENGTHS)
    young = emission.halpha_luminosity(rate) * gas.young_ratios * transmission(curve, a_v_gas)
    return young + (gas.active_width * continuum if central else 0.0) * gas.active_ratios


def propose(target: str, rng: np.random.Generator) -> GalaxyModel | None:
    """Draw one galaxy; None if it is fainter than the target's limit.

    Parameters
    ----------
    target : str
        ``"main"`` or ``"lrg"``.
    rng : numpy.random.Generator
    """
    sketch = draw_sketch(target, rng)
    bank = load_photometric_bank()
    dust = dict(zip(("bulge", "disc"), draw_dust(sketch, rng), strict=True))
    gas = _gas(sketch, rng)
    foreground = 3.1 * 0.03 * rng.lognormal(0, 0.6)
    stars = _stars(sketch, rng)
    lines, fluxes = [], []
    for name, weights, rate in stars:
        light = bank.spectrum(weights, dust[name])
        central = name == "bulge" or sketch.bulge_share == 0
        lines.append(_lines(light, rate, _gas_attenuation(dust[name]), gas, central))
        fluxes.append(bank.maggies(light, lines[-1], sketch.z, foreground))
    limit = MAIN_LIMIT if target == "main" else LRG_LIMIT
    if -2.5 * np.log10(sum(flux[1] for flux in fluxes)) > limit:
        return None  # the Petrosian magnitude can only be fainter
    shapes = dict(zip(("bulge", "disc"), draw_shapes(sketch, rng), strict=True))
    parts, curves = [], []
    for (name, weights, rate), line, flux in zip(stars, lines, fluxes, strict=True):
        component = _component(
            name, weights, (dust[name], foreground), flux, shapes[name], sketch.z
        )
        curve = growth(component.half_light_radius, component.sersic_n, component.axis_ratio)
        population = Population(
            weights, dust[name], _gas_attenuation(dust[name]), line, rate, fibre_fraction(curve)
        )
        parts.append((component, population))
        curves.append(curve)
    flux_r = np.array([flux[1] for flux in fluxes])
    return _assemble(sketch, parts, flux_r, np.array(curves), gas, foreground, rng)


def _gas_attenuation(a_v: float) -> float:
    """A_V of the emission lines (Calzetti et al. 2000, Eq. 3), mag."""
    return min(a_v / 0.44, 3.5)


def _component(
    name: str,
    weights: np.ndarray,
    dust: tuple[float, float],
    flux: np.ndarray,
    shape: tuple[float, float, float, float],
    z: float,
) -> LightComponent:
    """The component as the image shows it; `dust` is its own and the foreground's A_V."""
    young_fraction = 0.0
    if name == "disc":
        bank = load_photometric_bank()
        young = bank.spectrum(weights * histories.young_populations()[:, None], dust[0])
        no_lines = np.zeros(len(emission.LINE_WAVELENGTHS))
        young_fraction = float(bank.maggies(young, no_lines, z, dust[1])[0] / flux[0])
    radius, index, ratio, angle = shape
    return LightComponent(
        name,
        tuple((-2.5 * np.log10(flux)).tolist()),
        radius / load_cosmology().kpc_per_arcsec(z),
        index,
        ratio,
        angle,
        young_fraction,
    )


def _assemble(
    sketch: Sketch,
    parts: list[tuple[LightComponent, Population]],
    flux_r: np.ndarray,
    curves: np.ndarray,
    gas: _Gas,
    foreground: float,
    rng: np.random.Generator,
) -> GalaxyModel:
    """Whole-galaxy quantities, kinematics and observing conditions."""
    shape = petrosian(np.sum(flux_r[:, None] * curves, axis=0) / flux_r.sum())
    in_fibre = float(np.sum(flux_r * curves[:, -1]))
    # Hyde & Bernardi (2009) near 10^11; discs rotate, so their fibres are a little colder.
    level = 2.25 + 0.28 * (sketch.log_mass - 10.9) - (0 if sketch.quiescent else 0.05)
    sigma = float(np.clip(10 ** (level + rng.normal(0, 0.08)), 50, 330))
    deep = rng.random() < 0.08
    moon = rng.random() < 0.15
    return GalaxyModel(
        target=sketch.target,
        z=sketch.z,
        components=tuple(component for component, _ in parts),
        populations=tuple(population for _, population in parts),
        petro_mag_r=float(-2.5 * np.log10(flux_r.sum() * shape.fraction)),
        petro_r90_r=shape.r90,
        fibre_mag_r=float(-2.5 * np.log10(in_fibre)),
        log_mass=sketch.log_mass,
        velocity_dispersion=sigma,
        gas_dispersion=float(np.clip(sigma * rng.uniform(0.6, 1.0), 40, 250)),
        gas_metallicity=gas.oxygen,
        nucleus=gas.nucleus,
        foreground_a_v=float(foreground),
        exposure_depth=float((2.4 if deep else 1.0) * rng.lognormal(-0.05, 0.17)),
        sky_level=float((rng.uniform(1.3, 3.0) if moon else 1.0) * rng.lognormal(0, 0.08)),
    )


def is_selected(model: GalaxyModel) -> bool:
    """Whether SDSS would have observed the galaxy and the paper kept it."""
    if not Z_RANGE[0] <= model.z <= Z_RANGE[1] or model.fibre_mag_r < BRIGHT_FIBRE_LIMIT:
        return False
    if expected_sn_r(model.fibre_mag_r, model.exposure_depth, model.sky_level) < MINIMUM_SN:
        return False
    if model.target == "main":
        return BRIGHT_LIMIT < model.petro_mag_r < MAIN_LIMIT
    return MAIN_LIMIT - 0.3 < model.petro_mag_r < LRG_LIMIT and model.z > LRG_Z[0]


def draw_galaxy(rng: np.random.Generator) -> GalaxyModel:
    """One galaxy of the simulated survey.

    Parameters
    ----------
    rng : numpy.random.Generator
        Sole source of randomness: equal states give equal galaxies.

    Returns
    -------
    GalaxyModel
        Proposed again and again until `is_selected`.
    """
    target = "lrg" if rng.random() < LRG_SHARE else "main"
    while True:
        model = propose(target, rng)
        if model is not None and is_selected(model):
            return model


def truth(model: GalaxyModel) -> dict[str, float]:
    """What a perfect measurement of the galaxy would give.

    Ages and metallicities are means of log10 age (yr) and [M/H] weighted by the
    light between 5070 and 5950 Å (rest), attenuation included; without suffix
    inside the fibre, with ``_total`` over the whole galaxy.

    Returns
    -------
    dict
        ``true_log_age``, ``true_m_h``, ``true_log_age_total``,
        ``true_m_h_total``, ``true_bulge_fraction`` (of the r light),
        ``true_a_v`` (light-weighted in the fibre, mag), ``true_sigma`` (km/s),
        ``true_log_mass`` (living stars, solar), ``true_log_ssfr`` (per year over
        100 Myr; not below -14), ``true_fibre_fraction`` (of the r light) and
        ``true_log_oh`` (12 + log O/H of the gas).
    """
    grid, bank = load_ssp_grid(), load_photometric_bank()
    curve = float(attenuation_curve(np.array([5510.0]))[0])
    whole = np.array(
        [
            one.mass_weights * bank.truth_light * transmission(np.array(curve), one.a_v)
            for one in model.populations
        ]
    )
    shares = np.array([one.fibre_fraction for one in model.populations])
    fibre = whole * shares[:, None, None]
    flux_r = np.array([10 ** (-0.4 * one.mags[1]) for one in model.components])
    bulge = sum(f for f, c in zip(flux_r, model.components, strict=True) if c.name == "bulge")
    result = {}
    for suffix, light in (("", fibre), ("_total", whole)):
        share = light.sum(axis=0) / light.sum()
        result[f"true_log_age{suffix}"] = float(np.sum(share.sum(axis=1) * grid.log_age))
        result[f"true_m_h{suffix}"] = float(np.sum(share.sum(axis=0) * grid.m_h))
    by_component = fibre.sum(axis=(1, 2))
    a_v = np.array([one.a_v for one in model.populations])
    rate = sum(one.sfr for one in model.populations)
    return result | {
        "true_bulge_fraction": float(bulge / flux_r.sum()),
        "true_a_v": float(np.sum(by_component * a_v) / by_component.sum()),
        "true_sigma": model.velocity_dispersion,
        "true_log_mass": model.log_mass,
        "true_log_ssfr": float(max(np.log10(max(rate, 1e-30)) - model.log_mass, -14.0)),
        "true_fibre_fraction": float(np.sum(flux_r * shares) / flux_r.sum()),
        "true_log_oh": model.gas_metallicity,
    }

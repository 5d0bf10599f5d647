"""What a simulated galaxy is: light components for the image, populations for the spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["GalaxyModel", "LightComponent", "Population"]


@dataclass(frozen=True)
class LightComponent:
    """One Sérsic component of a galaxy as the image shows it.

    Parameters
    ----------
    name : str
        ``"bulge"`` or ``"disc"``.
    mags : tuple of float
        Total apparent AB magnitudes in SDSS g, r, i, dust and redshift included.
    half_light_radius : float
        Major-axis half-light radius in r, arcsec.
    sersic_n : float
        Sérsic index.
    axis_ratio : float
        Minor over major axis, in (0, 1].
    position_angle : float
        Degrees east of north.
    young_fraction : float
        Share of the g-band light that stars younger than 100 Myr give (0 for
        bulges): the light that is drawn as arms and knots.
    """

    name: str
    mags: tuple[float, float, float]
    half_light_radius: float
    sersic_n: float
    axis_ratio: float
    position_angle: float
    young_fraction: float


@dataclass(frozen=True, eq=False)
class Population:
    """The stars, dust and gas of one component, as its spectrum shows them.

    Parameters
    ----------
    mass_weights : ndarray, shape (n_age, n_metal)
        Stellar mass formed in each population of the SSP grid, solar masses.
    a_v : float
        Attenuation of the stars in V, mag.
    a_v_gas : float
        Attenuation of the emission lines in V, mag.
    line_luminosity : ndarray, shape (n_line,)
        Emission lines of `galam_explorer.survey.simulation.emission`, attenuated, solar.
    sfr : float
        Star-formation rate over the last 100 Myr, solar masses a year.
    fibre_fraction : float
        Share of the component's light inside the 3 arcsec fibre under the
        seeing of the simulation.
    """

    mass_weights: np.ndarray
    a_v: float
    a_v_gas: float
    line_luminosity: np.ndarray
    sfr: float
    fibre_fraction: float


@dataclass(frozen=True, eq=False)
class GalaxyModel:
    """One galaxy, before it is observed.

    `components` and `populations` run in parallel; a galaxy without a bulge or
    without a disc has one of each.

    Parameters
    ----------
    target : str
        ``"main"`` or ``"lrg"``: the sample of SDSS that would have chosen it.
    z : float
        Redshift.
    components : tuple of LightComponent
    populations : tuple of Population
    petro_mag_r : float
        Petrosian-like r magnitude of the whole galaxy (AB).
    petro_r90_r : float
        Radius that holds 90 % of the Petrosian r flux, arcsec.
    fibre_mag_r : float
        r magnitude inside the fibre (AB), from the same spectra.
    log_mass : float
        log10 of the living stellar mass, solar masses.
    velocity_dispersion : float
        Stellar velocity dispersion inside the fibre, km/s.
    gas_dispersion : float
        Velocity dispersion of the emission lines, km/s.
    gas_metallicity : float
        12 + log10(O/H) of the gas, which sets the line ratios.
    nucleus : str
        ``"none"``, ``"liner"`` or ``"seyfert"``: what ionises gas in the centre
        besides young stars.
    foreground_a_v : float
        Extinction in V by the Milky Way, mag, in the magnitudes and the spectrum.
    exposure_depth : float
        Exposure relative to the survey's usual one (1 is usual).
    sky_level : float
        Sky brightness relative to the survey's usual one (1 is usual).
    """

    target: str
    z: float
    components: tuple[LightComponent, ...]
    populations: tuple[Population, ...]
    petro_mag_r: float
    petro_r90_r: float
    fibre_mag_r: float
    log_mass: float
    velocity_dispersion: float
    gas_dispersion: float
    gas_metallicity: float
    nucleus: str
    foreground_a_v: float
    exposure_depth: float
    sky_level: float

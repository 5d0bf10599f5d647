"""Choices of the simulated survey."""

from __future__ import annotations

from dataclasses import dataclass

from galam_explorer.config.base import Config

__all__ = ["SimulationConfig"]


@dataclass(frozen=True)
class SimulationConfig(Config):
    """What `galam simulate` makes.

    Parameters
    ----------
    n : int
        Number of galaxies.
    seed : int
        The same seed gives the same galaxies whatever the number of workers.
        Seed 0 is the embedded demo survey: never train on it.
    spectrum_fraction : float
        Expected fraction of galaxies that get a spectrum, 0 to 1.
    cutout_size : int
        Pixels on a side of the cutouts.
    cutout_scale : float
        Arcsec per pixel of the cutouts; SDSS frames have 0.396.
    shard_size : int
        Galaxies per shard.
    """

    n: int = 1000
    seed: int = 1
    spectrum_fraction: float = 1.0
    cutout_size: int = 128
    cutout_scale: float = 0.396
    shard_size: int = 500

    def __post_init__(self) -> None:
        self.require(isinstance(self.n, int) and self.n >= 1, "n", "a positive integer")
        self.require(isinstance(self.seed, int) and self.seed >= 0, "seed", "an integer >= 0")
        self.require(0 <= self.spectrum_fraction <= 1, "spectrum_fraction", "between 0 and 1")
        self.require(16 <= self.cutout_size <= 1024, "cutout_size", "between 16 and 1024 px")
        self.require(0.05 <= self.cutout_scale <= 5, "cutout_scale", "between 0.05 and 5 arcsec")
        self.require(1 <= self.shard_size <= 10_000, "shard_size", "between 1 and 10 000")

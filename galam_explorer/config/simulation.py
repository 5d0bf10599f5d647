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
    spectrum_fraction : float
        Fraction of galaxies that get a spectrum, 0 to 1.
    shard_size : int
        Galaxies per shard.
    """

    n: int = 1000
    seed: int = 1
    spectrum_fraction: float = 1.0
    shard_size: int = 500

    def __post_init__(self) -> None:
        self.require(isinstance(self.n, int) and self.n >= 1, "n", "a positive integer")
        self.require(isinstance(self.seed, int) and self.seed >= 0, "seed", "an integer >= 0")
        self.require(0 <= self.spectrum_fraction <= 1, "spectrum_fraction", "between 0 and 1")
        self.require(1 <= self.shard_size <= 10_000, "shard_size", "between 1 and 10 000")

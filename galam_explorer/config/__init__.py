"""Immutable, validated, hashable choices; one class per stage."""

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.config.labels import LabelConfig
from galam_explorer.config.network import NetworkConfig
from galam_explorer.config.preprocess import PreprocessConfig
from galam_explorer.config.simulation import SimulationConfig
from galam_explorer.config.train import TrainConfig

__all__ = [
    "FetchConfig",
    "LabelConfig",
    "NetworkConfig",
    "PreprocessConfig",
    "SimulationConfig",
    "TrainConfig",
]

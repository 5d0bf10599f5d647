"""Immutable, validated, hashable choices; one class per stage."""

from galam_explorer.config.labels import LabelConfig
from galam_explorer.config.preprocess import PreprocessConfig
from galam_explorer.config.simulation import SimulationConfig

__all__ = ["LabelConfig", "PreprocessConfig", "SimulationConfig"]

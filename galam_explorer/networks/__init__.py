"""The four networks: modules with documented shapes, and the inputs they take."""

from galam_explorer.networks.inputs import image_tensor, normalise_features, spectrum_tensor
from galam_explorer.networks.output import N_FEATURES, N_PIXELS, Output
from galam_explorer.networks.presets import build_network, count_parameters

__all__ = [
    "N_FEATURES",
    "N_PIXELS",
    "Output",
    "build_network",
    "count_parameters",
    "image_tensor",
    "normalise_features",
    "spectrum_tensor",
]

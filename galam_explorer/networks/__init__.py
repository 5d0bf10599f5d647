"""The four networks: modules with documented shapes, and the inputs they take.

Networks of your own come in by `register_preset`, built of the same `blocks` or not.
"""

from galam_explorer.networks.blocks import Head, Network
from galam_explorer.networks.inputs import image_tensor, normalise_features, spectrum_tensor
from galam_explorer.networks.output import N_FEATURES, N_PIXELS, Output
from galam_explorer.networks.presets import build_network, count_parameters
from galam_explorer.networks.registry import check_networks, register_preset

__all__ = [
    "Head",
    "N_FEATURES",
    "N_PIXELS",
    "Network",
    "Output",
    "build_network",
    "check_networks",
    "count_parameters",
    "image_tensor",
    "normalise_features",
    "register_preset",
    "spectrum_tensor",
]

"""Builds any of the networks from its configuration."""

from __future__ import annotations

from torch import nn

from galam_explorer.config import NetworkConfig
from galam_explorer.networks.blocks import Network
from galam_explorer.networks.image_only import CompactImageOnly, PaperImageOnly
from galam_explorer.networks.m1_spectrum import CompactM1, PaperM1
from galam_explorer.networks.m2_simulated_features import CompactM2, PaperM2
from galam_explorer.networks.m3_image import CompactM3, PaperM3
from galam_explorer.networks.m4_fusion import CompactM4, PaperM4
from galam_explorer.networks.output import N_FEATURES

__all__ = ["build_network", "count_parameters"]


def build_network(stage: str, config: NetworkConfig) -> Network:
    """A network with fresh weights (from torch's global random state).

    Parameters
    ----------
    stage : str
        ``m1``, ``m2``, ``m3``, ``m4``, ``m4_real`` (an M4 for M1's features) or
        ``image_only`` (as many parameters as M2, M3 and M4 together).
    config : NetworkConfig

    Raises
    ------
    KeyError
        For any other stage; configurations check theirs.
    """
    return _BUILDERS[config.preset][stage](config)


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in a network."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def _compact_m4(config: NetworkConfig) -> CompactM4:
    if config.attention == "single":
        return CompactM4(config, N_FEATURES, 1)
    return CompactM4(config, CompactM3(config).trunk.channels, 64)


def _image_only(config: NetworkConfig) -> Network:
    total = sum(count_parameters(build_network(stage, config)) for stage in ("m2", "m3", "m4"))
    rival = PaperImageOnly if config.preset == "paper" else CompactImageOnly
    return rival(config, total)


_BUILDERS = {
    "compact": {
        "m1": CompactM1,
        "m2": CompactM2,
        "m3": CompactM3,
        "m4": _compact_m4,
        "m4_real": _compact_m4,
        "image_only": _image_only,
    },
    "paper": {
        "m1": lambda config: PaperM1(),
        "m2": PaperM2,
        "m3": PaperM3,
        "m4": PaperM4,
        "m4_real": PaperM4,
        "image_only": _image_only,
    },
}

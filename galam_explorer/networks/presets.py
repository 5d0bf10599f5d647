"""Builds any of the networks from its configuration."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from galam_explorer.config import NetworkConfig
from galam_explorer.networks.blocks import Network
from galam_explorer.networks.image_only import CompactImageOnly, PaperImageOnly
from galam_explorer.networks.m1_spectrum import CompactM1, PaperM1
from galam_explorer.networks.m2_simulated_features import CompactM2, PaperM2
from galam_explorer.networks.m3_image import CompactM3, PaperM3
from galam_explorer.networks.m4_fusion import CompactM4, PaperM4
from galam_explorer.networks.output import N_FEATURES

__all__ = ["BUILDERS", "Builder", "build_network", "count_parameters"]

Builder = Callable[[NetworkConfig], Network]


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
    return _builder(config, stage)(config)


def count_parameters(network: nn.Module) -> int:
    """Trainable numbers in a network."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def _builder(config: NetworkConfig, stage: str) -> Builder:
    """A plugin's own network, or the one of the preset that it is based on."""
    own = BUILDERS.get(config.preset, {})
    return own[stage] if stage in own else BUILDERS[config.base][stage]


def _compact_m4(config: NetworkConfig) -> CompactM4:
    if config.attention == "single":
        return CompactM4(config, N_FEATURES, 1)
    if "m3" in BUILDERS[config.preset] and config.preset != config.base:
        return CompactM4(config, _token_width(config), 64)
    return CompactM4(config, CompactM3(config).trunk.channels, 64)


def _token_width(config: NetworkConfig) -> int:
    """Numbers in a token of a plugin's M3, found by asking it."""
    image = torch.zeros(1, len(config.channels), config.resolution, config.resolution)
    with torch.inference_mode():
        return int(build_network("m3", config).eval()(image).tokens.shape[-1])


def _image_only(config: NetworkConfig) -> Network:
    total = sum(count_parameters(build_network(stage, config)) for stage in ("m2", "m3", "m4"))
    rival = PaperImageOnly if config.base == "paper" else CompactImageOnly
    return rival(config, total)


BUILDERS: dict[str, dict[str, Builder]] = {
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

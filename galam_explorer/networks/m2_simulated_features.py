"""M2: image → M1's features, so that galaxies without a spectrum get some (paper Sect. 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from galam_explorer.config import NetworkConfig
from galam_explorer.networks.blocks import Network, glorot
from galam_explorer.networks.m3_image import ImageTrunk
from galam_explorer.networks.output import N_FEATURES, Output

__all__ = ["CompactM2", "PaperM2"]


class PaperM2(Network):
    """The published layers: four convolutions with pools, two dense layers.

    Takes images (B, C, R, R), 0 to 1. 10 876 224 parameters for three bands at 128 px.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side = len(config.channels), config.resolution
        for filters in (32, 64, 128, 256):
            layers += [nn.Conv2d(channels, filters, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            channels, side = filters, (side - 2) // 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3))
        self.dense = nn.Sequential(
            nn.Linear(side * side * channels, 1024),
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.Linear(1024, N_FEATURES),
        )
        self.apply(glorot)

    def forward(self, images: Tensor) -> Output:
        """``features`` (B, 1024): M1's, min–max normalised; clipped at 0 outside training."""
        return Output(features=clipped(self.dense(self.body(images)), self.training))


class CompactM2(Network):
    """A strided residual network with M3's trunk (its own weights) and two dense layers.

    Takes images (B, C, R, R), 0 to 1.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.trunk = ImageTrunk(config)
        self.dense = nn.Sequential(
            nn.Conv2d(self.trunk.channels, 12, 1),
            nn.Flatten(),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(12 * 64, 512),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(512, N_FEATURES),
        )

    def forward(self, images: Tensor) -> Output:
        """``features`` (B, 1024): M1's, min–max normalised; clipped at 0 outside training."""
        return Output(features=clipped(self.dense(self.trunk(images)), self.training))


def clipped(features: Tensor, training: bool) -> Tensor:
    """Negative features become 0 (as published), but not while gradients are needed."""
    features = features.float()
    return features if training else torch.relu(features)

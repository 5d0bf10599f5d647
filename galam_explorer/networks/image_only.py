"""The fair rival: one image network with as many parameters as M2, M3 and M4 together."""

from __future__ import annotations

from torch import Tensor, nn

from galam_explorer.config import NetworkConfig
from galam_explorer.networks.blocks import Head, Network, glorot
from galam_explorer.networks.m3_image import ImageTrunk, paper_image_body
from galam_explorer.networks.output import N_FEATURES, Output

__all__ = ["CompactImageOnly", "PaperImageOnly"]


def _width_for(parameters: int, inputs: int) -> int:
    """Width of a dense layer between `inputs` and the features that costs `parameters`."""
    return max(64, round(parameters / (inputs + N_FEATURES + 1)))


class PaperImageOnly(Network):
    """M3's convolutions with a wider first dense layer.

    Parameters
    ----------
    config : NetworkConfig
    parameters : int
        What it shall have in all, about.
    """

    def __init__(self, config: NetworkConfig, parameters: int) -> None:
        super().__init__()
        layers, regularised, outputs = paper_image_body(config)
        self.body = nn.Sequential(*layers)
        used = sum(weight.numel() for weight in self.body.parameters())
        wide = _width_for(parameters - used, outputs)
        self.dense = nn.Sequential(
            nn.Linear(outputs, wide), nn.ReLU(inplace=True), nn.Linear(wide, N_FEATURES), nn.ReLU()
        )
        self.label = nn.Linear(N_FEATURES, 2)
        self.regularised = tuple(regularised)
        self.apply(glorot)

    def forward(self, images: Tensor) -> Output:
        """``mean`` (B, 2) and ``features`` (B, 1024) of images (B, C, R, R)."""
        features = self.dense(self.body(images))
        return Output(self.label(features).float(), features=features)


class CompactImageOnly(Network):
    """M3 with a wider trunk and wider dense layers; parameters as above."""

    def __init__(self, config: NetworkConfig, parameters: int) -> None:
        super().__init__()
        self.trunk = ImageTrunk(config, width=4 / 3)
        used = sum(weight.numel() for weight in self.trunk.parameters())
        used += (self.trunk.channels + 1) * 16 + 4 * (N_FEATURES + 1)
        wide = _width_for(parameters - used, 16 * 64)
        self.features = nn.Sequential(
            nn.Conv2d(self.trunk.channels, 16, 1),
            nn.Flatten(),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(16 * 64, wide),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(wide, N_FEATURES),
            nn.ReLU(),
        )
        self.drop = nn.Dropout(config.dropout)
        self.head = Head(N_FEATURES)

    def forward(self, images: Tensor) -> Output:
        """``mean`` and ``log_sigma`` (B, 2), ``features`` (B, 1024) of images (B, C, R, R)."""
        features = self.features(self.trunk(images))
        mean, log_sigma = self.head(self.drop(features))
        return Output(mean, log_sigma, features)

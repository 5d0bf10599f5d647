"""M3: image → features and spatial tokens → age and metallicity (paper Sect. 3.3)."""

from __future__ import annotations

from torch import Tensor, nn

from galam_explorer.config import NetworkConfig
from galam_explorer.networks.blocks import Head, Network, Residual, conv_norm, glorot
from galam_explorer.networks.output import N_FEATURES, Output

__all__ = ["CompactM3", "ImageTrunk", "PaperM3", "paper_image_body"]


def paper_image_body(config: NetworkConfig) -> tuple[list[nn.Module], list[nn.Conv2d], int]:
    """The published convolutions: ``(layers, regularised ones, outputs after flattening)``."""
    layers: list[nn.Module] = []
    regularised = []
    channels = len(config.channels)
    for filters in (32, 64, 128, 256):
        for place, inputs in enumerate((channels, filters, filters)):
            conv = nn.Conv2d(inputs, filters, 3, padding=1)
            layers += [conv, nn.ReLU(inplace=True)]
            if place < 2:
                regularised.append(conv)
        layers.append(nn.MaxPool2d(2))
        channels = filters
    return [*layers, nn.Flatten()], regularised, 256 * (config.resolution // 16) ** 2


class PaperM3(Network):
    """The published layers: four blocks of three convolutions and a pool, three dense layers.

    Takes images (B, C, R, R), 0 to 1. 37 612 802 parameters for three bands at 128 px.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        layers, regularised, outputs = paper_image_body(config)
        self.body = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Linear(outputs, 2048),
            nn.ReLU(inplace=True),
            nn.Linear(2048, N_FEATURES),
            nn.ReLU(),
        )
        self.label = nn.Linear(N_FEATURES, 2)
        self.regularised = tuple(regularised)
        self.apply(glorot)

    def forward(self, images: Tensor) -> Output:
        """``mean`` (B, 2), ``features`` (B, 1024), and they as the one token (B, 1, 1024)."""
        features = self.dense(self.body(images))
        return Output(self.label(features).float(), features=features, tokens=features.unsqueeze(1))


class ImageTrunk(nn.Module):
    """Images (B, C, R, R) to planes (B, D, 8, 8): strided convolutions, residual blocks.

    Parameters
    ----------
    config : NetworkConfig
    width : float
        Scales the channels further.
    """

    def __init__(self, config: NetworkConfig, width: float = 1.0) -> None:
        super().__init__()
        c = [max(8, 8 * round(n * config.width * width / 8)) for n in (24, 48, 96)]
        # Patches of 4 px (2 px at 64) with an overlap: most of the cost is at full resolution.
        stride = config.resolution // 32
        self.channels = c[2]
        self.layers = nn.Sequential(
            nn.Conv2d(len(config.channels), c[0], stride + 2, stride, 1, bias=False),
            nn.BatchNorm2d(c[0]),
            nn.ReLU(inplace=True),
            conv_norm(c[0], c[1], 3, 2),
            Residual(c[1]),
            conv_norm(c[1], c[2], 3, 2),
            Residual(c[2]),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Planes (B, D, 8, 8), not negative."""
        return self.layers(images)


class CompactM3(Network):
    """A strided residual network, 1024 features, and 8×8 spatial tokens for M4.

    Takes images (B, C, R, R), 0 to 1.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.single = config.attention == "single"
        self.trunk = ImageTrunk(config)
        self.features = nn.Sequential(
            nn.Conv2d(self.trunk.channels, 12, 1),
            nn.Flatten(),
            nn.ReLU(inplace=True),
            nn.Linear(12 * 64, N_FEATURES),
            nn.ReLU(),
        )
        self.drop = nn.Dropout(config.dropout)
        self.head = Head(N_FEATURES)

    def forward(self, images: Tensor) -> Output:
        """``mean`` and ``log_sigma`` (B, 2), ``features`` (B, 1024), ``tokens`` (B, T, D)."""
        planes = self.trunk(images)
        features = self.features(planes)
        mean, log_sigma = self.head(self.drop(features))
        tokens = features.unsqueeze(1) if self.single else planes.flatten(2).transpose(1, 2)
        return Output(mean, log_sigma, features, tokens)

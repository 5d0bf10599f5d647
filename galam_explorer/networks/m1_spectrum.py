"""M1: spectrum → 1024 features → age and metallicity (paper Sect. 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from galam_explorer.config import NetworkConfig
from galam_explorer.networks.blocks import Head, Network, Residual, conv_norm, glorot
from galam_explorer.networks.output import N_FEATURES, N_PIXELS, Output

__all__ = ["CompactM1", "PaperM1"]


class PaperM1(Network):
    """The published layers: four blocks of two convolutions and a pool, four dense layers.

    Takes spectra (B, 4171), 0 to 1. 36 907 229 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        convolutions = []
        channels = 1
        for filters in (16, 32, 64, 128):
            for inputs in (channels, filters):
                convolutions.append(nn.Conv1d(inputs, filters, 3))
                layers += [convolutions[-1], nn.ReLU(inplace=True)]
            layers.append(nn.MaxPool1d(3))
            channels = filters
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.dense = nn.Sequential(
            nn.Linear(49 * 128, 4171),
            nn.ReLU(inplace=True),
            nn.Linear(4171, 2048),
            nn.ReLU(inplace=True),
            nn.Linear(2048, N_FEATURES),
            nn.ReLU(),
        )
        self.label = nn.Linear(N_FEATURES, 2)
        self.regularised = tuple(convolutions)
        self.apply(glorot)

    def forward(self, spectra: Tensor) -> Output:
        """``mean`` (B, 2) and ``features`` (B, 1024)."""
        features = self.dense(self.body(spectra.unsqueeze(1)))
        return Output(mean=self.label(features).float(), features=features)


class CompactM1(Network):
    """Strided residual convolutions over wavelength; positions are kept to the end.

    Takes spectra (B, 4171). Each is standardised first, since a maximum that is
    a sky residual would squeeze the rest. Convolutions are two-dimensional with
    one row, which runs several times faster on CPUs.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c = [max(8, round(n * config.width)) for n in (24, 48, 64, 96)]
        self.trunk = nn.Sequential(
            conv_norm(1, c[0], (1, 9), (1, 3)),
            conv_norm(c[0], c[1], (1, 5), (1, 2)),
            conv_norm(c[1], c[2], (1, 5), (1, 2)),
            Residual(c[2], (1, 5)),
            conv_norm(c[2], c[3], (1, 5), (1, 2)),
            Residual(c[3], (1, 5)),
            nn.Conv2d(c[3], 8, 1),
            nn.ReLU(inplace=True),
        )
        length = N_PIXELS
        for stride in (3, 2, 2, 2):
            length = -(-length // stride)
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(8 * length, N_FEATURES), nn.ReLU())
        self.drop = nn.Dropout(config.dropout)
        self.head = Head(N_FEATURES)

    def forward(self, spectra: Tensor) -> Output:
        """``mean`` and ``log_sigma`` (B, 2), ``features`` (B, 1024)."""
        std, mean = torch.std_mean(spectra, dim=1, keepdim=True)
        rows = ((spectra - mean) / std.clamp_min(1e-6)).clamp(-6, 6)
        planes = rows[:, None, None, :].contiguous(memory_format=torch.channels_last)
        features = self.features(self.trunk(planes))
        mean, log_sigma = self.head(self.drop(features))
        return Output(mean, log_sigma, features)

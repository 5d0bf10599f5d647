"""A plugin: the preset ``turned``, whose M3 does not care which way is up.

A galaxy's orientation on the sky says nothing about its stars. M3 learns that from turned
training images; this one cannot help it: it looks at the image in four orientations and takes
the mean. The other networks are those of ``compact``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from galam_explorer.config import NetworkConfig
from galam_explorer.networks import Network, Output, register_preset
from galam_explorer.networks.m3_image import CompactM3


class TurnedM3(Network):
    """The compact M3, averaged over four right angles.

    Takes images (B, C, R, R), 0 to 1.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.m3 = CompactM3(config)

    def forward(self, images: Tensor) -> Output:
        """``mean`` and ``log_sigma`` (B, 2), ``features`` (B, 1024), ``tokens`` (B, 64, D)."""
        seen = [self.m3(torch.rot90(images, quarter, (2, 3))) for quarter in range(4)]

        def average(name: str) -> Tensor:
            return torch.stack([getattr(one, name) for one in seen]).mean(dim=0)

        # M4 asks where in the image something is: its tokens are those of the image as it came.
        return Output(
            average("mean"), average("log_sigma"), average("features"), tokens=seen[0].tokens
        )


register_preset("turned", {"m3": TurnedM3}, plugin=__name__)

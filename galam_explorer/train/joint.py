"""M2, M3 and M4 as one network, from the image to M4's answer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from galam_explorer.networks import Output, normalise_features

__all__ = ["JointNetwork", "JointOutput"]


class JointOutput(NamedTuple):
    """Answers of M4 and of M3, and M2's features (B, 1024)."""

    fusion: Output
    image: Output
    simulated: Tensor


class JointNetwork(nn.Module):
    """M2, M3 and M4 end to end, for fine-tuning them together.

    The paper trains them one after the other and its attention not at all.

    Parameters
    ----------
    m2, m3, m4 : nn.Module
        Already trained.
    """

    def __init__(self, m2: nn.Module, m3: nn.Module, m4: nn.Module) -> None:
        super().__init__()
        self.m2, self.m3, self.m4 = m2, m3, m4

    def forward(self, images: Tensor) -> JointOutput:
        """All answers for images (B, C, R, R)."""
        # Outside training M2 clips at 0 by itself.
        simulated = self.m2(images).features.float()
        image = self.m3(images)
        fusion = self.m4(normalise_features(torch.relu(simulated)), image.tokens.float())
        return JointOutput(fusion, image, simulated)

    def l2_terms(self) -> Tensor:
        """Sum of squares of the weights that the paper regularises."""
        return self.m2.l2_terms() + self.m3.l2_terms() + self.m4.l2_terms()

"""Pieces that several networks share."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Head", "Network", "Residual", "conv_norm", "glorot", "sum_of_squares"]


class Network(nn.Module):
    """Base: the paper's regularised weights and the one initialisation."""

    regularised: tuple[nn.Module, ...] = ()

    def l2_terms(self) -> Tensor:
        """Sum of squares of the weights that the paper regularises by 1e-3; 0 without any."""
        return sum_of_squares(module.weight for module in self.regularised)


def sum_of_squares(weights: Iterable[Tensor]) -> Tensor:
    """Σ w² over all tensors."""
    terms = [weight.square().sum() for weight in weights]
    return torch.stack(terms).sum() if terms else torch.zeros(())


def glorot(module: nn.Module) -> None:
    """Uniform Glorot weights and zero biases: Keras' defaults, so the paper's."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def conv_norm(
    inputs: int, outputs: int, size: int | tuple[int, int], stride: int | tuple[int, int] = 1
) -> nn.Sequential:
    """Convolution that keeps the grid (up to its stride), batch norm, ReLU."""
    sizes = (size, size) if isinstance(size, int) else size
    padding = tuple(one // 2 for one in sizes)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two convolutions around a shortcut (He et al. 2016); shape (B, C, H, W) stays."""

    def __init__(self, channels: int, size: int | tuple[int, int] = 3) -> None:
        super().__init__()
        sizes = (size, size) if isinstance(size, int) else size
        padding = tuple(one // 2 for one in sizes)
        self.first = conv_norm(channels, channels, size)
        self.second = nn.Conv2d(channels, channels, size, 1, padding, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, planes: Tensor) -> Tensor:
        """Add what two convolutions say to `planes`."""
        return torch.relu(planes + self.norm(self.second(self.first(planes))))


class Head(nn.Module):
    """Mean and learned spread of the two labels from any vector.

    The spread starts near 0.15 of the label range, about a prior's width.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 4)
        nn.init.normal_(self.linear.weight, std=0.01)
        with torch.no_grad():
            self.linear.bias.copy_(torch.tensor([0.6, 0.6, -1.9, -1.9]))

    def forward(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """``(mean, log_sigma)``, both (B, 2)."""
        values = self.linear(vector).float()
        return values[:, :2], values[:, 2:].clamp(-6.0, 1.5)

"""M4: simulated features look at the image's tokens → age and metallicity (paper Sect. 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from galam_explorer.config import NetworkConfig
from galam_explorer.networks.blocks import Head, Network, glorot
from galam_explorer.networks.inputs import normalise_features
from galam_explorer.networks.output import N_FEATURES, Output

__all__ = ["CompactM4", "MultiHeadAttention", "PaperM4"]


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention that gives its weights (Vaswani et al. 2017).

    Unlike torch's own, the size of a head is free: the paper has 8 heads of
    1024 each on 1024 features.

    Parameters
    ----------
    width : int
        Of queries, keys, values and results.
    heads, head_width : int
    dropout : float
        Of the weights, while training.
    """

    def __init__(self, width: int, heads: int, head_width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.head_width = heads, head_width
        self.query = nn.Linear(width, heads * head_width)
        self.key = nn.Linear(width, heads * head_width)
        self.value = nn.Linear(width, heads * head_width)
        self.out = nn.Linear(heads * head_width, width)
        self.drop = nn.Dropout(dropout)

    def _split(self, rows: Tensor) -> Tensor:
        return rows.unflatten(2, (self.heads, self.head_width)).transpose(1, 2)

    def forward(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Results (B, Q, width) and weights (B, heads, Q, T) that sum to 1 over T."""
        q, k = self._split(self.query(queries)), self._split(self.key(tokens))
        scores = (q @ k.transpose(2, 3)).float() * self.head_width**-0.5
        weights = scores.softmax(dim=-1)
        mixed = self.drop(weights).to(q.dtype) @ self._split(self.value(tokens))
        return self.out(mixed.transpose(1, 2).flatten(2)), weights


class PaperM4(Network):
    """The published layers, with the attention trained end to end.

    One query (M2's features) and one token (M3's features): the softmax over a
    single key is 1, so there is nothing to see in the weights. 33 582 080
    parameters in the fusion, 4 788 098 in the regressor.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(N_FEATURES, config.heads, 1024)
        self.norm = nn.LayerNorm(N_FEATURES)
        self.drop = nn.Dropout(0.1)
        self.regressor = nn.Sequential(
            nn.Linear(N_FEATURES, 2048),
            nn.ReLU(inplace=True),
            nn.Linear(2048, 1024),
            nn.ReLU(inplace=True),
            nn.Linear(1024, 512),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(512, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Linear(128, 2),
        )
        self.apply(glorot)

    def forward(self, features: Tensor, tokens: Tensor) -> Output:
        """From features (B, 1024) and tokens (B, 1, 1024): ``mean`` (B, 2), ``attention``."""
        mixed, weights = self.attention(features.unsqueeze(1), tokens.to(features.dtype))
        fused = self.drop(self.norm(features + mixed.squeeze(1)))
        return Output(self.regressor(normalise_features(fused)).float(), attention=weights)


class CompactM4(Network):
    """Groups of features look at the 8×8 tokens; residual, layer norm, five dense layers.

    A weight says how much a group of M2's features takes from one place of the
    galaxy. With one token (``attention="single"``) every weight is 1.
    """

    def __init__(self, config: NetworkConfig, token_width: int, tokens: int) -> None:
        super().__init__()
        width = 128
        self.queries = config.queries
        group = N_FEATURES // config.queries
        self.group = nn.Linear(group, width)
        self.token = nn.Linear(token_width, width)
        self.group_name = nn.Parameter(torch.randn(config.queries, width) * 0.02)
        self.place = nn.Parameter(torch.randn(tokens, width) * 0.02)
        self.token_norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, config.heads, 128 // config.heads, 0.1)
        self.drop = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(width)
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = config.queries * width
        for outputs in (512, 256, 128, 64):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(0.1)]
            inputs = outputs
        self.regressor = nn.Sequential(*layers)
        self.head = Head(inputs)

    def forward(self, features: Tensor, tokens: Tensor) -> Output:
        """From features (B, 1024) and tokens (B, T, D): ``mean``, ``log_sigma``, ``attention``."""
        queries = self.group(features.unflatten(1, (self.queries, -1))) + self.group_name
        keys = self.token_norm(self.token(tokens.to(features.dtype)) + self.place)
        mixed, weights = self.attention(queries, keys)
        fused = self.norm(queries + self.drop(mixed))
        mean, log_sigma = self.head(self.regressor(fused))
        return Output(mean, log_sigma, attention=weights)

"""Choices of the four networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from galam_explorer.config.base import Config
from galam_explorer.config.presets import NETWORKS, base_of, preset_names

__all__ = ["BANDS", "NETWORKS", "NetworkConfig"]

BANDS = ("g", "r", "i", "gr", "gi", "ri", "gri")
"""Choices of bands (paper Table A.1)."""


@dataclass(frozen=True)
class NetworkConfig(Config):
    """The shape of the networks.

    Parameters
    ----------
    preset : {"compact", "paper"} or a plugin's
        ``paper``: the published layers exactly. ``compact``: the same inputs,
        1024 features and roles, sized for a 2-core machine. Others are there once
        `galam_explorer.load_plugin` has loaded the plugin that brings them.
    attention : {"tokens", "single"}
        ``tokens``: queries are groups of M2's features, keys and values M3's 8×8
        spatial tokens. ``single``: one token each as published, whose weights are 1
        by construction. The ``paper`` preset is ``single``.
    bands : str
        Which of g, r, i the image networks see (paper Table A.1).
    resolution : {128, 64}
        Side of the images that the networks see, px (paper Table A.2).
    heads : int
        Attention heads.
    queries : int
        Groups that M2's 1024 features are cut into (``tokens``).
    dropout : float
        Of the fusion and of M2, from 0 to 1 (paper: 0.1 and 0.3; here M2's).
    width : float
        Scales the channels of ``compact``.
    """

    preset: str = "compact"
    attention: str = "tokens"
    bands: str = "gri"
    resolution: int = 128
    heads: int = 8
    queries: int = 16
    dropout: float = 0.1
    width: float = 1.0

    def __post_init__(self) -> None:
        self.require(
            self.preset in preset_names(),
            "preset",
            f"one of {', '.join(preset_names())}, or of a plugin that is loaded (--plugin)",
        )
        self.require(self.attention in ("tokens", "single"), "attention", "'tokens' or 'single'")
        self.require(
            self.base == "compact" or self.attention == "single",
            "attention",
            "'single' in the paper preset (use NetworkConfig.paper())",
        )
        self.require(self.bands in BANDS, "bands", f"one of {', '.join(BANDS)}")
        self.require(self.resolution in (64, 128), "resolution", "64 or 128")
        self.require(self.heads in (1, 2, 4, 8, 16), "heads", "1, 2, 4, 8 or 16")
        self.require(self.queries in (1, 4, 8, 16, 32), "queries", "1, 4, 8, 16 or 32")
        self.require(0 <= self.dropout < 1, "dropout", "at least 0 and below 1")
        self.require(0.25 <= self.width <= 4, "width", "from 0.25 to 4")

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """The published networks (paper Sect. 3)."""
        return cls(**{"preset": "paper", "attention": "single", "queries": 1, **changes})

    @classmethod
    def named(cls, preset: str, **changes: Any) -> Self:
        """The default choices of a preset."""
        chosen = {"preset": preset, **changes}
        return cls.paper(**chosen) if base_of(preset) == "paper" else cls(**chosen)

    @property
    def base(self) -> str:
        """``compact`` or ``paper``: the preset, or the one that a plugin's is based on."""
        return base_of(self.preset)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of an RGB image (i, r, g as R, G, B) that the bands stand for."""
        return tuple("irg".index(band) for band in "irg" if band in self.bands)

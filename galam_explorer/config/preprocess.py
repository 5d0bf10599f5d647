"""Choices of the preprocessing."""

from __future__ import annotations

from dataclasses import dataclass

from galam_explorer.config.base import Config

__all__ = ["PreprocessConfig"]


@dataclass(frozen=True)
class PreprocessConfig(Config):
    """How spectra and cutouts become network inputs (placeholder fields follow)."""

    size: int = 128

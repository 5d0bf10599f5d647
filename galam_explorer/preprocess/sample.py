"""A prepared sample: the network inputs of a whole survey, mapped from disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.preprocess.work import STATUS_COLUMNS, TENSORS
from galam_explorer.survey.store import Survey

__all__ = [
    "ALGORITHM",
    "PreparedSample",
    "load_prepared",
    "read_manifest",
    "resolve",
    "sample_path",
]

ALGORITHM = 1
"""Raised when the same configuration gives other results: old samples are then made again."""


@dataclass(frozen=True, eq=False)
class PreparedSample:
    """The prepared sample of a survey; row i belongs to ``survey.ids[i]``.

    Parameters
    ----------
    path : Path
        Its folder.
    config : PreprocessConfig
    ids : list of str
    status : DataFrame
        Columns ``id``, ``status`` (the first failing one, the spectrum's
        before the image's), ``reason``, ``spectrum_status``, ``image_status``.
    images : ndarray, uint8 (n, 128, 128, 3)
        Memory-mapped; zero where ``image_status`` is not ``ok``.
    spectra : ndarray, float32 (n, 4171)
        Memory-mapped; zero where ``spectrum_status`` is not ``ok``.
    notes : tuple of str
        What was reused and why, for the user.
    """

    path: Path
    config: PreprocessConfig
    ids: list[str]
    status: pd.DataFrame
    images: np.ndarray
    spectra: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts().items())
        return f"<PreparedSample {self.path.name}: {len(self)} galaxies ({counts})>"

    def counts(self, column: str = "status") -> dict[str, int]:
        """Number of galaxies by status, the most frequent first."""
        return {str(k): int(v) for k, v in self.status[column].value_counts().items()}

    def rows(self, **wanted: str) -> np.ndarray:
        """Rows with the given statuses, for example ``rows(image_status="ok")``."""
        keep = np.ones(len(self), dtype=bool)
        for column, value in wanted.items():
            if column not in STATUS_COLUMNS:
                raise GalamError(
                    f"no status column {column!r}", self.path, f"use {', '.join(STATUS_COLUMNS)}"
                )
            keep &= (self.status[column] == value).to_numpy()
        return np.flatnonzero(keep)


def sample_path(survey: Survey, config: PreprocessConfig) -> Path:
    """Folder of the finished sample, whether it is there or not."""
    return survey.cache_dir / "prepared" / config.hash


def load_prepared(
    survey: Survey, config: PreprocessConfig | str = "robust", notes: tuple[str, ...] = ()
) -> PreparedSample:
    """Open a prepared sample; arrays are mapped, not read.

    Raises
    ------
    GalamError
        If the survey was not prepared like this, or has changed since.
    """
    config = resolve(config)
    path = sample_path(survey, config)
    manifest = read_manifest(path)
    remedy = "run `galam prepare`"
    if manifest is None:
        raise GalamError("this survey is not prepared with this configuration", path, remedy)
    if manifest["fingerprint"] != survey.fingerprint or manifest["algorithm"] != ALGORITHM:
        raise GalamError("the survey has changed since it was prepared", path, remedy)
    try:
        status = pd.read_parquet(path / "status.parquet")
        arrays = {stem: np.load(path / f"{stem}.npy", mmap_mode="r") for stem in TENSORS}
    except (OSError, ValueError) as error:
        raise GalamError(f"the prepared sample is damaged ({error})", path, remedy) from error
    ids = status["id"].tolist()
    if ids != survey.ids or any(len(array) != len(ids) for array in arrays.values()):
        raise GalamError("the prepared sample is not this survey's", path, remedy)
    return PreparedSample(path, config, ids, status, **arrays, notes=notes)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What a sample was made of; None if `folder` holds none."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return manifest if {"algorithm", "fingerprint", "units"} <= set(manifest) else None
    except (OSError, ValueError, TypeError):
        return None


def resolve(config: PreprocessConfig | str) -> PreprocessConfig:
    """A configuration, or the one of that name."""
    return PreprocessConfig.named(config) if isinstance(config, str) else config

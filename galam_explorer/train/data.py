"""What the networks learn from, in memory, and which rows each of them may use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from galam_explorer.config import LabelConfig, PreprocessConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels import load_labels, saved_labels
from galam_explorer.preprocess.sample import load_prepared, resolve
from galam_explorer.survey.store import Survey
from galam_explorer.train.split import SETS, Split, make_split, same_object_groups

__all__ = [
    "SETS",
    "TARGETS",
    "LabelScaling",
    "Split",
    "TrainingData",
    "load_training_data",
    "make_split",
    "same_object_groups",
    "stage_rows",
]

TARGETS = ("log_age", "m_h")
"""What is predicted, in the order of the networks' outputs."""
_FEWEST = {"train": 8, "validation": 2}


@dataclass(frozen=True)
class LabelScaling:
    """Min-max scaling of labels to [0, 1] by the training galaxies alone.

    The paper fits it on all galaxies. Values outside the training range are
    scaled beyond 0 and 1, not clipped.

    Parameters
    ----------
    low, high : tuple of float
        Of ``log_age`` and ``m_h`` over the training galaxies.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def fit(cls, labels: np.ndarray) -> Self:
        """From training labels, shape (n, 2), NaN rows left out.

        Raises
        ------
        GalamError
            If a label is the same for all galaxies, or there is none.
        """
        finite = labels[np.isfinite(labels).all(axis=1)]
        if len(finite) == 0:
            raise GalamError("no training galaxy has a label", "labels", "run `galam label`")
        low, high = finite.min(axis=0), finite.max(axis=0)
        for name, lowest, highest in zip(TARGETS, low, high, strict=True):
            if not highest - lowest > 1e-6:
                text = f"{name} is {lowest:g} for all {len(finite)} training galaxies"
                raise GalamError(text, "labels", "there is nothing to learn from them")
        return cls(tuple(map(float, low)), tuple(map(float, high)))

    @property
    def width(self) -> tuple[float, ...]:
        """``high - low``: dex per scaled unit."""
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))

    def scale(self, labels: Any) -> Any:
        """Dex to scaled units; arrays or tensors, shape (..., 2)."""
        low, width = self._like(labels)
        return (labels - low) / width

    def unscale(self, scaled: Any) -> Any:
        """Scaled units to dex; arrays or tensors, shape (..., 2)."""
        low, width = self._like(scaled)
        return scaled * width + low

    def _like(self, values: Any) -> tuple[Any, Any]:
        make = values.new_tensor if hasattr(values, "new_tensor") else np.asarray
        return make(self.low), make(self.width)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Inputs and labels of a survey; row i belongs to ``ids[i]``.

    Parameters
    ----------
    ids : ndarray of str, shape (n,)
    images : ndarray, uint8 (n, 128, 128, 3)
        In memory if they fit into half of what is free, mapped from disk otherwise.
    spectra : ndarray, float32 (n, 4171)
        Likewise.
    labels : ndarray, float32 (n, 2)
        What is learned: ``log_age``, ``m_h``; NaN where there is none.
    truth : ndarray, float32 (n, 2)
        What the simulation put in; NaN for real galaxies.
    sn_r : ndarray, float32 (n,)
    has_image, has_spectrum, has_label : ndarray of bool, shape (n,)
        Which rows are usable.
    preprocess : PreprocessConfig
    label : LabelConfig or None
        None when `labels` are the truth.
    """

    ids: np.ndarray
    images: np.ndarray
    spectra: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    sn_r: np.ndarray
    has_image: np.ndarray
    has_spectrum: np.ndarray
    has_label: np.ndarray
    preprocess: PreprocessConfig
    label: LabelConfig | None

    def __len__(self) -> int:
        return len(self.ids)


def load_training_data(
    survey: Survey,
    preprocess: PreprocessConfig | str = "robust",
    train: TrainConfig | None = None,
    label: LabelConfig | str | None = None,
) -> TrainingData:
    """Load the inputs and labels of a prepared and labelled survey.

    Parameters
    ----------
    survey : Survey
    preprocess : PreprocessConfig or str
    train : TrainConfig, optional
        Its `target` says whether labels or the truth are learned.
    label : LabelConfig or str, optional
        Or the hash of one; the newest labels by default. Unused for the truth.

    Returns
    -------
    TrainingData

    Raises
    ------
    GalamError
        If the survey is empty, not prepared, not labelled, or has no truth.
    """
    train = train or TrainConfig()
    if len(survey) == 0:
        raise GalamError("the survey has no galaxies", survey.path)
    sample = load_prepared(survey, resolve(preprocess))
    truth = _truth(survey)
    if train.target == "truth":
        if truth is None:
            remedy = "use --target label"
            raise GalamError("only simulated surveys have a truth to learn", survey.path, remedy)
        labels, label = truth, None
    else:
        found = load_labels(survey, label if label is not None else _newest(survey))
        label, labels = found.config, _label_values(survey, found.table)
    return TrainingData(
        ids=np.asarray(survey.ids, dtype=str),
        images=_resident(sample.images),
        spectra=_resident(sample.spectra),
        labels=labels,
        truth=np.full((len(survey), 2), np.nan, np.float32) if truth is None else truth,
        sn_r=survey.column("sn_r").astype(np.float32),
        has_image=(sample.status["image_status"] == "ok").to_numpy(),
        has_spectrum=(sample.status["spectrum_status"] == "ok").to_numpy(),
        has_label=np.isfinite(labels).all(axis=1),
        preprocess=sample.config,
        label=label,
    )


def _newest(survey: Survey) -> str:
    if not (saved := saved_labels(survey)):
        raise GalamError("this survey has no labels", survey.path, "run `galam label`")
    return next(iter(saved))


def _truth(survey: Survey) -> np.ndarray | None:
    columns = [f"true_{name}" for name in TARGETS]
    if not set(columns) <= set(survey.catalog.columns):
        return None
    return np.array(survey.catalog[columns], dtype=np.float32)


def _label_values(survey: Survey, table: Any) -> np.ndarray:
    """Labels in catalogue order, NaN where the fit failed or there is none."""
    good = table[table["status"] == "ok"].drop_duplicates("id").set_index("id")
    values = good.reindex(survey.ids)[list(TARGETS)].to_numpy(dtype=np.float32)
    if not np.isfinite(values).all(axis=1).any():
        raise GalamError("no galaxy has a finite label", survey.path, "run `galam label`")
    return np.where(np.isfinite(values).all(axis=1, keepdims=True), values, np.nan)


def _resident(array: np.ndarray) -> np.ndarray:
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        free = 4 << 30
    if array.nbytes <= free / 2:
        return np.array(array)
    # Torch wants arrays that can be written; these stay on disk as they are.
    return np.load(array.filename, mmap_mode="c")


def stage_rows(data: TrainingData, split: Split, stage: str, name: str) -> np.ndarray:
    """Rows of a set that a stage can use, ascending.

    M1 needs a spectrum and a label; M2 an image and a spectrum; M3, M4 and the
    image-only network an image and a label; M4 with real features all three.

    Raises
    ------
    GalamError
        If too few are left to train or to validate on.
    """
    usable = np.ones(len(data), dtype=bool)
    if stage in ("m1", "m2", "m4_real"):
        usable &= data.has_spectrum
    if stage != "m1":
        usable &= data.has_image
    if stage != "m2":
        usable &= data.has_label
    rows = np.flatnonzero(usable & split.mask(data.ids, name))
    if len(rows) < _FEWEST.get(name, 0):
        raise GalamError(
            f"{stage} has {len(rows)} {name} galaxies and needs at least {_FEWEST[name]}",
            Path("split"),
            "use a larger survey, or see `galam info` for what was rejected",
        )
    return rows

"""Training: one split, the stages M1 to M4, the run folder, jobs and released models.

torch and Lightning take seconds to import, so they are loaded when first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from galam_explorer.train.data import LabelScaling, TrainingData, load_training_data
    from galam_explorer.train.jobs import TrainingJob, list_runs
    from galam_explorer.train.release import ModelFiles, read_model_folder, write_model_folder
    from galam_explorer.train.runner import train_run
    from galam_explorer.train.split import Split, make_split

__all__ = [
    "LabelScaling",
    "ModelFiles",
    "Split",
    "TrainingData",
    "TrainingJob",
    "list_runs",
    "load_training_data",
    "make_split",
    "read_model_folder",
    "train_run",
    "write_model_folder",
]

_LAZY = {
    "LabelScaling": "data",
    "ModelFiles": "release",
    "Split": "split",
    "TrainingData": "data",
    "TrainingJob": "jobs",
    "list_runs": "jobs",
    "load_training_data": "data",
    "make_split": "split",
    "read_model_folder": "release",
    "train_run": "runner",
    "write_model_folder": "release",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)

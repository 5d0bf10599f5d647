"""GalAM Explorer: how galaxies' ages and metallicities are read from spectra and images.

The public names below are imported when first used, so that ``import
galam_explorer`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Explorer": "galam_explorer.app.layout",
    "FetchConfig": "galam_explorer.config",
    "GalamError": "galam_explorer.errors",
    "LabelConfig": "galam_explorer.config",
    "NetworkConfig": "galam_explorer.config",
    "PreprocessConfig": "galam_explorer.config",
    "SimulationConfig": "galam_explorer.config",
    "TrainConfig": "galam_explorer.config",
    "TrainingJob": "galam_explorer.train.jobs",
    "TrainingMonitor": "galam_explorer.app.monitor",
    "build_app": "galam_explorer.app.layout",
    "fetch_galaxy": "galam_explorer.survey.sdss_fetch",
    "fetch_survey": "galam_explorer.survey.sdss_fetch",
    "fit_batched": "galam_explorer.labels.batched",
    "fit_ppxf": "galam_explorer.labels",
    "label_survey": "galam_explorer.labels",
    "load_labels": "galam_explorer.labels",
    "load_model": "galam_explorer.evaluate.predict",
    "load_plugin": "galam_explorer.plugins",
    "load_prepared": "galam_explorer.preprocess",
    "load_survey": "galam_explorer.survey",
    "make_report": "galam_explorer.evaluate.report",
    "notebook": "galam_explorer.app.notebook",
    "prepare_cutout": "galam_explorer.preprocess",
    "prepare_spectrum": "galam_explorer.preprocess",
    "prepare_survey": "galam_explorer.preprocess",
    "simulate_survey": "galam_explorer.survey.simulation.run",
    "train_run": "galam_explorer.train.runner",
}

__all__ = [*sorted(_PUBLIC), "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'galam_explorer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

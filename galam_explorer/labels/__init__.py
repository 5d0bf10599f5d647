"""Age and metallicity by full-spectrum fitting, with their dispersion.

The batched engine imports torch, so it is loaded when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from galam_explorer.labels.survey import (
    SurveyLabels,
    label_survey,
    load_label,
    load_labels,
    saved_labels,
)
from galam_explorer.labels.templates import TemplateLibrary, load_templates
from galam_explorer.labels.unit import fit_galaxy

if TYPE_CHECKING:
    from galam_explorer.labels.batched import BatchedFitter, fit_batched
    from galam_explorer.labels.ppxf_fit import fit_ppxf

__all__ = [
    "BatchedFitter",
    "SurveyLabels",
    "TemplateLibrary",
    "fit_batched",
    "fit_galaxy",
    "fit_ppxf",
    "label_survey",
    "load_label",
    "load_labels",
    "load_templates",
    "saved_labels",
]

_LAZY = {"BatchedFitter": "batched", "fit_batched": "batched", "fit_ppxf": "ppxf_fit"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)

"""HoloViews figures made by pure functions: data in, element out.

Notebooks and the dashboard call the same functions. The first figure function
that is asked for loads HoloViews; the projections need no plotting library.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "cutout_figure": "cutout",
    "fate_figure": "preprocess",
    "filmstrip_figure": "preprocess",
    "histogram_figure": "preprocess",
    "sky_figure": "sky",
    "spectrum_figure": "spectrum",
    "stage_figure": "preprocess",
}

__all__ = [
    "cutout_figure",
    "fate_figure",
    "filmstrip_figure",
    "histogram_figure",
    "sky_figure",
    "spectrum_figure",
    "stage_figure",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

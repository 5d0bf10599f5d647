"""Import every room before threads do.

Two threads that import parts of one package at the same moment, each of them for the
first time, can see it half made; the first galaxy's predictions failed so now and
then. After `preload` no thread imports anything of ours any more.
"""

from __future__ import annotations

import importlib
import threading

__all__ = ["preload"]

_MODULES = (
    "preprocess.images",
    "labels.batched",
    "labels.ppxf_fit",
    "evaluate.predict",
    "evaluate.calibration",
    "evaluate.tables_saved",
    "train.jobs",
    "app.samp",
    "app.standalone",
    "survey.sdss_fetch",
)
_LOCK = threading.Lock()


def preload() -> None:
    """Import what background threads need, and all views; quick when it is done already."""
    from galam_explorer.app.views.registry import TABS

    with _LOCK:
        for name in _MODULES:
            importlib.import_module(f"galam_explorer.{name}")
        for spec in TABS:
            spec.load()

"""What the first page does not need, imported while its user looks at it.

torch and half of SciPy take seconds. Two threads that import parts of one package for
the first time at the same moment can see it half made, so everybody else waits here.
"""

from __future__ import annotations

import importlib
import threading

__all__ = ["preload", "preload_soon", "preloaded"]

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
_DONE = threading.Event()
_BEGUN = threading.Event()


def preloaded() -> bool:
    """Whether all is there."""
    return _DONE.is_set()


def preload() -> None:
    """Import what background threads and the other views need, or wait until it is there."""
    if _DONE.is_set():
        return
    from galam_explorer.app.views.registry import TABS

    with _LOCK:
        for name in _MODULES:
            importlib.import_module(f"galam_explorer.{name}")
        for spec in TABS:
            spec.load()
        _DONE.set()


def preload_soon() -> None:
    """Begin it in a thread, once."""
    if not _BEGUN.is_set():
        _BEGUN.set()
        threading.Thread(target=preload, daemon=True, name="preload").start()

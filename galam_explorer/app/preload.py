"""What the first page does not need, imported while its user looks at it.

torch and half of SciPy take seconds. Two threads that import parts of one package for
the first time at the same moment can see it half made, so everybody else waits here.
"""

from __future__ import annotations

import importlib
import threading
import time

__all__ = [
    "first_page_shown",
    "hold_preload",
    "preload",
    "preload_quietly",
    "preload_soon",
    "preloaded",
]

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
_FREE = threading.Event()
_FREE.set()
_HELD_S = [0.0]
_FIRST_PAGE_S = 10.0
"""How long nobody may come, or a first page may take, before all is imported anyway."""


def preloaded() -> bool:
    """Whether all is there."""
    return _DONE.is_set()


def hold_preload() -> None:
    """Leave the processor to a page that is awaited, or being built."""
    if not _DONE.is_set():
        _HELD_S[0] = time.monotonic()
        _FREE.clear()


def first_page_shown() -> None:
    """A page is there: now import the rest."""
    _FREE.set()


def preload_quietly() -> None:
    """As `preload`, but after the first page: for threads that the page does not wait for."""
    while not _DONE.is_set() and not _FREE.is_set():
        left = _HELD_S[0] + _FIRST_PAGE_S - time.monotonic()
        if left <= 0:
            break
        _FREE.wait(left)
    preload()


def preload() -> None:
    """Import what background threads and the other views need, or wait until it is there."""
    if _DONE.is_set():
        return
    _FREE.set()
    from galam_explorer.app.views.registry import TABS

    with _LOCK:
        for name in _MODULES:
            importlib.import_module(f"galam_explorer.{name}")
        for spec in TABS:
            spec.load()
        _DONE.set()


def preload_soon() -> None:
    """Begin it in a thread, once, after the first page."""
    if not _BEGUN.is_set():
        _BEGUN.set()
        threading.Thread(target=preload_quietly, daemon=True, name="preload").start()

"""Memory of sessions that have ended, given back to the system.

A session is some ten thousand small objects that refer to each other. Python finds
them when it next looks for such circles, which may be long after the last visitor has
left, and the C library keeps the pages for itself unless it is told otherwise.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading

__all__ = ["tidy", "tidy_soon"]

_QUIET_S = 5.0
"""After the last end of a session: Bokeh takes it apart after it has told us."""
_LOCK = threading.Lock()
_TIMER: list[threading.Timer] = []


def tidy() -> None:
    """Free what nothing refers to any more, and return it to the system (Linux)."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's only
        if trim is not None:
            trim(0)


def tidy_soon(seconds: float = _QUIET_S) -> None:
    """`tidy` in a thread, once no session has ended for some seconds."""
    with _LOCK:
        while _TIMER:
            _TIMER.pop().cancel()
        timer = threading.Timer(seconds, tidy)
        timer.daemon = True
        _TIMER.append(timer)
        timer.start()

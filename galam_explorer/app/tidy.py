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
from typing import TYPE_CHECKING

import panel as pn
import param
from panel.util import edit_readonly

if TYPE_CHECKING:
    from bokeh.document import Document
    from panel_material_ui import Page

__all__ = ["release", "tidy", "tidy_soon"]

_QUIET_S = 5.0
"""After the last end of a session: Bokeh takes it apart after it has told us."""
_LOCK = threading.Lock()
_TIMER: list[threading.Timer] = []


class _Rest(param.Parameterized):
    """Something that is never busy."""

    busy = param.Boolean(False)


def release(page: Page, doc: Document | None) -> None:
    """Take an ended session out of what Panel keeps for all sessions.

    Panel 1.9 forgets neither the area of the notifications, which holds the document,
    nor that the page follows whether the server is busy. Either keeps the session's
    whole page in memory for as long as the server runs.
    """
    with edit_readonly(page):
        page.busy = _Rest().param.busy  # param lets go of a reference only for another
    for ref, (view, root, its_doc, _comm) in list(pn.state._views.items()):
        if its_doc is doc:
            view._cleanup(root)
            pn.state._views.pop(ref, None)


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

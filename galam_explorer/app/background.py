"""Work that would hold up the page: a few threads for all sessions, results brought back.

No panel here: a state's ``schedule`` says how its session changes its page.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from galam_explorer.app.preload import preload
from galam_explorer.errors import GalamError

__all__ = ["Progress", "compute", "forget"]

logger = logging.getLogger(__name__)
# Torch and NumPy use several cores by themselves: more threads would only compete.
_POOL = ThreadPoolExecutor(2, thread_name_prefix="galam")
# Whole surveys wait for each other, so that single galaxies need not wait for them.
_SLOW = ThreadPoolExecutor(1, thread_name_prefix="galam-survey")
_LATEST: weakref.WeakKeyDictionary[Any, dict[Hashable, int]] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def compute(
    state: Any,
    key: Hashable,
    work: Callable[[], Any],
    done: Callable[[Any], None],
    failed: Callable[[GalamError], None] | None = None,
    *,
    slow: bool = False,
) -> None:
    """Run `work` in the background; then `done` with its result, where the page may change.

    Of several calls with the same `key` only the last one's result arrives;
    those that have not begun when a newer one comes are never run.

    Parameters
    ----------
    state : ExplorerState
        The session, for its ``schedule`` and for messages.
    key : hashable
        What is computed, for example ``"predictions"``; separate for each state.
    work : callable
        Must not touch the state or the page.
    done : callable
    failed : callable, optional
        Gets the error; by default the user is told.
    slow : bool
        For work on a whole survey: one at a time, beside the others' threads.
    """
    with _LOCK:
        numbers = _LATEST.setdefault(state, {})
        number = numbers[key] = numbers.get(key, 0) + 1

    def is_latest() -> bool:
        return _LATEST.get(state, {}).get(key) == number

    def deliver(report: Callable[[Any], None], result: Any) -> None:
        if is_latest():
            state.schedule(lambda: report(result) if is_latest() else None)

    def run() -> None:
        if not is_latest():
            return
        try:
            preload()
            result = work()
        except GalamError as error:
            deliver(failed or (lambda e: state.notify("error", e)), error)
        except Exception as error:
            # A fault of ours must not leave the page waiting; the log has the traceback.
            logger.exception("background work %r failed", key)
            wrapped = GalamError(f"{type(error).__name__}: {error}", str(key), "see the log")
            deliver(failed or (lambda e: state.notify("error", e)), wrapped)
        else:
            deliver(done, result)

    (_SLOW if slow else _POOL).submit(run)


class Progress:
    """Tells a session how far its work is, about once a second, from the work's thread.

    Parameters
    ----------
    state : ExplorerState
        The session, for its ``schedule``.
    show : callable
        Called as ``show(done, total)``, where the page may change.
    """

    def __init__(self, state: Any, show: Callable[[int, int], None]) -> None:
        self._state, self._show = state, show
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Take note; what comes within a second of the last news is left out."""
        if time.monotonic() - self._last > 1:
            self._last = time.monotonic()
            self._state.schedule(lambda: self._show(done, total))


def forget(state: Any) -> None:
    """Let no more results arrive: the session has ended."""
    with _LOCK:
        _LATEST.pop(state, None)

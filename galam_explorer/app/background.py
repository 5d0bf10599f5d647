"""Work that would hold up the page: a few threads for all sessions, results brought back.

No panel here: a state's ``schedule`` says how its session changes its page.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from galam_explorer.app.preload import preload_quietly
from galam_explorer.errors import GalamError

__all__ = ["Progress", "Task", "begin", "compute", "forget"]

logger = logging.getLogger(__name__)
# Torch and NumPy use several cores by themselves: more threads would only compete.
_POOL = ThreadPoolExecutor(2, thread_name_prefix="galam")
# Whole surveys wait for each other, so that single galaxies need not wait for them.
_SLOW = ThreadPoolExecutor(1, thread_name_prefix="galam-survey")
_LATEST: weakref.WeakKeyDictionary[Any, dict[Hashable, int]] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


class Task:
    """Work that has been begun; made by `begin`."""

    def __init__(self, state: Any, key: Hashable, number: int) -> None:
        self._state, self._key, self._number = weakref.ref(state), key, number
        self.future: Future[Any]

    def is_latest(self) -> bool:
        """Whether no newer work of this kind was begun, and the session is there."""
        state = self._state()
        return state is not None and _LATEST.get(state, {}).get(self._key) == self._number

    def wait(self, seconds: float) -> bool:
        """Whether it is done, or is within a short time; waits for what is running only."""
        if not self.future.running():
            return self.future.done()
        return bool(wait([self.future], seconds).done)

    def then(
        self, done: Callable[[Any], None], failed: Callable[[GalamError], None] | None = None
    ) -> None:
        """Call `done` with the result, or `failed`, as `compute` does."""

        def deliver(future: Future[Any]) -> None:
            state = self._state()
            if state is None or not self.is_latest():
                return
            error = future.exception()
            report = (failed or (lambda e: state.notify("error", e))) if error else done
            outcome = future.result() if error is None else self._wrapped(error)
            state.schedule(lambda: report(outcome) if self.is_latest() else None)

        self.future.add_done_callback(deliver)

    def _wrapped(self, error: BaseException) -> GalamError:
        if isinstance(error, GalamError):
            return error
        return GalamError(f"{type(error).__name__}: {error}", str(self._key), "see the log")


def begin(state: Any, key: Hashable, work: Callable[[], Any], *, slow: bool = False) -> Task:
    """Begin `work` in the background; `Task.then` brings the result. Else like `compute`."""
    with _LOCK:
        numbers = _LATEST.setdefault(state, {})
        numbers[key] = numbers.get(key, 0) + 1
        task = Task(state, key, numbers[key])

    def run() -> Any:
        if not task.is_latest():
            return None
        try:
            preload_quietly()
            return work()
        except GalamError:
            raise
        except Exception:
            # A fault of ours must not leave the page waiting; the log has the traceback.
            logger.exception("background work %r failed", key)
            raise

    task.future = (_SLOW if slow else _POOL).submit(run)
    return task


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
    begin(state, key, work, slow=slow).then(done, failed)


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

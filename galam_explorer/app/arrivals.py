"""What a session is bringing into the dashboard, apart from any view: no panel here.

A survey that opens makes all views anew, so what was said and what can be chosen
live with the session.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import param

from galam_explorer.app.inbox import SDSS_SCALE, inbox_of
from galam_explorer.errors import GalamError
from galam_explorer.survey.sdss_targets import PICK_RADIUS, Candidate, SeveralCandidatesError

__all__ = ["SURVEY", "Arrivals", "arrivals_of", "leave"]

SURVEY = "yours"
"""Short name of the survey that holds what was brought."""
logger = logging.getLogger(__name__)
# Threads of its own: a service that says nothing for a minute must not hold up predictions.
_POOL = ThreadPoolExecutor(4, thread_name_prefix="galam-yours")

Found = tuple[list[str], list[str]]
"""Ids that came, and sentences about them."""


class Arrivals(param.Parameterized):
    """Brings files and single galaxies of SDSS into a session, one request at a time.

    Parameters
    ----------
    state : ExplorerState
        The session; not kept alive by this.
    """

    busy = param.String(default="", doc="What is being done; empty for nothing.")
    about = param.Selector(default="files", objects=["files", "sdss"], doc="What the last was.")
    notes: list[str] = param.List(default=[], item_type=str, doc="What was said of the last.")
    problem = param.ClassSelector(class_=GalamError, default=None, doc="Why nothing came.")
    candidates: list[Candidate] = param.List(default=[], doc="What SDSS has there, to choose from.")
    added: list[str] = param.List(default=[], item_type=str, doc="Ids that came last.")

    def __init__(self, state: Any) -> None:
        super().__init__()
        self._state = weakref.ref(state)
        self._number = 0
        self._stop = threading.Event()

    @property
    def offline(self) -> bool:
        """Whether the last problem was that there is no way to SDSS from here."""
        return bool(getattr(self.problem, "offline", False))

    def add_files(
        self,
        files: dict[str, bytes],
        scale: float = SDSS_SCALE,
        z: float = float("nan"),
        position: tuple[float, float] | None = None,
    ) -> None:
        """Bring what is in some files; parameters as `Inbox.add_files`."""
        inbox = inbox_of(self._state())
        self._begin(
            "files", "reading the files", lambda _stop: inbox.add_files(files, scale, z, position)
        )

    def fetch(self, target: str, radius: float = 5.0) -> None:
        """Bring a galaxy of SDSS, or candidates.

        Parameters
        ----------
        target : str
            plate-mjd-fiber, a position or a name.
        radius : float
            How far from a position to look, arcsec.
        """
        inbox = inbox_of(self._state())
        notes: list[str] = []

        def job(stop: threading.Event) -> Found:
            return [inbox.fetch(target, notes.append, radius, stop)], notes

        self._begin("sdss", f"asking SDSS for {target}", job)

    def pick(self, candidate: Candidate) -> None:
        """Bring one of the candidates."""
        self.fetch(candidate.target, PICK_RADIUS)

    def cancel(self) -> None:
        """Wait for nothing any more."""
        self._number += 1
        self._stop.set()
        self.busy = ""

    def _begin(self, about: str, what: str, job: Callable[[threading.Event], Found]) -> None:
        self.cancel()
        number, stop = self._number, threading.Event()
        self._stop = stop
        self.param.update(busy=what, about=about, notes=[], problem=None, candidates=[])
        schedule = self._state().schedule

        def deliver(report: Callable[[Any], None], result: Any) -> None:
            if number == self._number:
                schedule(lambda: report(result) if number == self._number else None)

        def run() -> None:
            try:
                found = job(stop)
            except GalamError as error:
                deliver(self._failed, error)
            except Exception as error:
                # A fault of ours must not leave the page waiting; the log has the traceback.
                logger.exception("%s failed", what)
                text = f"{type(error).__name__}: {error}"
                deliver(self._failed, GalamError(text, what, "see the log"))
            else:
                deliver(self._came, found)

        _POOL.submit(run)

    def _failed(self, error: GalamError) -> None:
        several = isinstance(error, SeveralCandidatesError)
        candidates = list(error.candidates) if several else []
        self.param.update(problem=error, candidates=candidates)
        state = self._state()
        if state is not None and several:
            state.notify("info", f"{len(candidates)} objects are near: choose one.")
        elif state is not None:
            state.notify("error", error)
        self.busy = ""

    def _came(self, found: Found) -> None:
        ids, notes = found
        state = self._state()
        if state is None:
            return
        self.param.update(added=ids, notes=notes)
        try:
            state.sources = {**state.sources, SURVEY: str(inbox_of(state).path)}
            if state.open(SURVEY) and state.select(ids[0]):
                state.notify("success", f"{ids[0]} is open: every tab shows it now.")
            for note in notes:
                state.notify("warning", note)
        finally:
            self.busy = ""


def arrivals_of(state: Any) -> Arrivals:
    """The arrivals of a session, as long as the session lives."""
    # Kept by the session itself: views that watch them would keep any other place alive.
    if getattr(state, "arrivals", None) is None:
        state.arrivals = Arrivals(state)
    return state.arrivals


def leave(state: Any) -> None:
    """Let nothing more arrive: the session has ended."""
    if getattr(state, "arrivals", None) is not None:
        state.arrivals.cancel()

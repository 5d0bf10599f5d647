"""How a whole survey fares under a preprocessing: one worker for all sessions.

Processes of low priority do the work, so that the sessions stay quick; results
are kept by survey and configuration. Sessions look at a job when they like.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from galam_explorer.app.data import SurveyData
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.records import CutoutStages

__all__ = ["FateJob", "fate_counts", "job_for", "prepared_statuses"]

_CHUNK = 32
_ORDER = (
    "ok", "blended", "no_ellipse", "empty_foreground", "no_source", "bad_cutout", "no_cutout",
)  # fmt: skip


def fate_counts(statuses: Sequence[str] | np.ndarray) -> dict[str, int]:
    """Number of galaxies by status, accepted first, then reasons in the order of the steps."""
    names, counts = np.unique(np.asarray(statuses, dtype=str), return_counts=True)
    found = {str(n): int(c) for n, c in zip(names, counts, strict=True) if n}
    known = [name for name in _ORDER if name in found]
    return {name: found[name] for name in [*known, *sorted(set(found) - set(known))]}


@dataclass(eq=False)
class FateJob:
    """One run over a survey.

    Parameters
    ----------
    data : SurveyData
    config : PreprocessConfig
    """

    data: SurveyData
    config: PreprocessConfig
    statuses: np.ndarray = field(init=False)
    done: int = 0
    state: str = "running"
    problem: str = ""

    def __post_init__(self) -> None:
        self.statuses = np.full(len(self.data), "", dtype=object)
        self._stop = threading.Event()

    @property
    def total(self) -> int:
        """Galaxies in all."""
        return len(self.data)

    def start(self) -> None:
        """Begin in the background."""
        threading.Thread(target=self._run, daemon=True, name="fate").start()

    def cancel(self) -> None:
        """Stop soon; what was counted by then is shown as unfinished."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self._work()
            self.state = "cancelled" if self._stop.is_set() else "done"
        except (GalamError, OSError, RuntimeError) as error:
            self.state, self.problem = "failed", str(error)

    def _work(self) -> None:
        starts = list(range(0, self.total, _CHUNK))
        workers = max(1, (os.cpu_count() or 2) - 1)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            workers, context, initializer=_begin, initargs=(self.data.source, self.config)
        ) as pool:
            running: dict[Future[list[str]], int] = {}
            while (starts or running) and not self._stop.is_set():
                while starts and len(running) < 2 * workers:
                    start = starts.pop(0)
                    ids = [str(one) for one in self.data.ids[start : start + _CHUNK]]
                    running[pool.submit(_statuses, ids)] = start
                finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._take(running.pop(future), future.result())
            pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, start: int, statuses: list[str]) -> None:
        self.statuses[start : start + len(statuses)] = statuses
        self.done += len(statuses)


_WORKER: dict[str, Any] = {}


def _begin(source: str, config: PreprocessConfig) -> None:
    from galam_explorer.survey import load_survey

    if hasattr(os, "nice"):
        os.nice(10)
    _WORKER.update(survey=load_survey(source), config=config)


def _statuses(ids: list[str]) -> list[str]:
    from galam_explorer.preprocess.images import prepare_cutout

    survey, config = _WORKER["survey"], _WORKER["config"]
    return [_status(prepare_cutout(survey[one].cutout, config, one)) for one in ids]


def _status(stages: CutoutStages) -> str:
    return stages.status


_JOBS: dict[tuple[str, str, str], FateJob] = {}
_LOCK = threading.Lock()


def job_for(data: SurveyData, config: PreprocessConfig, start: bool = False) -> FateJob | None:
    """The job of a survey and configuration; started if asked for and not there.

    Only one runs at a time in the process: starting another cancels it.
    """
    key = (data.source, data.survey.fingerprint, config.hash)
    with _LOCK:
        job = _JOBS.get(key)
        if job is not None and job.state in ("running", "done"):
            return job
        if start:
            for other in _JOBS.values():
                if other.state == "running":
                    other.cancel()
            job = _JOBS[key] = FateJob(data, config)
            job.start()
            return job
        return None


def prepared_statuses(data: SurveyData, config: PreprocessConfig) -> np.ndarray | None:
    """Image statuses from a sample that `galam prepare` made, if there is one."""
    from galam_explorer.preprocess import load_prepared

    try:
        return load_prepared(data.survey, config).status["image_status"].to_numpy(dtype=object)
    except (GalamError, OSError):
        return None

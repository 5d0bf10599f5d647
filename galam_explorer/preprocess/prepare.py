"""Preparing a whole survey: resumable, in bounded memory, on all cores.

::

    CACHE/prepared/<config hash>/           a finished sample: tensors, status, config, manifest
    CACHE/prepared/<config hash>.partial/   the same in the making, with parts/<shard>.parquet

A part file says that a shard's rows are written; a run that was killed goes on
with the shards that have none. The finished folder appears by one rename.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.preprocess.sample import (
    ALGORITHM,
    PreparedSample,
    load_prepared,
    read_manifest,
    resolve,
    sample_path,
)
from galam_explorer.preprocess.work import (
    STATUS_COLUMNS,
    TENSORS,
    Unit,
    plan_units,
    run_unit,
    start_worker,
    write_rows,
)
from galam_explorer.survey.atomic import atomic_path, storage_error, write_text
from galam_explorer.survey.store import Survey

__all__ = ["prepare_survey"]

_COPIED_ROWS = 256
Progress = Callable[[int, int], None]


def prepare_survey(
    survey: Survey,
    config: PreprocessConfig | str = "robust",
    workers: int | None = None,
    progress: Progress | None = None,
) -> PreparedSample:
    """Prepare every galaxy of a survey, or finish what an earlier run began.

    Parameters
    ----------
    survey : Survey
    config : PreprocessConfig or str
        Or the name of one, ``"paper"`` or ``"robust"``.
    workers : int, optional
        Processes; as many as there are cores by default, 1 works in this one.
        They import the script that started them: it
        needs ``if __name__ == "__main__"``.
    progress : callable, optional
        Called as ``progress(done, total)`` in galaxies.

    Returns
    -------
    PreparedSample

    Raises
    ------
    GalamError
        If the results cannot be written, or another process is at it. What is
        finished by then stays, and the next call goes on from there.
    """
    config = resolve(config)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = cores or 1 if workers is None else workers
    if workers < 1:
        raise GalamError(f"must be at least 1, not {workers}", "workers")
    path = sample_path(survey, config)
    with _locked(path):
        _finish_swap(path)
        units = plan_units(survey)
        manifest = _manifest(survey, config, units)
        if read_manifest(path) == manifest:
            return load_prepared(survey, config)
        partial, notes = _begin(path, manifest, units, config)
        todo = [unit for unit in units if not _part(partial, unit).is_file()]
        _run(todo, partial, config, workers, len(survey), progress)
        _finalise(path, partial, units, manifest)
    return load_prepared(survey, config, tuple(notes))


def _part(partial: Path, unit: Unit) -> Path:
    return partial / "parts" / f"{unit.name}.parquet"


def _manifest(survey: Survey, config: PreprocessConfig, units: list[Unit]) -> dict[str, Any]:
    return {
        "algorithm": ALGORITHM,
        "config": json.loads(config.to_json()),
        "fingerprint": survey.fingerprint,
        "rows": len(survey),
        "units": [[unit.name, unit.key, unit.start, len(unit.ids)] for unit in units],
    }


@contextmanager
def _locked(path: Path) -> Any:
    """Let one process at a time prepare the same sample (POSIX; elsewhere no lock)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.with_suffix(".lock").open("w")
    except OSError as error:
        raise storage_error(error, path.parent) from error
    with stream:
        try:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except OSError as error:
            raise GalamError("another process is preparing this survey", path) from error
        yield


def _finish_swap(path: Path) -> None:
    """Complete or undo a replacement that was killed between its two renames."""
    old = path.with_suffix(".old")
    if old.is_dir() and not path.is_dir():
        os.rename(old, path)
    shutil.rmtree(old, ignore_errors=True)


def _begin(
    path: Path, manifest: dict[str, Any], units: list[Unit], config: PreprocessConfig
) -> tuple[Path, list[str]]:
    """The partial folder with its tensors; shards that did not change are copied over."""
    partial, notes = path.with_suffix(".partial"), []
    if read_manifest(partial) == manifest:
        done = sum(_part(partial, unit).is_file() for unit in units)
        return partial, [f"going on: {done} of {len(units)} shards were done"] if done else []
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "parts").mkdir(parents=True)
        for stem, (shape, dtype) in TENSORS.items():
            # A sparse file: it takes space as rows are written.
            file = partial / f"{stem}.npy"
            np.lib.format.open_memmap(file, "w+", dtype=dtype, shape=(manifest["rows"], *shape))
        write_text(partial / "config.json", config.to_json() + "\n")
        if (reused := _reuse(path, partial, units)) is not None:
            notes.append(f"the survey has changed: {reused} of {len(units)} shards are as before")
        # Written last: without it the folder is begun anew.
        write_text(partial / "manifest.json", json.dumps(manifest) + "\n")
    except OSError as error:
        raise storage_error(error, partial) from error
    return partial, notes


def _reuse(path: Path, partial: Path, units: list[Unit]) -> int | None:
    """Copy the rows of unchanged shards from a finished sample; how many, None without one."""
    old = read_manifest(path)
    if old is None or old["algorithm"] != ALGORITHM:
        return None
    known = {(name, key): start for name, key, start, _ in old["units"]}
    status = pd.read_parquet(path / "status.parquet")
    reused = 0
    for unit in units:
        first = known.get((unit.name, unit.key))
        if first is None:
            continue
        for stem in TENSORS:
            rows = np.load(path / f"{stem}.npy", mmap_mode="r")
            for offset in range(0, len(unit.ids), _COPIED_ROWS):
                stop = min(offset + _COPIED_ROWS, len(unit.ids))
                block = rows[first + offset : first + stop]
                write_rows(partial / f"{stem}.npy", unit.start + offset, block)
        with atomic_path(_part(partial, unit)) as temporary:
            part = status.iloc[first : first + len(unit.ids)].reset_index(drop=True)
            part.to_parquet(temporary)
        reused += 1
    return reused


def _run(
    todo: list[Unit],
    partial: Path,
    config: PreprocessConfig,
    workers: int,
    total: int,
    progress: Progress | None,
) -> None:
    before = total - sum(len(unit.ids) for unit in todo)
    report = progress or (lambda done, total: None)
    report(before, total)
    if min(workers, len(todo)) > 1:
        _run_pool(todo, partial, config, workers, lambda done: report(before + done, total))
    else:
        done = [before]

        def count(more: int) -> None:
            done[0] += more
            report(done[0], total)

        for unit in todo:
            run_unit(unit, partial, config, count)
    report(total, total)


def _context() -> Any:
    """Processes that share nothing with this one's threads, libraries imported once for all."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["galam_explorer.preprocess.work", "skimage.segmentation"])
    return context


def _run_pool(
    todo: list[Unit],
    partial: Path,
    config: PreprocessConfig,
    workers: int,
    tell: Callable[[int], None],
) -> None:
    """Run units in worker processes, a few in flight at a time."""
    context = _context()
    stop, counter = context.Event(), context.Value("Q", 0)
    pending, running = deque(todo), set[Future]()
    pool = ProcessPoolExecutor(
        min(workers, len(todo)), context, initializer=start_worker, initargs=(stop, counter)
    )
    try:
        while pending or running:
            while pending and len(running) < 2 * workers:
                running.add(pool.submit(run_unit, pending.popleft(), partial, config))
            finished, running = wait(running, timeout=0.25, return_when="FIRST_COMPLETED")
            for future in finished:
                future.result()
            tell(counter.value)
    except BrokenProcessPool as error:
        raise GalamError(
            "a worker process ended unexpectedly",
            partial,
            "if memory was short, use fewer workers (it goes on from here); in a script, "
            "call it under `if __name__ == '__main__':`, or with workers=1",
        ) from error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _finalise(path: Path, partial: Path, units: list[Unit], manifest: dict[str, Any]) -> None:
    """Join the parts, flush, and let the finished folder appear."""
    try:
        parts = [pd.read_parquet(_part(partial, unit)) for unit in units]
        status = pd.concat(parts, ignore_index=True) if parts else _empty_status()
        with atomic_path(partial / "status.parquet") as temporary:
            status.to_parquet(temporary)
        for stem in TENSORS:
            with open(partial / f"{stem}.npy", "rb") as stream:
                os.fsync(stream.fileno())
        old = path.with_suffix(".old")
        if path.is_dir():
            os.rename(path, old)
        os.rename(partial, path)
        # Only now: until the rename the parts say what is done.
        shutil.rmtree(path / "parts", ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise storage_error(error, path) from error


def _empty_status() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="str") for name in STATUS_COLUMNS})

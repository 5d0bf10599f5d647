"""Where the shards of a survey are labelled: here, in processes, on a cluster."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels.unit import label_unit
from galam_explorer.preprocess.work import Unit, start_worker

__all__ = ["run_here", "run_on_cluster", "run_workers"]

Tell = Callable[[int], None]
_CONNECT_SECONDS = 15
_RETRIES = 3


def run_here(todo: Sequence[Unit], config: LabelConfig, parts: Path, tell: Tell) -> None:
    """Label units in this process; `tell` gets the number of galaxies done so far."""
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        tell(done)

    for unit in todo:
        label_unit(unit, config, parts, count)


def run_workers(
    todo: Sequence[Unit], config: LabelConfig, parts: Path, workers: int, tell: Tell
) -> None:
    """Label units in worker processes of one thread each.

    Raises
    ------
    GalamError
        If a worker was killed; finished units stay.
    """
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    pending, running, done = deque(todo), dict[Future, Unit](), 0
    pool = ProcessPoolExecutor(
        min(workers, len(todo)), context, initializer=start_worker, initargs=(context.Event(), None)
    )
    try:
        while pending or running:
            while pending and len(running) < 2 * workers:
                unit = pending.popleft()
                running[pool.submit(label_unit, unit, config, parts)] = unit
            finished, _ = wait(running, return_when="FIRST_COMPLETED")
            for future in finished:
                done += future.result()
                del running[future]
            tell(done)
    except BrokenProcessPool as error:
        raise GalamError(
            "a worker process was killed (out of memory?)",
            parts,
            "run it again with fewer workers: it goes on from here",
        ) from error
    finally:
        # Shards that have not begun are given up; those that have are finished.
        pool.shutdown(wait=True, cancel_futures=True)


def run_on_cluster(
    todo: Sequence[Unit], config: LabelConfig, parts: Path, scheduler: str, tell: Tell
) -> None:
    """Label units on the workers of a Dask scheduler; a lost worker's units go to another.

    Raises
    ------
    GalamError
        If the scheduler does not answer, there are no workers, or a unit has
        killed several of them; finished units stay.
    """
    import distributed

    try:
        client = distributed.Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise GalamError(
            f"no Dask scheduler answers ({type(error).__name__})", scheduler, "check the address"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except TimeoutError as error:
            raise GalamError("the cluster has no workers", scheduler, "start some") from error
        futures = [
            client.submit(label_unit, unit, config, parts, pure=False, retries=_RETRIES)
            for unit in todo
        ]
        done = 0
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                done += future.result()
                tell(done)
        except distributed.KilledWorker as error:
            text = "the cluster lost several workers on the same shard (out of memory?)"
            raise GalamError(text, scheduler, "run it again: it goes on from here") from error
        except distributed.CancelledError as error:
            text = "the connection to the cluster was lost"
            raise GalamError(text, scheduler, "run it again: it goes on from here") from error
        finally:
            client.cancel([future for future in futures if not future.done()])

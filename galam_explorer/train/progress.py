"""Where a run is and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from galam_explorer.train.folder import RunFolder

__all__ = ["Progress"]

# Relative cost of an epoch with `compact` on a CPU; only the time left depends on it.
_COST = {"m1": 2.0, "m2": 1.0, "m3": 1.0, "m4": 0.35, "m4_real": 0.35, "image_only": 1.5}
_COST["joint"] = 2.5
_EVERY_SECONDS = 1.0


class Progress:
    """Writes ``status.json`` and calls back, at most once a second.

    Parameters
    ----------
    folder : RunFolder
    epochs : dict of str to int
        Stages in order, with their epochs.
    callback : callable, optional
        Gets every status that is written.
    quiet : bool
        Write nothing (processes of a distributed run but the first).
    """

    def __init__(
        self,
        folder: RunFolder,
        epochs: dict[str, int],
        callback: Callable[[dict[str, Any]], None] | None = None,
        quiet: bool = False,
    ) -> None:
        self.folder, self.epochs, self.callback, self.quiet = folder, epochs, callback, quiet
        self.costs = {stage: _COST[stage] * count for stage, count in epochs.items()}
        self.finished = 0.0
        self.status: dict[str, Any] = {
            "state": "running",
            "stage": "",
            "stages": list(epochs),
            "epoch": 0,
            "epochs": 0,
            "batch": 0,
            "batches": 0,
            "progress": 0.0,
            "eta_s": None,
            "message": "",
        }
        self._last = 0.0
        self._begun: tuple[float, float] | None = None
        self.offset = 0
        self._paused = 0.0

    def begin(self, stage: str, epoch: int = 0) -> None:
        """A stage begins, or goes on after `epoch` epochs."""
        epoch += self.offset
        self.status |= {"stage": stage, "epoch": epoch, "epochs": self.epochs[stage], "batch": 0}
        self.write(force=True)

    def skip(self, stage: str) -> None:
        """A stage was finished before; it says nothing about speed."""
        self.finished += self.costs[stage]
        self.status["progress"] = round(self.finished / sum(self.costs.values()), 4)

    def tell(self, epoch: int, batch: int, batches: int, state: str) -> None:
        """A batch of an epoch (counted from 1, `offset` before it) is done."""
        now, epoch = time.monotonic(), epoch + self.offset
        if state == "paused":
            self._paused = self._paused or now
        elif self._paused and self._begun:
            # Time spent waiting says nothing about speed.
            self._begun = (self._begun[0] + now - self._paused, self._begun[1])
            self._paused = 0.0
        changed = state != self.status["state"]
        done = (epoch - 1 + batch / max(batches, 1)) / self.status["epochs"]
        self.status |= {"state": state, "epoch": epoch, "batch": batch, "batches": batches}
        self._measure(self.finished + self.costs[self.status["stage"]] * min(done, 1.0))
        self.write(force=changed)

    def end(self, stage: str) -> None:
        """A stage is finished; epochs that patience saved count as done."""
        self.finished += self.costs[stage]
        self.offset = 0
        self._measure(self.finished)
        self.write(force=True)

    def say(self, message: str, state: str | None = None) -> None:
        """Set the message, and the state where given."""
        self.status |= {"message": message, "state": state or self.status["state"]}
        if state == "done":
            self.status |= {"progress": 1.0, "eta_s": 0.0}
        elif state in ("failed", "cancelled"):
            self.status["eta_s"] = None
        self.write(force=True)

    def write(self, force: bool = False) -> None:
        """Write the status if the last one is a second old."""
        now = time.monotonic()
        if self.quiet or (not force and now - self._last < _EVERY_SECONDS):
            return
        self._last = now
        self.folder.write_status(self.status)
        if self.callback is not None:
            self.callback(dict(self.status))

    def _measure(self, done: float) -> None:
        share = done / sum(self.costs.values())
        now = time.monotonic()
        if self._begun is None:
            self._begun = (now, share)
        started, before = self._begun
        gained = share - before
        self.status["progress"] = round(share, 4)
        if gained > 0:
            self.status["eta_s"] = round((now - started) * (1 - share) / gained, 1)

"""What happens beside the steps: progress, pause, cancel, checkpoints, the best weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from galam_explorer.train.module import StageModule

__all__ = ["Cancelled", "Keeper", "Reporter", "seed_epoch"]


class Cancelled(Exception):
    """The run was asked to stop."""


def seed_epoch(key: tuple[int, ...], epoch: int) -> None:
    """Make dropout depend on the stage's key and the epoch alone, as the order does."""
    torch.manual_seed(int(np.random.SeedSequence([*key, 7, epoch]).generate_state(1)[0]))


class Keeper(Callback):
    """Keeps the best weights, stops when there are no better ones, and saves the state.

    Parameters
    ----------
    key : tuple of int
        Seeds of this stage.
    patience : int
        Epochs without a better validation loss; 0 for no limit.
    save : callable
        Gets the state after every epoch.
    add_metrics : callable
        Gets one line after every epoch.
    state : dict, optional
        Of an interrupted run.
    """

    def __init__(
        self,
        key: tuple[int, ...],
        patience: int,
        save: Callable[[dict[str, Any]], None],
        add_metrics: Callable[[dict[str, Any]], None],
        state: dict[str, Any] | None = None,
    ) -> None:
        kept = state or {}
        self.key, self.patience, self.save, self.add_metrics = key, patience, save, add_metrics
        self.best_loss: float = kept.get("best_loss", math.inf)
        self.best_epoch: int = kept.get("best_epoch", 0)
        self.best_metrics: dict[str, float] = kept.get("best_metrics", {})
        self.best_weights: dict[str, Tensor] = kept.get("best_weights", {})
        self.epochs: int = kept.get("epoch", 0)
        self.started = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return 0 < self.patience <= self.epochs - self.best_epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: StageModule) -> None:
        """Seed the epoch."""
        self.started = time.perf_counter()
        seed_epoch(self.key, pl_module.epoch_number())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: StageModule) -> None:
        """Judge, record and save the epoch."""
        self.epochs = pl_module.epoch_number() + 1
        pl_module.finish_epoch()
        # Every process of a distributed run follows the first one's judgement.
        loss = trainer.strategy.broadcast(pl_module.measured["val_loss"])
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epochs
            self.best_metrics = dict(pl_module.measured)
            weights = pl_module.network.state_dict()
            self.best_weights = {name: copy.deepcopy(one.cpu()) for name, one in weights.items()}
        if trainer.is_global_zero:
            line = {
                "epoch": self.epochs,
                **pl_module.measured,
                "lr": pl_module.optimiser.param_groups[0]["lr"],
                "seconds": round(time.perf_counter() - self.started, 3),
            }
            self.add_metrics(line)
            self.save({**pl_module.state(), **self._best()})
        trainer.should_stop = trainer.should_stop or self.exhausted

    def _best(self) -> dict[str, Any]:
        return {
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
            "best_weights": self.best_weights,
        }


class Reporter(Callback):
    """Tells where the stage is, and obeys what is asked of the run.

    Parameters
    ----------
    tell : callable
        ``tell(epoch, batch, batches, state)``, at most a few times a second.
    asked : callable
        Gives ``run``, ``pause`` or ``cancel``.
    """

    every_seconds = 0.5

    def __init__(
        self, tell: Callable[[int, int, int, str], None], asked: Callable[[], str]
    ) -> None:
        self.tell, self.asked, self._last = tell, asked, 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: StageModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look around every half second."""
        now = time.monotonic()
        alone = trainer.world_size == 1
        if (alone and now - self._last < self.every_seconds) or (not alone and batch_idx % 8):
            return
        self._last = now
        position = (pl_module.epoch_number() + 1, batch_idx + 1, int(trainer.num_training_batches))
        while (asked := trainer.strategy.broadcast(self.asked())) == "pause":
            self.tell(*position, "paused")
            time.sleep(self.every_seconds)
        if asked == "cancel":
            raise Cancelled
        self.tell(*position, "running")

"""One stage from first weights to best weights, by Lightning's Trainer."""

from __future__ import annotations

import gc
import logging
import math
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from galam_explorer.config.network import NETWORKS
from galam_explorer.errors import GalamError
from galam_explorer.networks import build_network
from galam_explorer.train.batches import Batches, StageData
from galam_explorer.train.callbacks import Keeper, Reporter
from galam_explorer.train.checkpoint import (
    drop_state,
    read_stage,
    read_state,
    write_stage,
    write_state,
)
from galam_explorer.train.device import is_out_of_memory, wait_for_all
from galam_explorer.train.folder import RunFolder
from galam_explorer.train.module import Recipe, StageModule
from galam_explorer.train.progress import Progress
from galam_explorer.train.stages import Workshop

__all__ = ["Fit", "fit_stage", "initial_network", "quiet", "stage_key"]

_CLIP = 1.0
_FINE_TUNING = 0.1
"""Of M4's learning rate, for fine-tuning networks that are trained already."""
_VALIDATION_BATCH = 256


@dataclass(eq=False)
class Fit:
    """What `fit_stage` works with.

    Parameters
    ----------
    shop : Workshop
    folder : RunFolder
    progress : Progress
    rank : int
        Number of this process; only process 0 of a distributed run writes.
    """

    shop: Workshop
    folder: RunFolder
    progress: Progress
    rank: int = 0


def stage_key(seed: int, stage: str) -> tuple[int, int]:
    """Seeds of a stage: its first weights, order and dropout follow from them."""
    return seed, (*NETWORKS, "joint").index(stage)


def initial_network(shop: Workshop, stage: str) -> nn.Module:
    """A network with the first weights of the run's seed."""
    key = np.random.SeedSequence([*stage_key(shop.train.seed, stage), 3])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(key.generate_state(1)[0]))
        network = build_network(stage, shop.network)
    return network.to(memory_format=torch.channels_last)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's own talk away: ours is in the run folder."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch")]
    loggers += [logging.getLogger("lightning.fabric"), logging.getLogger("lightning_utilities")]
    levels = [one.level for one in loggers]
    interrupt = signal.getsignal(signal.SIGINT)
    for one in loggers:
        one.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        warnings.filterwarnings("ignore", module=r"torch\.optim\.lr_scheduler")
        try:
            yield
        finally:
            for one, level in zip(loggers, levels, strict=True):
                one.setLevel(level)
            # Lightning leaves Ctrl-C without effect after the first one.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, interrupt)


def fit_stage(fit: Fit, stage: str, network: nn.Module, data: StageData, epochs: int) -> nn.Module:
    """Train one stage, or what is left of it, and write it as finished.

    The batch is halved, and the message says so, when memory runs out; the stage
    then begins anew.

    Returns
    -------
    nn.Module
        With its best weights, in eval mode, on the CPU.

    Raises
    ------
    GalamError
        If the loss is no longer a number, or not even one galaxy fits into memory.
    Cancelled
        If the run was asked to stop.
    """
    size, first_weights = fit.shop.train.batch_size, _copied(network.state_dict())
    state = read_state(fit.folder.checkpoints, stage)
    if state is not None:
        size = state["batch_size"]
    while True:
        try:
            keeper = _fit(fit, stage, network, data, epochs, size, state)
            break
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            _check_halving(fit, stage, size, error)
        size, state = size // 2, None
        fit.progress.say(f"out of memory in {stage}: going on with batches of {size}")
        fit.folder.keep_metrics(stage, 0, ())
        network.load_state_dict(first_weights)
        _free_memory()
    _free_memory()
    if fit.rank == 0:
        info = {
            "stage": stage,
            "epochs": keeper.epochs,
            "best_epoch": keeper.best_epoch,
            "batch_size": size,
            **keeper.best_metrics,
        }
        write_stage(fit.folder.checkpoints, stage, keeper.best_weights, info)
        drop_state(fit.folder.checkpoints, stage)
    wait_for_all()
    # Running statistics differ between processes: all go on with those of the first.
    network.load_state_dict(read_stage(fit.folder.checkpoints, stage)[0])
    return network.to("cpu").eval()


def _free_memory() -> None:
    """Let go of a trainer's data, which its reference cycles hold."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _check_halving(fit: Fit, stage: str, size: int, error: BaseException) -> None:
    """Raise `GalamError` unless the batch can be halved."""
    if fit.shop.train.devices * fit.shop.train.num_nodes > 1:
        text, remedy = (
            f"memory runs out in {stage} with batches of {size}",
            "use a smaller --batch-size",
        )
    elif size == 1:
        text = f"memory runs out in {stage} even with one galaxy a batch"
        remedy = "use a smaller --width or 64 px"
    else:
        return
    raise GalamError(text, "training", remedy) from error


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in weights.items()}


def _fit(
    fit: Fit,
    stage: str,
    network: nn.Module,
    data: StageData,
    epochs: int,
    size: int,
    state: dict[str, Any] | None,
) -> Keeper:
    """Run Lightning's Trainer for the epochs that are left."""
    shop, folder = fit.shop, fit.folder
    key = stage_key(shop.train.seed, stage)
    extra = data.extra.get("metrics", {})

    def save(made: dict[str, Any]) -> None:
        write_state(folder.checkpoints, stage, {**made, "batch_size": size})

    def add(line: dict[str, Any]) -> None:
        folder.add_metrics({"stage": stage, **line, **extra})

    keeper = Keeper(key, shop.train.patience, save, add, state)
    fit.progress.begin(stage, keeper.epochs)
    if keeper.epochs >= epochs or keeper.exhausted:
        return keeper
    reporter = Reporter(fit.progress.tell, fit.progress.folder.control)
    trainer = _trainer(shop, epochs - keeper.epochs, [reporter, keeper])
    parts = shop.train.devices * shop.train.num_nodes
    batches = Batches(data.train_rows, size, key, part=fit.rank, parts=parts)
    recipe = _recipe(shop, stage, epochs * len(batches))
    module = StageModule(network, data, recipe, torch.tensor(shop.scaling.width), state)
    batches.epoch = module.epoch_number
    with torch.random.fork_rng(devices=[]):
        trainer.fit(module, batches, Batches(data.validation_rows, _VALIDATION_BATCH))
    if not math.isfinite(keeper.best_loss):
        raise GalamError(f"{stage} ended without a single epoch", folder.path)
    return keeper


def _recipe(shop: Workshop, stage: str, steps: int) -> Recipe:
    train = shop.train
    return Recipe(
        rate=_FINE_TUNING * train.rate("m4") if stage == "joint" else train.rate(stage),
        schedule=train.schedule,
        steps=steps,
        weight_decay=train.weight_decay,
        loss=train.loss,
        clip=_CLIP if shop.network.base == "compact" else 0.0,
    )


def _trainer(shop: Workshop, epochs: int, callbacks: list[Any]) -> Any:
    from lightning.pytorch import Trainer

    train = shop.train
    several = train.devices * train.num_nodes > 1
    # Networks with a spread do not use it under the mean square error.
    unused = train.loss == "mse" and shop.network.base != "paper"
    strategy = "ddp_find_unused_parameters_true" if unused else "ddp"
    return Trainer(
        accelerator="gpu" if shop.device == "cuda" else shop.device,
        devices=train.devices,
        num_nodes=train.num_nodes,
        strategy=strategy if several else "auto",
        precision="bf16-mixed" if shop.bf16 else "32-true",
        max_epochs=epochs,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        benchmark=shop.device == "cuda",
        default_root_dir=os.devnull,
    )

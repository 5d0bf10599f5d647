"""Search for each stage's learning rate on a grid, by validation loss (paper Sect. 3.5).

The candidate with the lowest loss is the trained stage: nothing is trained twice.
``search.json`` in the run folder keeps every candidate's loss.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

from torch import nn

from galam_explorer.config import TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import write_text
from galam_explorer.train.batches import StageData
from galam_explorer.train.checkpoint import read_stage, write_stage
from galam_explorer.train.fitting import Fit, fit_stage, initial_network
from galam_explorer.train.folder import RunFolder

__all__ = ["chosen_rates", "search_stage", "with_rate"]


def with_rate(train: TrainConfig, stage: str, rate: float) -> TrainConfig:
    """The same training with another learning rate for one stage."""
    others = tuple(pair for pair in train.learning_rates if pair[0] != stage)
    return train.replace(learning_rates=(*others, (stage, rate)))


def search_stage(
    fit: Fit, stage: str, data: StageData, epochs: int, rates: tuple[float, ...]
) -> nn.Module:
    """Train a stage once for each rate and keep the best.

    Candidates that diverge are recorded without a loss.

    Returns
    -------
    nn.Module
        Trained; the stage is written as finished in the run folder.

    Raises
    ------
    GalamError
        If every candidate diverges.
    """
    losses: dict[float, float | None] = {}
    best: tuple[float, nn.Module, RunFolder] | None = None
    for number, rate in enumerate(rates):
        folder = RunFolder(fit.folder.path / "search" / f"{stage}-{rate:g}")
        fit.progress.offset = number * epochs
        shop = replace(fit.shop, train=with_rate(fit.shop.train, stage, rate))
        losses[rate], network = _candidate(
            replace(fit, shop=shop, folder=folder), stage, data, epochs
        )
        if losses[rate] is not None and (best is None or losses[rate] < losses[best[0]]):
            best = (rate, network, folder)
    if best is None:
        text = f"{stage} diverges with every learning rate ({', '.join(map(str, rates))})"
        raise GalamError(text, "--lr-grid", "use lower ones")
    rate, network, folder = best
    if fit.rank == 0:
        _adopt(fit.folder, folder, stage, rate, losses)
    return network


def _candidate(
    fit: Fit, stage: str, data: StageData, epochs: int
) -> tuple[float | None, nn.Module | None]:
    """Validation loss and network of one rate; None where it diverges."""
    network = initial_network(fit.shop, stage)
    if (finished := read_stage(fit.folder.checkpoints, stage)) is not None:
        network.load_state_dict(finished[0])
        return finished[1]["val_loss"], network.eval()
    fit.folder.path.mkdir(parents=True, exist_ok=True)
    try:
        network = fit_stage(fit, stage, network, data, epochs)
    except GalamError as error:
        if "no longer a number" not in error.what:
            raise
        return None, None
    return read_stage(fit.folder.checkpoints, stage)[1]["val_loss"], network


def _adopt(
    folder: RunFolder,
    winner: RunFolder,
    stage: str,
    rate: float,
    losses: dict[float, float | None],
) -> None:
    """Record the search and move the winner's results into the run."""
    found = read_search(folder)
    found[stage] = {
        "chosen": rate,
        "val_loss": {f"{one:g}": loss for one, loss in losses.items()},
    }
    write_text(folder.path / "search.json", json.dumps(found, indent=1) + "\n")
    folder.keep_metrics(stage, 0, ())
    for line in winner.metrics():
        folder.add_metrics(line)
    weights, info = read_stage(winner.checkpoints, stage)
    write_stage(folder.checkpoints, stage, weights, {**info, "learning_rate": rate})
    for one in losses:
        shutil.rmtree(folder.path / "search" / f"{stage}-{one:g}", ignore_errors=True)


def read_search(folder: RunFolder) -> dict[str, Any]:
    """``search.json``; empty without one."""
    try:
        return json.loads((folder.path / "search.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def chosen_rates(folder: RunFolder, train: TrainConfig) -> TrainConfig:
    """The training with the rates that a search has chosen."""
    for stage, one in read_search(folder).items():
        train = with_rate(train, stage, float(one["chosen"]))
    return train

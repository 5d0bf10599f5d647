"""The stages of a run, one after another, finished ones skipped."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from galam_explorer.config import TrainConfig
from galam_explorer.networks import Output, build_network
from galam_explorer.train.batches import StageData
from galam_explorer.train.checkpoint import drop_state, read_stage, read_state, write_stage
from galam_explorer.train.fitting import Fit, fit_stage, initial_network, quiet
from galam_explorer.train.joint import JointNetwork
from galam_explorer.train.losses import label_loss
from galam_explorer.train.search import search_stage
from galam_explorer.train.stages import Workshop, infer

__all__ = ["plan_epochs", "run_stages"]


def plan_epochs(train: TrainConfig, candidates: int = 1) -> dict[str, int]:
    """Stages in the order that they are trained, with their epochs over all candidates.

    Fine-tuning comes before M4 with real features, which reads the tokens of the
    fine-tuned M3.
    """
    plan: dict[str, int] = {}
    for stage in train.stages:
        plan[stage] = train.epochs_of(stage) * candidates
        if stage == "m4" and train.joint_epochs:
            plan["joint"] = train.joint_epochs
    return plan


def run_stages(fit: Fit, rates: tuple[float, ...] = ()) -> None:
    """Train what is not finished; finished networks are in the workshop afterwards.

    Parameters
    ----------
    fit : Fit
    rates : tuple of float
        Learning rates to search over; none for those of the configuration.
    """
    stages = tuple(fit.progress.epochs)
    for number, stage in enumerate(stages):
        finished = read_stage(fit.folder.checkpoints, stage)
        if finished is not None:
            network = _empty(fit.shop, stage)
            network.load_state_dict(finished[0])
            fit.shop.finish(stage, network.to(memory_format=torch.channels_last).eval())
            fit.progress.skip(stage)
            continue
        if fit.rank == 0:
            _forget_repeated(fit, stage, stages[number + 1 :])
        data = fit.shop.stage_data(stage)
        with quiet():
            if stage == "joint":
                network = _fit_joint(fit, data)
            elif rates:
                network = search_stage(fit, stage, data, fit.shop.train.epochs_of(stage), rates)
            else:
                network = initial_network(fit.shop, stage)
                network = fit_stage(fit, stage, network, data, fit.progress.epochs[stage])
        fit.shop.finish(stage, network)
        fit.progress.end(stage)


def _empty(shop: Workshop, stage: str) -> nn.Module:
    if stage == "joint":
        return JointNetwork(*(build_network(one, shop.network) for one in ("m2", "m3", "m4")))
    return build_network(stage, shop.network)


def _forget_repeated(fit: Fit, stage: str, later: tuple[str, ...]) -> None:
    """Drop the metrics of epochs that will be trained again."""
    state = read_state(fit.folder.checkpoints, stage)
    fit.folder.keep_metrics(stage, 0 if state is None else int(state["epoch"]), later)


def _fit_joint(fit: Fit, data: StageData) -> nn.Module:
    """Fine-tune M2, M3 and M4 together; they stay as they were if M4 gets no better."""
    before = JointNetwork(*(fit.shop.trained[one] for one in ("m2", "m3", "m4")))
    first = copy.deepcopy(before.state_dict())
    loss = _fusion_loss(fit, before, data)
    network = fit_stage(fit, "joint", before, data, fit.progress.epochs["joint"])
    info = read_stage(fit.folder.checkpoints, "joint")[1]
    if not info["val_loss"] < loss:
        fit.progress.say("fine-tuning M2, M3 and M4 together did not improve M4: undone")
        network.load_state_dict(first)
        if fit.rank == 0:
            write_stage(fit.folder.checkpoints, "joint", first, {**info, "undone": True})
    drop_state(fit.folder.checkpoints, "joint")
    return network


def _fusion_loss(fit: Fit, network: JointNetwork, data: StageData) -> float:
    """M4's validation loss before fine-tuning."""
    rows, shop = data.validation_rows, fit.shop

    def keep(output: object) -> torch.Tensor:
        mean, spread = output.fusion.mean, output.fusion.log_sigma
        return torch.cat([mean, torch.zeros_like(mean) if spread is None else spread], dim=1)

    found = infer(network, data, rows, keep, shop.device, shop.bf16)[rows]
    network.to("cpu")
    spread = None if shop.network.base == "paper" else found[:, 2:]
    output = Output(found[:, :2], spread)
    loss = float(label_loss(output, data.targets[rows, :2], shop.train.loss))
    return loss if math.isfinite(loss) else math.inf

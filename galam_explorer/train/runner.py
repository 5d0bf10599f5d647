"""A whole training run: all stages of one survey, resumable, into one run folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from galam_explorer.config import LabelConfig, NetworkConfig, PreprocessConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.networks import check_networks
from galam_explorer.survey.store import Survey
from galam_explorer.train.data import LabelScaling, TrainingData, load_training_data, stage_rows
from galam_explorer.train.device import process_rank, resolve_device, use_bf16
from galam_explorer.train.folder import RunFolder, default_run_dir
from galam_explorer.train.progress import Progress
from galam_explorer.train.record import check_same, describe_model, describe_run
from galam_explorer.train.release import write_model_folder
from galam_explorer.train.split import Split, make_split
from galam_explorer.train.stages import Workshop, check_stages

__all__ = ["train_run"]

# Lightning starts the other processes of a distributed run by the same command.
_SAME_FOLDER = "GALAM_RUN_FOLDER"


def train_run(
    survey: Survey,
    network: NetworkConfig | None = None,
    train: TrainConfig | None = None,
    preprocess: PreprocessConfig | str = "robust",
    label: LabelConfig | str | None = None,
    run_dir: str | Path | None = None,
    resume: bool = False,
    callback: Callable[[dict[str, Any]], None] | None = None,
    lr_grid: tuple[float, ...] = (),
    finish: Callable[[RunFolder], None] | None = None,
) -> RunFolder:
    """Train the stages on a prepared and labelled survey, or finish what was begun.

    With several devices Lightning starts this script again for each of them:
    use ``galam train`` or `galam_explorer.train.jobs.TrainingJob` for that.

    Parameters
    ----------
    survey : Survey
    network : NetworkConfig, optional
    train : TrainConfig, optional
    preprocess : PreprocessConfig or str
        The survey must be prepared with it.
    label : LabelConfig or str, optional
        Labels to learn, or their hash; the newest by default.
    run_dir : str or Path, optional
        The run folder; `default_run_dir` by default.
    resume : bool
        Go on with the run in `run_dir`. Configurations must be those of that run.
    callback : callable, optional
        Gets the status (the contents of ``status.json``) about once a second.
    lr_grid : tuple of float
        Learning rates of which each stage takes the best.
    finish : callable, optional
        Called with the folder when ``model/`` is written, before the run is done:
        calibration comes from `galam_explorer.evaluate`.

    Returns
    -------
    RunFolder
        Its status says ``done`` or, if that was asked for, ``cancelled``.

    Raises
    ------
    GalamError
        If the input cannot be used, the folder holds another run, or it is in use.
    KeyboardInterrupt
        On Ctrl-C; the run can be resumed.
    """
    network, train = network or NetworkConfig(), train or TrainConfig()
    check_stages(train.stages)
    check_networks(network)
    device, rank = resolve_device(train), process_rank(train)
    run_dir = (
        run_dir or os.environ.get(_SAME_FOLDER) or default_run_dir(survey.name, network, train)
    )
    folder = RunFolder(run_dir)
    _check_folder(folder, resume or rank > 0)
    data = load_training_data(survey, preprocess, train, _same_label(folder, label, resume))
    split = _split(folder, survey, train, resume)
    lr_grid = tuple(lr_grid or (folder.info().get("lr_grid", ()) if resume else ()))
    scaling = _check_data(data, split, train)
    with folder.locked() if rank == 0 else nullcontext(), _threads(train.threads):
        if rank == 0:
            _check_folder(folder, resume)
            name = folder.path.resolve().name
            info = describe_run(name, survey, network, train, data, lr_grid)
            _begin(folder, info, split, resume)
        bf16 = use_bf16(train, device)
        shop = Workshop(data, split, scaling, network, train, device, bf16)
        _run(shop, folder, rank, lr_grid, callback, finish)
    return folder


def _check_folder(folder: RunFolder, resume: bool) -> None:
    if folder.exists and not resume:
        remedy = "resume it with --resume, or choose another folder"
        raise GalamError("there is a run in this folder already", folder.path, remedy)
    if resume and not folder.exists:
        raise GalamError("there is no run to resume", folder.path)


def _same_label(
    folder: RunFolder, label: LabelConfig | str | None, resume: bool
) -> LabelConfig | str | None:
    """A resumed run keeps its labels, also when newer ones were made since."""
    kept = folder.info().get("label") if resume and label is None else None
    return label if kept is None else LabelConfig.from_dict(kept)


def _split(folder: RunFolder, survey: Survey, train: TrainConfig, resume: bool) -> Split:
    if resume:
        return Split.read(folder.split)
    return make_split(survey.catalog, train.fractions, train.split_seed, train.spatial_degrees)


def _check_data(data: TrainingData, split: Split, train: TrainConfig) -> LabelScaling:
    """The label scaling; raises before anything is written if a stage cannot be trained."""
    stages = (*train.stages, *(["m4_real"] if train.joint_epochs and "m4" in train.stages else []))
    used = np.zeros(len(data), dtype=bool)
    for stage in stages:
        for name in ("train", "validation"):
            rows = stage_rows(data, split, stage, name)
            used[rows] |= name == "train"
    return LabelScaling.fit(data.labels[used & data.has_label])


def _begin(folder: RunFolder, info: dict[str, Any], split: Split, resume: bool) -> None:
    """Write what the run is, or check that it is the same."""
    if resume:
        check_same(folder.info(), info, folder.path)
    else:
        split.write(folder.split)
        folder.write_info(info)
    folder.ask("run")


def _run(
    shop: Workshop,
    folder: RunFolder,
    rank: int,
    rates: tuple[float, ...],
    callback: Callable[[dict[str, Any]], None] | None,
    finish: Callable[[RunFolder], None] | None,
) -> None:
    """Train, write the model, and keep the status true however it ends."""
    from galam_explorer.train.fitting import Fit
    from galam_explorer.train.search import chosen_rates
    from galam_explorer.train.sequence import plan_epochs, run_stages

    plan = plan_epochs(shop.train, max(1, len(rates)))
    progress = Progress(folder, plan, callback, quiet=rank > 0)
    with _outcome(progress), _named(folder, shop.train):
        run_stages(Fit(shop, folder, progress, rank), rates)
        if rank > 0:
            return
        described = describe_model(folder.info(), chosen_rates(folder, shop.train), shop.scaling)
        weights = {stage: shop.trained[stage].state_dict() for stage in shop.train.stages}
        statistics = {"mean_features": shop.mean_features()} if "m1" in shop.trained else None
        write_model_folder(folder.model, described, weights, statistics, shop.split)
        if finish is not None:
            progress.say("calibrating")
            finish(folder)
        progress.say("", "done")


@contextmanager
def _named(folder: RunFolder, train: TrainConfig) -> Iterator[None]:
    """Let the other processes of a distributed run find the folder."""
    if train.devices * train.num_nodes > 1:
        os.environ[_SAME_FOLDER] = str(folder.path.resolve())
    try:
        yield
    finally:
        os.environ.pop(_SAME_FOLDER, None)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _outcome(progress: Progress) -> Iterator[None]:
    """Say in the status how the run ended."""
    from galam_explorer.train.callbacks import Cancelled

    progress.write(force=True)
    try:
        yield
    except Cancelled:
        progress.say("cancelled; it can be resumed", "cancelled")
    except (KeyboardInterrupt, SystemExit) as error:
        progress.say("interrupted; it can be resumed", "cancelled")
        # Lightning turns Ctrl-C into an exit.
        raise KeyboardInterrupt from error
    except BaseException as error:
        progress.say(str(error) or type(error).__name__, "failed")
        raise

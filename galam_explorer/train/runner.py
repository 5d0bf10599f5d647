"""A whole training run: all stages of one survey, resumable, into one run folder."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from galam_explorer import __version__
from galam_explorer.config import LabelConfig, NetworkConfig, PreprocessConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.networks import build_network
from galam_explorer.survey.store import Survey
from galam_explorer.train.checkpoint import read_stage
from galam_explorer.train.data import (
    TARGETS,
    LabelScaling,
    TrainingData,
    load_training_data,
    stage_rows,
)
from galam_explorer.train.device import resolve_device, use_bf16
from galam_explorer.train.folder import RunFolder
from galam_explorer.train.progress import Progress
from galam_explorer.train.release import write_model_folder
from galam_explorer.train.split import Split, make_split
from galam_explorer.train.stages import Workshop, check_stages

__all__ = ["default_run_dir", "train_run"]

_FIXED = ("survey", "network", "train", "preprocess", "label")


def default_run_dir(survey: Survey, network: NetworkConfig, train: TrainConfig) -> Path:
    """``runs/<survey>-<preset>-s<seed>-<UTC time>`` in the working folder."""
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{survey.name}-{network.preset}-s{train.seed}-{now}"


def train_run(
    survey: Survey,
    network: NetworkConfig | None = None,
    train: TrainConfig | None = None,
    preprocess: PreprocessConfig | str = "robust",
    label: LabelConfig | str | None = None,
    run_dir: str | Path | None = None,
    resume: bool = False,
    callback: Callable[[dict[str, Any]], None] | None = None,
) -> RunFolder:
    """Train the stages on a prepared and labelled survey, or finish what was begun.

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

    Returns
    -------
    RunFolder
        With ``model/`` written. Its calibration and domain statistics are added
        by `galam_explorer.evaluate`.

    Raises
    ------
    GalamError
        If the input cannot be used, the folder holds another run, or it is in use.
    KeyboardInterrupt
        On Ctrl-C; the run can be resumed.
    """
    network, train = network or NetworkConfig(), train or TrainConfig()
    check_stages(train.stages)
    device = resolve_device(train)
    folder = RunFolder(run_dir or default_run_dir(survey, network, train))
    if folder.exists and not resume:
        remedy = "resume it with --resume, or choose another folder"
        raise GalamError("there is a run in this folder already", folder.path, remedy)
    if resume and not folder.exists:
        raise GalamError("there is no run to resume", folder.path)
    data = load_training_data(survey, preprocess, train, _same_label(folder, label, resume))
    with folder.locked(), _threads(train.threads):
        split = _begin(folder, survey, network, train, data, resume)
        epochs = {stage: train.epochs_of(stage) for stage in train.stages}
        if train.joint_epochs and "m4" in train.stages:
            epochs["joint"] = train.joint_epochs
        progress = Progress(folder, epochs, callback)
        with _outcome(progress):
            scaling = LabelScaling.fit(data.labels[_label_rows(data, split)])
            bf16 = use_bf16(train, device)
            shop = Workshop(data, split, scaling, network, train, device, bf16)
            _run_stages(shop, folder, progress, epochs)
            _write_model(shop, folder)
            progress.say("", "done")
    return folder


def _label_rows(data: TrainingData, split: Split) -> Any:
    return split.mask(data.ids, "train") & data.has_label & (data.has_image | data.has_spectrum)


def _same_label(
    folder: RunFolder, label: LabelConfig | str | None, resume: bool
) -> LabelConfig | str | None:
    """A resumed run keeps its labels, also when newer ones were made since."""
    kept = folder.info().get("label") if resume and label is None else None
    return label if kept is None else LabelConfig.from_dict(kept)


def _begin(
    folder: RunFolder,
    survey: Survey,
    network: NetworkConfig,
    train: TrainConfig,
    data: TrainingData,
    resume: bool,
) -> Split:
    """Write what the run is, or check that it is the same; the split."""
    info = {
        "schema": 1,
        "name": folder.path.resolve().name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "survey": {
            "name": survey.name,
            "path": str(survey.path.resolve()),
            "kind": survey.kind,
            "fingerprint": survey.fingerprint,
            "provenance": survey.provenance,
        },
        "network": asdict(network),
        "train": asdict(train),
        "preprocess": asdict(data.preprocess),
        "label": None if data.label is None else asdict(data.label),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": _versions(),
    }
    # Through JSON, so that tuples compare as the lists that they are read back as.
    info = json.loads(json.dumps(info, default=str))
    if resume:
        _check_same(folder, info)
        return Split.read(folder.split)
    split = make_split(survey.catalog, train.fractions, train.split_seed, train.spatial_degrees)
    for stage in train.stages:
        for name in ("train", "validation"):
            stage_rows(data, split, stage, name)
    LabelScaling.fit(data.labels[_label_rows(data, split)])
    folder.ask("run")
    split.write(folder.split)
    folder.write_info(info)
    return split


def _check_same(folder: RunFolder, info: dict[str, Any]) -> None:
    old = folder.info()
    for part in _FIXED:
        one, other = dict(old.get(part) or {}), dict(info[part] or {})
        for unimportant in ("path", "name", "provenance") if part == "survey" else ("threads",):
            one.pop(unimportant, None)
            other.pop(unimportant, None)
        if changed := sorted(key for key in one | other if one.get(key) != other.get(key)):
            text = f"this run was begun with another {part} ({', '.join(changed)})"
            raise GalamError(text, folder.path, "start a new run for it")


def _versions() -> dict[str, str]:
    names = ("torch", "lightning", "numpy")
    found = {name: version(name) for name in names}
    return {"galam_explorer": __version__, "python": platform.python_version(), **found}


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

    progress.say("reading the survey")
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


def _run_stages(
    shop: Workshop, folder: RunFolder, progress: Progress, epochs: dict[str, int]
) -> None:
    from galam_explorer.train.fitting import Fit, fit_stage, initial_network, quiet

    progress.say("")
    stages = tuple(epochs)
    for number, stage in enumerate(stages):
        if (finished := read_stage(folder.checkpoints, stage)) is not None:
            trained = build_network(stage, shop.network)
            trained.load_state_dict(finished[0])
            shop.trained[stage] = trained.to(memory_format=torch.channels_last).eval()
        else:
            state = folder.checkpoints / f"{stage}.state"
            folder.keep_metrics(stage, _saved_epochs(folder, stage, state), stages[number + 1 :])
            data = shop.stage_data(stage)
            with quiet():
                fit = Fit(shop, folder, progress)
                network = initial_network(shop, stage)
                shop.trained[stage] = fit_stage(fit, stage, network, data, epochs[stage])
        progress.end(stage)


def _saved_epochs(folder: RunFolder, stage: str, path: Path) -> int:
    from galam_explorer.train.checkpoint import read_state

    state = read_state(folder.checkpoints, stage) if path.is_file() else None
    return 0 if state is None else int(state["epoch"])


def _write_model(shop: Workshop, folder: RunFolder) -> None:
    info = folder.info()
    found = {stage: read_stage(folder.checkpoints, stage) for stage in shop.trained}
    described = {
        "name": info["name"],
        "network": info["network"],
        "train": info["train"],
        "preprocess": info["preprocess"],
        "label": info["label"],
        "target": shop.train.target,
        "targets": list(TARGETS),
        "label_scaling": asdict(shop.scaling),
        "survey": {key: value for key, value in info["survey"].items() if key != "path"},
    }
    weights = {stage: one[0] for stage, one in found.items() if one is not None}
    statistics = {"mean_features": shop.mean_features()} if "m1" in shop.trained else None
    write_model_folder(folder.model, described, weights, statistics, shop.split)

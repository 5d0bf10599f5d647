"""Loading a trained model: `load_model`, then `Model.predict`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.model import FeatureComparison, Model
from galam_explorer.networks import build_network
from galam_explorer.networks.blocks import Network
from galam_explorer.train.release import ModelFiles, read_model_folder

__all__ = ["FeatureComparison", "Model", "load_model", "model_folder"]

_PACKAGE = Path(__file__).resolve().parents[1]


def model_folder(source: str | Path) -> Path:
    """The folder with ``model.json`` that a name, model folder or run folder stands for.

    Raises
    ------
    GalamError
        If there is none.
    """
    if str(source) == "demo":
        for base in (_PACKAGE.parent / "models", _PACKAGE / "models"):
            if (base / "demo" / "model.json").is_file():
                return base / "demo"
        raise GalamError(
            "the released model is not installed",
            "demo",
            "give a model folder, or train one with `galam train`",
        )
    folder = Path(source).expanduser()
    for candidate in (folder, folder / "model"):
        if (candidate / "model.json").is_file():
            return candidate
    if not folder.exists():
        raise GalamError("there is no such model", folder, "give 'demo', a model or a run folder")
    if (folder / "run.json").is_file():
        raise GalamError("this run has no model yet", folder, "wait until it is done, or resume it")
    raise GalamError("there is no model here (no model.json)", folder)


def load_model(source: str | Path = "demo", device: str = "auto") -> Model:
    """Open a trained model.

    Every file is checked against its hash; nothing is unpickled.

    Parameters
    ----------
    source : str or Path
        ``"demo"`` for the released model, a model folder, or a run folder.
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes a GPU where there is one.

    Returns
    -------
    Model

    Raises
    ------
    GalamError
        If there is no model, a file is missing or has changed, it was written
        by a newer version, its weights do not fit its configuration, or the
        device is not there.
    """
    folder = model_folder(source)
    found = choose_device(device)
    return from_files(read_model_folder(folder), found)


def choose_device(device: str) -> str:
    """The device that a name stands for.

    Raises
    ------
    GalamError
        If it is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there.get(device, False):
        listed = ", ".join(name for name, present in there.items() if present)
        raise GalamError(f"this machine has no {device} device", "device", f"use one of: {listed}")
    return device


def from_files(files: ModelFiles, device: str = "cpu") -> Model:
    """A model of what `read_model_folder` gave.

    Raises
    ------
    GalamError
        If weights do not fit the configuration.
    """
    networks: dict[str, Network] = {}
    for stage, weights in files.weights.items():
        # Random initial weights are overwritten: leave the caller's random state alone.
        with torch.random.fork_rng(devices=[]):
            network = build_network(stage, files.network)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            text = str(error).splitlines()[-1].strip()
            raise GalamError(
                f"the weights of {stage} do not fit the configuration ({text})", files.path
            ) from error
        networks[stage] = network
    statistics = {name: np.asarray(one.float().cpu()) for name, one in files.statistics.items()}
    return Model(files.path, files.info, networks, statistics, files.hash, files.split, device)

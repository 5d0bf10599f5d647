"""The model folder: safetensors and JSON, checked by hashes, never unpickled.

::

    MODEL/model.json                 configurations, label scaling, hashes, metrics
    MODEL/m1.safetensors, ...        weights
    MODEL/statistics.safetensors     what the domain score and baselines need
    MODEL/split.json
    MODEL/README.md                  model card, made from model.json
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from galam_explorer.config import LabelConfig, NetworkConfig, PreprocessConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.plugins import require_plugin
from galam_explorer.survey.atomic import write_text
from galam_explorer.train.card import model_card
from galam_explorer.train.checkpoint import read_tensors, sha256, tensors_to_bytes, write_bytes
from galam_explorer.train.data import LabelScaling
from galam_explorer.train.split import Split

__all__ = ["MODEL_SCHEMA", "ModelFiles", "read_model_folder", "write_model_folder"]

MODEL_SCHEMA = 1
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
Weights = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class ModelFiles:
    """A model as it is stored.

    Parameters
    ----------
    info : dict
        ``model.json``.
    weights : dict of str to dict
        By stage, state dictionaries of `galam_explorer.networks.build_network`
        in float32.
    statistics : dict of str to Tensor
    split : Split or None
    path : Path
    """

    info: dict[str, Any]
    weights: dict[str, Weights]
    statistics: dict[str, Tensor] = field(default_factory=dict)
    split: Split | None = None
    path: Path = Path()

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.info["name"])

    @property
    def hash(self) -> str:
        """Twelve hex digits of weights, label scaling and calibration: names predictions."""
        parts = {
            "networks": {name: one["sha256"] for name, one in self.info["networks"].items()},
            "label_scaling": self.info["label_scaling"],
            "calibration": self.info.get("calibration"),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages that have weights, in order."""
        return tuple(self.info["networks"])

    @property
    def network(self) -> NetworkConfig:
        """Shape of the networks."""
        return NetworkConfig.from_dict(self.info["network"])

    @property
    def train(self) -> TrainConfig:
        """How they were trained."""
        return TrainConfig.from_dict(self.info["train"])

    @property
    def preprocess(self) -> PreprocessConfig:
        """What their inputs go through."""
        return PreprocessConfig.from_dict(self.info["preprocess"])

    @property
    def label(self) -> LabelConfig | None:
        """What was learned; None for the simulation's truth."""
        fields = self.info.get("label")
        return None if fields is None else LabelConfig.from_dict(fields)

    @property
    def scaling(self) -> LabelScaling:
        """From scaled units to dex."""
        scaling = self.info["label_scaling"]
        return LabelScaling(tuple(scaling["low"]), tuple(scaling["high"]))


def write_model_folder(
    path: str | Path,
    info: Mapping[str, Any],
    weights: Mapping[str, Weights],
    statistics: Mapping[str, Tensor] | None = None,
    split: Split | None = None,
    precision: str = "float32",
) -> ModelFiles:
    """Write a model folder; ``model.json``, written last, makes it complete.

    Parameters
    ----------
    path : str or Path
        The folder; files of the same names are replaced.
    info : mapping
        ``name``, ``network``, ``train``, ``preprocess``, ``label``, ``target``,
        ``label_scaling``, ``survey``, and optionally ``calibration``, ``metrics``
        and more; what follows from the other arguments is filled in.
    weights : mapping of str to dict
        State dictionaries by stage.
    statistics : mapping of str to Tensor, optional
    split : Split, optional
    precision : {"float32", "float16"}
        Of the stored weights.

    Returns
    -------
    ModelFiles
        As `read_model_folder` gives them.

    Raises
    ------
    GalamError
        If it cannot be written, or a weight does not fit into the precision.
    """
    path = Path(path)
    if precision not in PRECISIONS:
        raise GalamError(f"must be float32 or float16, not {precision!r}", "precision")
    networks = {}
    for stage, tensors in weights.items():
        content = tensors_to_bytes(_stored(tensors, precision, stage))
        file = f"{stage}.safetensors"
        write_bytes(path / file, content)
        networks[stage] = {
            "file": file,
            "sha256": sha256(content),
            "parameters": _parameters(tensors),
            "bytes": len(content),
        }
    full = {
        "schema": MODEL_SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "calibration": None,
        "metrics": None,
        **info,
        "networks": networks,
        "statistics": None,
        "split": None,
        "precision": precision,
    }
    if statistics is not None:
        content = tensors_to_bytes(dict(statistics))
        write_bytes(path / "statistics.safetensors", content)
        full["statistics"] = {"file": "statistics.safetensors", "sha256": sha256(content)}
    if split is not None:
        split.write(path / "split.json")
        full["split"] = {"file": "split.json", "hash": split.hash, "counts": split.counts}
    found = ModelFiles(full, {}, {}, split, path)
    full["hash"] = found.hash
    write_text(path / "README.md", model_card(full))
    write_text(path / "model.json", json.dumps(full, indent=1) + "\n")
    return read_model_folder(path)


def _stored(tensors: Weights, precision: str, stage: str) -> Weights:
    dtype = PRECISIONS[precision]
    stored = {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}
    if not all(bool(torch.isfinite(v).all()) for v in stored.values() if v.is_floating_point()):
        raise GalamError(f"a weight of {stage} is not a finite {precision} number", "model")
    return stored


def _parameters(tensors: Weights) -> int:
    """Trainable numbers: all but the running statistics of batch normalisation."""
    running = ("running_mean", "running_var", "num_batches_tracked")
    return sum(one.numel() for name, one in tensors.items() if not name.endswith(running))


def read_model_folder(path: str | Path) -> ModelFiles:
    """Read a model folder and check every hash.

    Raises
    ------
    GalamError
        If it is no model folder, was written by a newer version, needs a plugin that
        is not loaded, or a file is missing or has changed.
    """
    path = Path(path)
    info = _read_info(path)
    require_plugin(info, path)
    try:
        weights = {
            stage: {
                name: one.float() if one.is_floating_point() else one
                for name, one in _read_entry(path, entry).items()
            }
            for stage, entry in info["networks"].items()
        }
        statistics = _read_entry(path, info["statistics"]) if info.get("statistics") else {}
        split = _read_split(path, info["split"]) if info.get("split") else None
        found = ModelFiles(info, weights, statistics, split, path)
        known = (found.network, found.train, found.preprocess, found.label, found.scaling)
    except (KeyError, TypeError, AttributeError) as error:
        raise GalamError(f"is damaged ({error})", path / "model.json") from error
    if info.get("hash") != found.hash or not known:
        raise GalamError("the model's hash does not match its contents", path / "model.json")
    return found


def _beside(path: Path, entry: Mapping[str, Any]) -> Path:
    """A file of the model, which must lie in its folder."""
    name = str(entry["file"])
    if Path(name).name != name:
        raise GalamError(f"the file {name!r} is not beside it", path / "model.json")
    return path / name


def _read_entry(path: Path, entry: Mapping[str, Any]) -> Weights:
    return read_tensors(_beside(path, entry), str(entry["sha256"]))


def _read_split(path: Path, entry: Mapping[str, Any]) -> Split:
    split = Split.read(_beside(path, entry))
    if split.hash != entry["hash"]:
        raise GalamError("the split is not the one of this model", path / str(entry["file"]))
    return split


def _read_info(path: Path) -> dict[str, Any]:
    file = path / "model.json"
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise GalamError("there is no model here", path, "train one with `galam train`") from error
    except ValueError as error:
        raise GalamError(f"is damaged ({error})", file) from error
    if not isinstance(info, dict) or not isinstance(info.get("schema"), int):
        raise GalamError("this is not a model", file)
    if info["schema"] > MODEL_SCHEMA:
        raise GalamError("this model was made by a newer version", file, "update galam-explorer")
    return info

"""``run.json``: what a run is, and whether a resumed one is still the same."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from galam_explorer import __version__
from galam_explorer.config import NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.plugins import plugin_of
from galam_explorer.survey.store import Survey
from galam_explorer.train.data import TARGETS, LabelScaling, TrainingData

__all__ = ["check_same", "describe_model", "describe_run"]

_FIXED = ("survey", "network", "train", "preprocess", "label", "lr_grid")
_FREE = {"survey": ("path", "name", "provenance"), "train": ("threads", "devices", "num_nodes")}
"""What may differ between the two parts of a resumed run."""


def describe_run(
    name: str,
    survey: Survey,
    network: NetworkConfig,
    train: TrainConfig,
    data: TrainingData,
    lr_grid: tuple[float, ...] = (),
) -> dict[str, Any]:
    """Contents of ``run.json``."""
    info = {
        "schema": 1,
        "name": name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "survey": {
            "name": survey.name,
            "path": str(survey.path.resolve()),
            "kind": survey.kind,
            "fingerprint": survey.fingerprint,
            "provenance": survey.provenance,
        },
        "network": asdict(network),
        "plugin": plugin_of(network.preset),
        "train": asdict(train),
        "preprocess": asdict(data.preprocess),
        "label": None if data.label is None else asdict(data.label),
        "lr_grid": list(lr_grid),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": _versions(),
    }
    # Through JSON, so that tuples compare as the lists that they are read back as.
    return json.loads(json.dumps(info, default=str))


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("torch", "lightning", "numpy")}
    return {"galam_explorer": __version__, "python": platform.python_version(), **found}


def check_same(old: dict[str, Any], new: dict[str, Any], where: Path) -> None:
    """Raise `GalamError` if a run was begun with other choices or another survey."""
    for part in _FIXED:
        one, other = (_flat(info.get(part), _FREE.get(part, ())) for info in (old, new))
        if changed := sorted(key for key in one | other if one.get(key) != other.get(key)):
            text = f"this run was begun with another {part} ({', '.join(changed)})"
            raise GalamError(text, where, "start a new run for it")


def _flat(part: Any, free: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(part, dict):
        return {"value": part or None}
    return {key: value for key, value in part.items() if key not in free}


def describe_model(
    info: dict[str, Any], train: TrainConfig, scaling: LabelScaling
) -> dict[str, Any]:
    """What ``model.json`` takes over from a run."""
    return {
        "name": info["name"],
        "network": info["network"],
        "plugin": info.get("plugin"),
        "train": json.loads(train.to_json()),
        "preprocess": info["preprocess"],
        "label": info["label"],
        "target": train.target,
        "targets": list(TARGETS),
        "label_scaling": {"low": list(scaling.low), "high": list(scaling.high)},
        "survey": {key: value for key, value in info["survey"].items() if key != "path"},
        "versions": info["versions"],
    }

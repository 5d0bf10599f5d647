"""A complete model folder in a moment: small networks with random weights, never trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from galam_explorer.config import NetworkConfig, PreprocessConfig, TrainConfig
from galam_explorer.networks import build_network
from galam_explorer.survey import Survey
from galam_explorer.train.release import ModelFiles, write_model_folder
from galam_explorer.train.split import make_split

SMALL = NetworkConfig(width=0.25, heads=2, queries=4)
STAGES = ("m1", "m2", "m3", "m4", "m4_real")


def _weights(stage: str, network: NetworkConfig) -> dict[str, torch.Tensor]:
    """Random weights whose black pixels are not exactly at the kink of a ReLU."""
    made = build_network(stage, network)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias, std=0.1)
    return made.state_dict()


def make_model(
    path: Path,
    survey: Survey,
    stages: tuple[str, ...] = STAGES,
    network: NetworkConfig = SMALL,
    fractions: tuple[float, ...] = (0.4, 0.4, 0.2),
    **info: Any,
) -> ModelFiles:
    """Write a model that "learned" the truth of `survey`; intervals and domain are missing."""
    torch.manual_seed(3)
    weights = {stage: _weights(stage, network) for stage in stages}
    train = TrainConfig(stages=stages, fractions=fractions, target="truth")
    facts = {
        "name": path.name,
        "network": json.loads(network.to_json()),
        "train": json.loads(train.to_json()),
        "preprocess": json.loads(PreprocessConfig.robust().to_json()),
        "label": None,
        "target": "truth",
        "label_scaling": {"low": [8.5, -1.0], "high": [10.1, 0.3]},
        "survey": {
            "name": survey.name,
            "kind": survey.kind,
            "fingerprint": survey.fingerprint,
            "provenance": survey.provenance,
        },
    }
    statistics = {"mean_features": torch.rand(1024)} if "m1" in stages else None
    split = make_split(survey.catalog, fractions)
    return write_model_folder(path, facts | info, weights, statistics, split)

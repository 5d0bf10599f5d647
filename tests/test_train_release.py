"""The model folder: what is written is read back, and nothing else is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from galam_explorer.config import LabelConfig, NetworkConfig, PreprocessConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.networks import build_network
from galam_explorer.train import ModelFiles, make_split, read_model_folder, write_model_folder

TINY = NetworkConfig(width=0.25, heads=2, queries=4)


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "name": "test model",
        "network": json.loads(TINY.to_json()),
        "train": json.loads(TrainConfig(stages=("m1", "m3")).to_json()),
        "preprocess": json.loads(PreprocessConfig.named("robust").to_json()),
        "label": json.loads(LabelConfig(mdegree=8).to_json()),
        "target": "label",
        "label_scaling": {"low": [8.5, -1.5], "high": [10.1, 0.3]},
        "survey": {"name": "s", "kind": "simulated", "fingerprint": "f", "provenance": {}},
        **changes,
    }


@pytest.fixture(scope="module")
def weights() -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    return {stage: build_network(stage, TINY).state_dict() for stage in ("m1", "m3")}


@pytest.fixture
def model(tmp_path: Path, weights: dict) -> ModelFiles:
    catalog = pd.DataFrame({"id": list("abcdefghij"), "ra": np.nan, "dec": np.nan})
    statistics = {"mean_features": torch.rand(1024)}
    return write_model_folder(tmp_path / "m", facts(), weights, statistics, make_split(catalog))


def test_round_trip(model: ModelFiles, weights: dict) -> None:
    again = read_model_folder(model.path)
    assert again.name == "test model"
    assert again.stages == ("m1", "m3")
    assert again.network == TINY
    assert again.train == TrainConfig(stages=("m1", "m3"))
    assert again.preprocess == PreprocessConfig.named("robust")
    assert again.label == LabelConfig(mdegree=8)
    assert again.scaling.high == (10.1, 0.3)
    assert again.split.counts == {"train": 8, "validation": 1, "test": 1}
    assert again.statistics["mean_features"].shape == (1024,)
    for stage, tensors in weights.items():
        assert all(torch.equal(tensors[name], one) for name, one in again.weights[stage].items())
        network = build_network(stage, TINY)
        network.load_state_dict(again.weights[stage])
        counted = sum(one.numel() for one in network.parameters())
        assert again.info["networks"][stage]["parameters"] == counted
    names = {path.name for path in model.path.iterdir()}
    files = {"m1.safetensors", "m3.safetensors", "statistics.safetensors"}
    assert names == files | {"model.json", "split.json", "README.md"}
    assert again.hash[:12] in (model.path / "README.md").read_text(encoding="utf-8")


def test_half_precision(tmp_path: Path, weights: dict) -> None:
    full = write_model_folder(tmp_path / "full", facts(), weights)
    half = write_model_folder(tmp_path / "half", facts(), weights, precision="float16")
    sizes = [one.info["networks"]["m1"]["bytes"] for one in (full, half)]
    assert sizes[1] < 0.55 * sizes[0]
    for name, one in half.weights["m1"].items():
        assert one.dtype == full.weights["m1"][name].dtype
        assert torch.allclose(one.float(), weights["m1"][name].float(), rtol=1e-3, atol=1e-6)
    assert half.hash != full.hash
    with pytest.raises(GalamError, match="float32 or float16"):
        write_model_folder(tmp_path / "int", facts(), weights, precision="int8")
    large = {"m1": {**weights["m1"], "large": torch.tensor([1e6])}}
    with pytest.raises(GalamError, match="not a finite float16 number"):
        write_model_folder(tmp_path / "inf", facts(), large, precision="float16")
    assert not (tmp_path / "inf" / "model.json").exists()


def test_the_hash_follows_what_predictions_depend_on(
    model: ModelFiles, weights: dict, tmp_path: Path
) -> None:
    def hash_of(**changes: Any) -> str:
        return write_model_folder(tmp_path / "other", facts(**changes), weights).hash

    assert hash_of() == model.hash
    assert hash_of(name="renamed", metrics={"m1": {"rmse": 0.1}}) == model.hash
    assert hash_of(calibration={"m1": 1}) != model.hash
    assert hash_of(label_scaling={"low": [8.4, -1.5], "high": [10.1, 0.3]}) != model.hash


@pytest.mark.parametrize("name", ["m1.safetensors", "statistics.safetensors", "split.json"])
def test_a_changed_byte_is_noticed(model: ModelFiles, name: str) -> None:
    path = model.path / name
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(GalamError, match=r"changed|hash|not a split"):
        read_model_folder(model.path)


def test_a_changed_scaling_is_noticed(model: ModelFiles) -> None:
    path = model.path / "model.json"
    path.write_text(path.read_text().replace("10.1", "10.2"))
    with pytest.raises(GalamError, match="hash does not match"):
        read_model_folder(model.path)


def test_what_is_no_model(model: ModelFiles, tmp_path: Path) -> None:
    with pytest.raises(GalamError, match="no model here"):
        read_model_folder(tmp_path)
    path = model.path / "model.json"
    text = path.read_text()
    for changes, words in (
        ({"schema": 99}, "newer version"),
        ({"schema": "1"}, "not a model"),
        ({"networks": None}, "damaged"),
        ({"networks": {"m1": {"file": "../m1.safetensors", "sha256": "0"}}}, "not beside it"),
        ({"network": {"preset": "huge"}}, "must be one of"),
        ({"label_scaling": {}}, "damaged"),
    ):
        path.write_text(json.dumps({**json.loads(text), **changes}))
        with pytest.raises(GalamError, match=words):
            read_model_folder(model.path)
    for broken in ("{", "[]"):
        path.write_text(broken)
        with pytest.raises(GalamError, match=r"damaged|not a model"):
            read_model_folder(model.path)
    path.write_text(text)
    (model.path / "m3.safetensors").unlink()
    with pytest.raises(GalamError, match="cannot be read"):
        read_model_folder(model.path)


def test_a_pickle_is_never_loaded(model: ModelFiles) -> None:
    path = model.path / "m1.safetensors"
    torch.save({"w": torch.ones(2)}, path)
    info = json.loads((model.path / "model.json").read_text())
    info["networks"]["m1"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (model.path / "model.json").write_text(json.dumps(info))
    with pytest.raises(GalamError, match="not a safetensors file"):
        read_model_folder(model.path)

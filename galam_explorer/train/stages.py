"""What each stage reads, learns and hands on: M1 → features → M2; M3; both → M4.

M4 is trained on what M2 and M3 say of the galaxies that they were trained on
(stacking on in-sample features, as published). M4's validation and test
galaxies are in nobody's training set, so comparisons on them are clean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from galam_explorer.config import NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.networks import Output, normalise_features
from galam_explorer.train.batches import Batches, StageData
from galam_explorer.train.data import LabelScaling, TrainingData, stage_rows
from galam_explorer.train.losses import r2_within
from galam_explorer.train.split import Split

__all__ = ["NEEDS", "Workshop", "check_stages", "infer"]

NEEDS = {"m2": ("m1",), "m4": ("m2", "m3"), "m4_real": ("m1", "m3")}
"""Stages whose networks a stage learns from."""
_INFER_BATCH = 256


def check_stages(stages: tuple[str, ...]) -> None:
    """Raise `GalamError` unless every stage has those that it needs."""
    for stage in stages:
        if missing := [one for one in NEEDS.get(stage, ()) if one not in stages]:
            raise GalamError(f"{stage} needs {' and '.join(missing)}", "--stages", "add it")


def infer(
    network: nn.Module,
    data: StageData,
    rows: np.ndarray,
    keep: Callable[[Output], Tensor],
    device: str = "cpu",
    bf16: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Run a network over some rows.

    Parameters
    ----------
    network : nn.Module
    data : StageData
    rows : ndarray of int
    keep : callable
        What of the `Output` is kept.
    device : str
    bf16 : bool
    dtype : torch.dtype
        Of the result.

    Returns
    -------
    Tensor, shape (n, ...)
        In the rows of the survey, on the CPU; zero where `rows` has none.
    """
    network, data, result = network.to(device).eval(), data.to(device), None
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=bf16):
        for batch in Batches(rows, _INFER_BATCH):
            inputs, _ = data.batch(batch, training=False)
            kept = keep(network(*inputs)).to("cpu", dtype)
            if result is None:
                result = torch.zeros(len(data.targets), *kept.shape[1:], dtype=dtype)
            result[batch] = kept
    return torch.zeros(0) if result is None else result


@dataclass(eq=False)
class Workshop:
    """The material of all stages, and the networks that are finished.

    Parameters
    ----------
    data : TrainingData
    split : Split
    scaling : LabelScaling
    network : NetworkConfig
    train : TrainConfig
    device : str
    bf16 : bool
    trained : dict of str to Module
        Finished networks by stage.
    """

    data: TrainingData
    split: Split
    scaling: LabelScaling
    network: NetworkConfig
    train: TrainConfig
    device: str = "cpu"
    bf16: bool = False
    trained: dict[str, nn.Module] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.images = torch.from_numpy(self.data.images)
        self.spectra = torch.from_numpy(self.data.spectra)
        self.labels = self.scaling.scale(torch.from_numpy(self.data.labels)).float()
        self._features: dict[str, Tensor] = {}

    def stage_data(self, stage: str) -> StageData:
        """Inputs, targets and rows of a stage.

        Raises
        ------
        GalamError
            If too few galaxies are left to train or to validate on.
        """
        # The joint stage learns labels and features: it needs what M4 with real ones does.
        needs = "m4_real" if stage == "joint" else stage
        rows = [stage_rows(self.data, self.split, needs, name) for name in ("train", "validation")]
        if stage == "m1":
            return self._data("spectra", (self.spectra,), self.labels, rows)
        if stage == "m2":
            made = self._data("images", (self.images,), self.real_features(), rows)
            made.learns = "features"
            made.extra["metrics"] = {"val_r2_baseline": self._baseline_r2(rows[1])}
            return made
        if stage in ("m3", "image_only"):
            return self._data("images", (self.images,), self.labels, rows)
        if stage == "joint":
            targets = torch.cat([self.labels, self.real_features()], dim=1)
            made = self._data("images", (self.images,), targets, rows)
            rest = self.real_features()[rows[0]] - self.mean_features()
            made.learns, made.extra["feature_mse"] = "joint", float(rest.square().mean())
            return made
        features = self.simulated_features() if stage == "m4" else self.real_features()
        return self._data("fusion", (features, self.tokens()), self.labels, rows)

    def _data(
        self, kind: str, inputs: tuple[Tensor, ...], targets: Tensor, rows: list[np.ndarray]
    ) -> StageData:
        augment = self.train.augment and kind != "fusion"
        return StageData(kind, inputs, targets, rows[0], rows[1], self.network, augment)

    def real_features(self) -> Tensor:
        """M1's features of every spectrum, min-max normalised, shape (n, 1024)."""
        return self._infer("m1", lambda output: normalise_features(output.features.float()))

    def simulated_features(self) -> Tensor:
        """M2's features of every image, min-max normalised, shape (n, 1024)."""
        return self._infer("m2", lambda output: normalise_features(output.features.float()))

    def tokens(self) -> Tensor:
        """M3's tokens of every image, shape (n, T, D), float16."""
        return self._infer("m3", lambda output: output.tokens, torch.float16)

    def mean_features(self) -> Tensor:
        """Mean of M1's normalised features over the training rows, shape (1024,)."""
        rows = stage_rows(self.data, self.split, "m1", "train")
        return self.real_features()[rows].mean(dim=0)

    def finish(self, stage: str, network: nn.Module) -> None:
        """Take in a finished network; the joint stage gives three, and outdates features."""
        if stage != "joint":
            self.trained[stage] = network
            return
        for name in ("m2", "m3", "m4"):
            self.trained[name] = getattr(network, name)
            self._features.pop(name, None)

    def _baseline_r2(self, rows: np.ndarray) -> float:
        """Mean R² within galaxies of the mean feature vector, which M2 has to beat."""
        mean = self.mean_features().expand(len(rows), -1)
        return float(r2_within(mean, self.real_features()[rows]).mean())

    def _infer(
        self, stage: str, keep: Callable[[Output], Tensor], dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Outputs of a finished network, computed once.

        M1's features are targets and are computed in full precision.
        """
        if stage not in self._features:
            spectra = stage == "m1"
            source = self.spectra if spectra else self.images
            usable = self.data.has_spectrum if spectra else self.data.has_image
            rows = np.flatnonzero(usable)
            data = self._data(
                "spectra" if spectra else "images", (source,), self.labels, [rows] * 2
            )
            bf16 = self.bf16 and not spectra
            network = self.trained[stage]
            self._features[stage] = infer(network, data, rows, keep, self.device, bf16, dtype)
            network.to("cpu")
        return self._features[stage]

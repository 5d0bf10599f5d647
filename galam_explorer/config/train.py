"""Choices of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from galam_explorer.config.base import Config
from galam_explorer.config.presets import NETWORKS, base_of

__all__ = ["TrainConfig"]


@dataclass(frozen=True)
class TrainConfig(Config):
    """How the networks are trained (paper Sect. 3.5).

    Parameters
    ----------
    stages : tuple of str
        What to train, of ``m1``, ``m2``, ``m3``, ``m4``, ``m4_real`` and
        ``image_only``; always run in that order.
    seed : int
        Of initial weights, order and augmentation; not of the split.
    split_seed : int
        Of the one split that all stages share.
    fractions : tuple of float
        Shares of training, validation and test galaxies; groups stay together.
    spatial_degrees : float
        Above 0, galaxies in one cell of the sky of about this size stay together too.
    target : {"label", "truth"}
        Learn pPXF-style labels, or (simulated surveys only) what was put in.
    epochs : int
        At most this many for each stage.
    stage_epochs : tuple of (str, int)
        Other numbers for some stages, as ``("m1", 24)``.
    patience : int
        Stop a stage after so many epochs without a better validation loss; 0: never.
    batch_size : int
        Halved, and said so, when memory runs out.
    learning_rates : tuple of (str, float)
        By stage, as ``("m1", 1e-3)``; unnamed stages take `learning_rate`.
    learning_rate : float
    schedule : {"onecycle", "constant"}
    weight_decay : float
        AdamW's; the paper's L2 on convolutions is part of its preset.
    loss : {"nll", "mse"}
        ``nll``: Gaussian log-likelihood with a learned spread; ``mse``: the paper's.
    augment : bool
        Rotations by 90° and flips of images; small redshifts of, and noise on, spectra.
    joint_epochs : int
        Fine-tune M2, M3 and M4 together for so many epochs after M4; 0: not.
    precision : {"auto", "32", "bf16"}
        ``auto``: bf16 where the device multiplies it faster.
    device : {"auto", "cpu", "cuda", "mps"}
    devices, num_nodes : int
        Lightning's; above 1 it is distributed data-parallel.
    threads : int
        CPU threads; 0 leaves torch's choice.
    """

    stages: tuple[str, ...] = ("m1", "m2", "m3", "m4", "m4_real")
    seed: int = 0
    split_seed: int = 0
    fractions: tuple[float, ...] = (0.8, 0.1, 0.1)
    spatial_degrees: float = 0.0
    target: str = "label"
    epochs: int = 20
    stage_epochs: tuple[tuple[str, int], ...] = ()
    patience: int = 0
    batch_size: int = 64
    learning_rates: tuple[tuple[str, float], ...] = ()
    learning_rate: float = 2e-3
    schedule: str = "onecycle"
    weight_decay: float = 0.02
    loss: str = "nll"
    augment: bool = True
    joint_epochs: int = 0
    precision: str = "auto"
    device: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        rates = tuple((str(name), float(rate)) for name, rate in self.learning_rates)
        object.__setattr__(self, "learning_rates", rates)
        counts = tuple((str(name), count) for name, count in self.stage_epochs)
        object.__setattr__(self, "stage_epochs", counts)
        ordered = tuple(name for name in NETWORKS if name in self.stages)
        known = len(self.stages) > 0 and set(self.stages) <= set(NETWORKS)
        self.require(known, "stages", f"one or more of {', '.join(NETWORKS)}")
        object.__setattr__(self, "stages", ordered)
        self._require_fractions()
        for name, low in (("seed", 0), ("split_seed", 0), ("epochs", 1), ("patience", 0)):
            self._require_whole(name, low)
        for name, low in (("batch_size", 1), ("joint_epochs", 0), ("devices", 1), ("num_nodes", 1)):
            self._require_whole(name, low)
        self._require_whole("threads", 0)
        for name, choices in _CHOICES.items():
            self.require(getattr(self, name) in choices, name, f"one of {', '.join(choices)}")
        self.require(0 < self.learning_rate < 1, "learning_rate", "between 0 and 1")
        fine = all(name in NETWORKS and 0 < rate < 1 for name, rate in self.learning_rates)
        self.require(fine, "learning_rates", "pairs of a stage and a rate between 0 and 1")
        counted = all(
            name in NETWORKS and isinstance(count, int) and count >= 1
            for name, count in self.stage_epochs
        )
        self.require(counted, "stage_epochs", "pairs of a stage and a whole number above 0")
        self.require(0 <= self.weight_decay < 1, "weight_decay", "at least 0 and below 1")
        self.require(0 <= self.spatial_degrees <= 90, "spatial_degrees", "from 0 to 90°")

    def _require_whole(self, name: str, low: int) -> None:
        value = getattr(self, name)
        ok = isinstance(value, int) and not isinstance(value, bool) and value >= low
        self.require(ok, name, f"a whole number of at least {low}")

    def _require_fractions(self) -> None:
        shares = self.fractions
        ok = len(shares) == 3 and all(share > 0 for share in shares)
        self.require(ok and abs(sum(shares) - 1) < 1e-6, "fractions", "three shares that sum to 1")

    @classmethod
    def paper(cls, **changes: Any) -> Self:
        """The published training: Adam, MSE, batches of 32, 100 epochs, constant rates."""
        published = {
            "epochs": 100,
            "stage_epochs": (),
            "patience": 0,
            "batch_size": 32,
            "learning_rate": 1e-4,
            "learning_rates": (("m2", 1e-3),),
            "schedule": "constant",
            "weight_decay": 0.0,
            "loss": "mse",
            "augment": False,
        }
        return cls(**{**published, **changes})

    @classmethod
    def named(cls, preset: str, **changes: Any) -> Self:
        """The default choices that go with a preset of the networks."""
        return cls.paper(**changes) if base_of(preset) == "paper" else cls(**changes)

    def epochs_of(self, stage: str) -> int:
        """Most epochs of a stage."""
        return dict(self.stage_epochs).get(stage, self.epochs)

    def rate(self, stage: str) -> float:
        """Learning rate of a stage."""
        return dict(self.learning_rates).get(stage, self.learning_rate)


_CHOICES = {
    "target": ("label", "truth"),
    "schedule": ("onecycle", "constant"),
    "loss": ("nll", "mse"),
    "precision": ("auto", "32", "bf16"),
    "device": ("auto", "cpu", "cuda", "mps"),
}

"""Batches by row number: data stay in memory and no Python touches single galaxies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from galam_explorer.config import NetworkConfig
from galam_explorer.networks import image_tensor
from galam_explorer.train.augment import dihedral, noisier, redshifted

__all__ = ["Batches", "StageData"]


class Batches:
    """Row numbers of one epoch after another, in batches.

    The order depends on the key and the epoch alone, so that a resumed run sees
    what an undisturbed one would have seen.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
    size : int
        Galaxies a batch.
    key : sequence of int, optional
        Seeds of the order; without it rows come as they are, each once.
    epoch : callable
        Gives the number of the current epoch.
    part, parts : int
        This process's number and how many share every epoch.
    """

    def __init__(
        self,
        rows: np.ndarray,
        size: int,
        key: tuple[int, ...] | None = None,
        epoch: Callable[[], int] = lambda: 0,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        self.rows, self.key, self.epoch, self.part, self.parts = rows, key, epoch, part, parts
        self.size = min(size, max(1, len(rows) // parts))

    def __len__(self) -> int:
        if self.key is None:
            return math.ceil(len(self.rows) / self.size)
        # A last batch of one galaxy would have no variance for batch normalisation.
        return len(self.rows) // self.parts // self.size

    def __iter__(self) -> Iterator[Tensor]:
        rows = self.rows
        if self.key is not None:
            order = np.random.default_rng([*self.key, self.epoch()]).permutation(len(rows))
            rows = rows[order[self.part :: self.parts]]
        for start in range(0, len(self) * self.size, self.size):
            yield torch.from_numpy(rows[start : start + self.size])


@dataclass(eq=False)
class StageData:
    """What one stage reads and learns, by row of the survey.

    Parameters
    ----------
    kind : {"spectra", "images", "fusion"}
        What the network takes.
    inputs : tuple of Tensor
        Resident arrays whose first axis is the row.
    targets : Tensor, shape (n, k), float32
        Scaled labels, or M1's normalised features for M2.
    train_rows, validation_rows : ndarray of int64
    network : NetworkConfig
    augment : bool
    learns : {"labels", "features", "joint"}
        M2 learns features; the joint stage labels and features.
    extra : dict
        ``metrics``: constants that go with every epoch's; ``feature_mse``: that of
        the mean feature vector.
    """

    kind: str
    inputs: tuple[Tensor, ...]
    targets: Tensor
    train_rows: np.ndarray
    validation_rows: np.ndarray
    network: NetworkConfig
    augment: bool = False
    learns: str = "labels"
    extra: dict[str, Any] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> StageData:
        """The same with its arrays on a device; nothing is copied if they are there."""
        inputs = tuple(one.to(device) for one in self.inputs)
        return replace(self, inputs=inputs, targets=self.targets.to(device))

    def batch(self, rows: Tensor, training: bool) -> tuple[tuple[Tensor, ...], Tensor]:
        """Network inputs and targets of some rows."""
        taken = tuple(one[rows] for one in self.inputs)
        if self.kind == "images":
            images = dihedral(taken[0]) if training and self.augment else taken[0]
            taken = (image_tensor(images, self.network),)
        elif self.kind == "fusion":
            taken = tuple(one.float() for one in taken)
        elif training and self.augment:
            taken = (noisier(redshifted(taken[0])),)
        return taken, self.targets[rows]

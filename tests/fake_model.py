"""A model whose answers are known, and waiting for what comes from another thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from galam_explorer.records import Prediction

__all__ = ["FakeModel", "until"]


class FakeModel:
    """Says the same of every galaxy; only its interface is that of a model."""

    def __init__(self, name: str = "fake", offset: float = 0.0) -> None:
        self.name, self.hash, self.path = name, f"hash-{name}-{offset}", f"/models/{name}"
        self.network = SimpleNamespace(preset="compact")
        self.offset = offset
        self.asked: list[str] = []

    def predict(self, galaxy: Any) -> dict[str, Prediction]:
        self.asked.append(galaxy.id)
        found = {}
        for key, value in {"m1": 9.8, "m3": 9.2, "m4": 9.5, "m4_real": 9.7}.items():
            if galaxy.spectrum is None and key in ("m1", "m4_real"):
                found[key] = Prediction(galaxy.id, key, status="no_spectrum", reason="none")
                continue
            value += self.offset
            found[key] = Prediction(
                galaxy.id, key, value, -0.2, (value - 0.1, value + 0.1),
                (value - 0.2, value + 0.2), (-0.3, -0.1), (-0.4, 0.0),
                0.995 if key == "m3" else 0.5,
                key != "m3",
            )  # fmt: skip
        return found

    def predict_stages(self, galaxy: Any, stages: Any) -> dict[str, Prediction]:
        value = 9.0 + float(stages.mask.mean())
        return {"m4": Prediction(galaxy.id, "m4", value, -0.2)}

    def splits_of(self, survey: Any) -> np.ndarray:
        return np.array(["train", "test"] * len(survey))[: len(survey)]


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)

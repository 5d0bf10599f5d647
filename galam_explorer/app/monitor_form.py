"""What can be chosen before a training, as controls."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

from galam_explorer.config import NetworkConfig, TrainConfig
from galam_explorer.config.presets import NETWORKS, base_of, preset_names
from galam_explorer.evaluate.figures.predictions import SHORT_NAMES

__all__ = ["TrainingForm"]

_GIVEN = "as given"
_STAGES = (
    "Stages, trained in this order. M1: spectrum to features; M2: image to M1's features; "
    "M3: image to features; M4: attention between M2's and M3's; M4 real: the same with M1's "
    "features; image only: one network on the image, as large as M2, M3 and M4 together"
)
_TARGETS = {"label": "pPXF labels", "truth": "simulated truth"}


class TrainingForm:
    """Preset, stages, epochs, seed and target; all else stays as it was given.

    Parameters
    ----------
    network : NetworkConfig
    train : TrainConfig
        Where the controls start.
    simulated : bool
        Whether the survey has a truth to learn.
    """

    def __init__(self, network: NetworkConfig, train: TrainConfig, simulated: bool) -> None:
        self._network, self._train = network, train
        named = next((p for p in preset_names() if NetworkConfig.named(p) == network), _GIVEN)
        self._start = named
        small = {"size": "small", "margin": 0}
        self.preset = pmui.Select(
            label="Networks", options=[*([named] if named == _GIVEN else []), *preset_names()],
            value=named, width=120, **small,
        )  # fmt: skip
        self.stages = pmui.CheckButtonGroup(
            options={SHORT_NAMES.get(name, name): name for name in NETWORKS},
            value=list(train.stages), variant="outlined", color="primary", description=_STAGES,
            **small,
        )  # fmt: skip
        self.epochs = pmui.IntInput(
            label="Epochs", value=train.epochs, start=1, end=1000, width=116, **small
        )
        self.seed = pmui.IntInput(label="Seed", value=train.seed, start=0, width=90, **small)
        targets = [_TARGETS["label"], *([_TARGETS["truth"]] if simulated else [])]
        self.target = pmui.Select(
            label="Learn", options=targets, value=_TARGETS.get(train.target, targets[0]),
            width=150, **small,
        )  # fmt: skip
        self.items: list[Any] = [self.preset, self.stages, self.epochs, self.seed, self.target]

    def enable(self, on: bool) -> None:
        """Let the controls be changed, or not."""
        for item in self.items:
            if item.disabled == on:
                item.disabled = not on

    def choices(self) -> tuple[NetworkConfig, TrainConfig]:
        """What is chosen.

        Raises
        ------
        GalamError
            If a choice is not allowed.
        """
        preset = str(self.preset.value)
        same = preset == self._start
        network = self._network if same else NetworkConfig.named(preset)
        train = self._train if same else TrainConfig.named(base_of(preset))
        changes: dict[str, Any] = {
            "stages": tuple(self.stages.value),
            "seed": int(self.seed.value or 0),
            "target": next(key for key, name in _TARGETS.items() if name == self.target.value),
        }
        if self.epochs.value != train.epochs:
            changes |= {"epochs": int(self.epochs.value or 0), "stage_epochs": ()}
        return network, train.replace(**changes)

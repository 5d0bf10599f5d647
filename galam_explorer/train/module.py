"""One stage as a Lightning module: steps, losses, optimiser, and what is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from galam_explorer.errors import GalamError
from galam_explorer.train.batches import StageData
from galam_explorer.train.losses import joint_loss, label_loss, r2_within

__all__ = ["Recipe", "StageModule"]

_PAPER_L2 = 1e-3
_WARM_UP = 0.15


@dataclass(frozen=True)
class Recipe:
    """How one stage is optimised.

    Parameters
    ----------
    rate : float
        Learning rate; the peak of ``onecycle``.
    schedule : {"onecycle", "constant"}
    steps : int
        Of the whole stage.
    weight_decay : float
        Not on biases and normalisations.
    loss : {"nll", "mse"}
    clip : float
        Largest norm of the gradient; 0 for no limit.
    """

    rate: float
    schedule: str
    steps: int
    weight_decay: float
    loss: str
    clip: float = 0.0


class StageModule(LightningModule):
    """Trains one network on one `StageData`.

    Parameters
    ----------
    network : nn.Module
    data : StageData
    recipe : Recipe
    width : Tensor, shape (2,)
        Dex per scaled unit of the labels.
    state : dict, optional
        What `state_of` of an interrupted run gave.
    """

    def __init__(
        self,
        network: nn.Module,
        data: StageData,
        recipe: Recipe,
        width: Tensor,
        state: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.data, self.recipe = network, data, recipe
        self.register_buffer("label_width", width.float(), persistent=False)
        self.first_epoch = state["epoch"] if state else 0
        self._state = state
        self._train_losses: list[Tensor] = []
        self._validation: list[tuple[Tensor, ...]] = []
        self.measured: dict[str, float] = {}
        if state:
            network.load_state_dict(state["weights"])

    def setup(self, stage: str) -> None:
        """Move the data to where the network is."""
        self.data = self.data.to(self.device)

    def epoch_number(self) -> int:
        """Number of the current epoch since the stage began, from 0."""
        return self.first_epoch + (self.trainer.current_epoch if self._trainer else 0)

    def training_step(self, rows: Tensor, index: int) -> Tensor:
        """Loss of one batch of row numbers."""
        inputs, targets = self.data.batch(rows, training=True)
        output = self.network(*inputs)
        loss = self._loss(output, targets)
        self._train_losses.append(loss.detach())
        return loss + _PAPER_L2 * self.network.l2_terms()

    def _loss(self, output: Any, targets: Tensor) -> Tensor:
        if self.data.learns == "features":
            return (output.features.float() - targets).square().mean()
        if self.data.learns == "joint":
            return joint_loss(output, targets, self.recipe.loss, self.data.extra["feature_mse"])
        return label_loss(output, targets, self.recipe.loss)

    def validation_step(self, rows: Tensor, index: int) -> None:
        """Keep what `on_validation_epoch_end` needs."""
        inputs, targets = self.data.batch(rows, training=False)
        output = self.network(*inputs)
        if self.data.learns == "joint":
            # M4 is what the joint stage is for, so M4 alone judges it.
            output, targets = output.fusion, targets[:, :2]
            loss = label_loss(output, targets, self.recipe.loss) * len(rows)
        else:
            loss = self._loss(output, targets) * len(rows)
        if self.data.learns == "features":
            self._validation.append((loss, r2_within(output.features.float(), targets).sum()))
        else:
            residual = (output.mean - targets) * self.label_width
            self._validation.append((loss, residual.square().sum(dim=0)))

    def on_validation_epoch_end(self) -> None:
        """Means over the validation galaxies."""
        count = len(self.data.validation_rows)
        sums = (torch.stack(one).sum(dim=0) for one in zip(*self._validation, strict=True))
        loss, second = (one / count for one in sums)
        self._validation.clear()
        self.measured = {"val_loss": float(loss)}
        if self.data.learns == "features":
            self.measured["val_r2"] = float(second)
        else:
            age, metallicity = second.sqrt().tolist()
            self.measured |= {"val_rmse_log_age": age, "val_rmse_m_h": metallicity}

    def finish_epoch(self) -> None:
        """Add the mean training loss to what was measured.

        Raises
        ------
        GalamError
            If a loss is no longer a number.
        """
        train_loss = float(torch.stack(self._train_losses).mean())
        self._train_losses.clear()
        self.measured["train_loss"] = train_loss
        if not (math.isfinite(train_loss) and math.isfinite(self.measured["val_loss"])):
            raise GalamError(
                f"the loss is no longer a number after epoch {self.epoch_number() + 1}",
                "training",
                "use a lower --lr, or --precision 32",
            )

    def configure_optimizers(self) -> Any:
        """AdamW (Adam where the weight decay is 0), stepping its schedule every batch."""
        recipe = self.recipe
        matrices = [one for one in self.network.parameters() if one.ndim > 1]
        others = [one for one in self.network.parameters() if one.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        fused = self.device.type in ("cpu", "cuda")
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.rate, fused=fused)
        if recipe.schedule == "constant":
            self.schedule = torch.optim.lr_scheduler.ConstantLR(self.optimiser, factor=1.0)
        else:
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(
                self.optimiser,
                recipe.rate,
                total_steps=recipe.steps + 1,
                pct_start=_WARM_UP,
                div_factor=10,
                final_div_factor=100,
                cycle_momentum=False,
            )
        if self._state:
            self.optimiser.load_state_dict(self._state["optimiser"])
            self.schedule.load_state_dict(self._state["schedule"])
        scheduler = {"scheduler": self.schedule, "interval": "step"}
        return {"optimizer": self.optimiser, "lr_scheduler": scheduler}

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip by norm; Lightning's own refuses fused optimisers, though bf16 scales nothing."""
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the stage depends on, after a finished epoch."""
        return {
            "epoch": self.epoch_number() + 1,
            "weights": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

"""What a trained attention is worth: M4 with and without it (flaw 1 of the published code)."""

from __future__ import annotations

import numpy as np
import torch

from galam_explorer.config import NetworkConfig
from galam_explorer.evaluate.metrics import regression_metrics
from galam_explorer.evaluate.protocol_shuffle import FusionInputs
from galam_explorer.networks import build_network
from galam_explorer.train.data import TARGETS, LabelScaling

__all__ = ["untrained_attention"]

_BATCH = 64


def untrained_attention(
    inputs: dict[str, FusionInputs],
    labels: dict[str, np.ndarray],
    network: NetworkConfig,
    scaling: LabelScaling,
    trained: bool,
    epochs: int = 12,
    rate: float = 2e-3,
    seed: int = 0,
) -> dict[str, float]:
    """Train M4 with its attention trained or left at its random first weights.

    Parameters
    ----------
    inputs : dict of str to FusionInputs
        ``train`` and ``test``, from `fusion_inputs`.
    labels : dict of str to ndarray, shape (n, 2), dex
    network : NetworkConfig
    scaling : LabelScaling
    trained : bool
        Whether the attention learns.
    epochs, rate, seed
        Of this small training (Adam, batches of 64, one-cycle rate).

    Returns
    -------
    dict
        ``log_age`` and ``m_h``: RMSE on the test galaxies, dex.
    """
    torch.manual_seed(seed)
    fusion = build_network("m4", network)
    for weight in fusion.attention.parameters():
        weight.requires_grad_(trained)
    learned = [one for one in fusion.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(learned, rate, weight_decay=0.02)
    targets = torch.from_numpy(scaling.scale(labels["train"])).float()
    data, count, size = inputs["train"], len(targets), _BATCH
    steps = epochs * max(1, count // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1)
    order = torch.Generator().manual_seed(seed)
    fusion.train()
    for _ in range(epochs):
        shuffled = torch.randperm(count, generator=order)
        for start in range(0, count - size + 1, size):
            rows = shuffled[start : start + size]
            output = fusion(data.features[rows].clone(), data.tokens[rows].float())
            residual = output.mean - targets[rows]
            # Gaussian likelihood with the learned spread; the mean square without one.
            loss = residual.square().mean()
            if output.log_sigma is not None:
                loss = (0.5 * (residual / output.log_sigma.exp()) ** 2 + output.log_sigma).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    fusion.eval()
    with torch.inference_mode():
        tokens = inputs["test"].tokens.float()
        said = scaling.unscale(fusion(inputs["test"].features, tokens).mean.double().numpy())
    found = [regression_metrics(said[:, i], labels["test"][:, i])["rmse"] for i in range(2)]
    return dict(zip(TARGETS, found, strict=True))

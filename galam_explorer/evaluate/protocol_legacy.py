"""The published evaluation against the clean one, on the same data.

Four things make published numbers better than they are, each measured alone:

- **clip**: what is called 3 sigma is 1.8 sigma (`clip_table`);
- **split**: M1 is split with another seed, so most test galaxies of M2 to M4 were
  in its training set (`train_legacy` trains such runs);
- **scaling**: labels are scaled by the extremes of all galaxies (`scaling_table`);
- **attention**: the fusion attention keeps its random first weights
  (`train_untrained_attention`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.config import LabelConfig, NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.metrics import STATISTICS, regression_metrics
from galam_explorer.evaluate.protocol import Measured
from galam_explorer.evaluate.protocol_shuffle import FusionInputs
from galam_explorer.survey.store import Survey
from galam_explorer.train.checkpoint import read_stage, write_stage
from galam_explorer.train.data import TARGETS, LabelScaling
from galam_explorer.train.folder import RunFolder
from galam_explorer.train.runner import train_run
from galam_explorer.train.split import Split

__all__ = [
    "clip_table",
    "gain_table",
    "overlap",
    "scaling_table",
    "train_legacy",
    "untrained_attention",
]

OTHER_SPLIT = 1
"""What is added to the split's seed for the legacy M1."""


def clip_table(measured: Measured, reference: str = "label") -> pd.DataFrame:
    """What the published clip does to each model's SD.

    Returns
    -------
    DataFrame
        ``model``, ``quantity``, ``sd``, ``legacy_sd`` (dex), ``ratio``, ``kept``; means
        over seeds.
    """
    rows = []
    for model in measured.predictions:
        for target, quantity in enumerate(TARGETS):
            residual = measured.residuals(model, reference, target)
            truth = np.broadcast_to(measured.references[reference][:, target], residual.shape)
            sd, legacy, kept = (
                float(STATISTICS[name](residual, truth).mean())
                for name in ("sd", "legacy_sd", "legacy_kept")
            )
            rows.append((model, quantity, sd, legacy, legacy / sd, kept))
    return pd.DataFrame(rows, columns=["model", "quantity", "sd", "legacy_sd", "ratio", "kept"])


def gain_table(
    clean: Measured, legacy: Measured | None = None, reference: str = "label"
) -> pd.DataFrame:
    """The claimed gain, 1 - SD / SD of the image-only model, under each protocol.

    Parameters
    ----------
    clean : Measured
    legacy : Measured, optional
        Of `train_legacy`'s runs.

    Returns
    -------
    DataFrame
        ``protocol``, ``model``, ``quantity``, ``gain``.
    """
    cases = [("clean", clean, "sd"), ("clean, published clip", clean, "legacy_sd")]
    if legacy is not None:
        cases += [("legacy split", legacy, "sd")]
        cases += [("legacy split, published clip", legacy, "legacy_sd")]
    rows = []
    for protocol, measured, name in cases:
        if "m3" not in measured.predictions:
            continue
        for target, quantity in enumerate(TARGETS):
            spread = {
                model: float(
                    STATISTICS[name](measured.residuals(model, reference, target), 0.0).mean()
                )
                for model in ("m3", "m4", "m4_real", "m1", "image_only")
                if model in measured.predictions
            }
            rows += [
                (protocol, model, quantity, 1.0 - value / spread["m3"])
                for model, value in spread.items()
                if model != "m3"
            ]
    return pd.DataFrame(rows, columns=["protocol", "model", "quantity", "gain"])


def overlap(first: Split, second: Split) -> dict[str, float]:
    """Share of one split's test galaxies that the other trained and validated on."""
    test = first.ids("test")
    return {name: float(np.isin(test, second.ids(name)).mean()) for name in ("train", "validation")}


def scaling_table(labels: np.ndarray, split: Split, ids: np.ndarray) -> pd.DataFrame:
    """Label scaling from the training galaxies and from all.

    Parameters
    ----------
    labels : ndarray, shape (n, 2), dex
    split : Split
    ids : ndarray of str, shape (n,)

    Returns
    -------
    DataFrame
        ``quantity``, ``low``, ``high`` from training rows, ``low_all``, ``high_all``,
        ``outside`` (share of test labels beyond the training range).
    """
    train, test = split.mask(ids, "train"), split.mask(ids, "test")
    clean, everyone = LabelScaling.fit(labels[train]), LabelScaling.fit(labels)
    rows = []
    for target, quantity in enumerate(TARGETS):
        low, high = clean.low[target], clean.high[target]
        known = labels[test, target][np.isfinite(labels[test, target])]
        outside = float(((known < low) | (known > high)).mean()) if len(known) else float("nan")
        rows.append((quantity, low, high, everyone.low[target], everyone.high[target], outside))
    return pd.DataFrame(rows, columns=["quantity", "low", "high", "low_all", "high_all", "outside"])


def train_legacy(
    survey: Survey,
    run_dir: str | Path,
    network: NetworkConfig | None = None,
    train: TrainConfig | None = None,
    preprocess: str = "robust",
    label: LabelConfig | str | None = None,
) -> tuple[RunFolder, RunFolder]:
    """Train M1 on another split, then everything else on its features, as published.

    Parameters
    ----------
    survey : Survey
    run_dir : str or Path
        Gets ``m1`` and ``rest``, two run folders. What is finished is not trained again.
    network, train, preprocess, label
        As for `galam_explorer.train.runner.train_run`.

    Returns
    -------
    (RunFolder, RunFolder)
        M1 by itself, and the run whose M2 to M4 learned from it.
    """
    base, train = Path(run_dir), train or TrainConfig()
    first = RunFolder(base / "m1")
    if not (first.model / "model.json").is_file():
        alone = train.replace(stages=("m1",), split_seed=train.split_seed + OTHER_SPLIT)
        train_run(survey, network, alone, preprocess, label, first.path, first.exists)
    finished = read_stage(first.checkpoints, "m1")
    if finished is None:
        raise GalamError("M1 was not finished", first.path, "start again: it resumes")
    rest = RunFolder(base / "rest")
    if not rest.exists:
        weights, info = finished
        facts: dict[str, Any] = {k: v for k, v in info.items() if k not in ("sha256", "stage")}
        write_stage(rest.checkpoints, "m1", weights, {"stage": "m1", **facts})
    if not (rest.model / "model.json").is_file():
        stages = tuple(one for one in train.stages if one != "m1")
        whole = train.replace(stages=("m1", *stages))
        train_run(survey, network, whole, preprocess, label, rest.path, rest.exists)
    return first, rest


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
    import torch

    from galam_explorer.networks import build_network

    torch.manual_seed(seed)
    fusion = build_network("m4", network)
    for weight in fusion.attention.parameters():
        weight.requires_grad_(trained)
    learned = [one for one in fusion.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(learned, rate, weight_decay=0.02)
    targets = torch.from_numpy(scaling.scale(labels["train"])).float()
    data, count, size = inputs["train"], len(targets), 64
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

"""The published evaluation against the clean one, on the same data.

Four things make published numbers better than they are, each measured alone:

- **clip**: what is called 3 sigma is 1.8 sigma (`clip_table`);
- **split**: M1 is split with another seed, so most test galaxies of M2 to M4 were
  in its training set (`train_legacy` trains such runs);
- **scaling**: labels are scaled by the extremes of all galaxies (`scaling_table`);
- **attention**: the fusion attention keeps its random first weights
  (`galam_explorer.evaluate.protocol_attention`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.config import LabelConfig, NetworkConfig, TrainConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.metrics import STATISTICS
from galam_explorer.evaluate.predict import load_model
from galam_explorer.evaluate.protocol import Measured, measure
from galam_explorer.preprocess import load_prepared
from galam_explorer.survey.store import Survey
from galam_explorer.train.checkpoint import read_stage, write_stage
from galam_explorer.train.data import TARGETS, LabelScaling
from galam_explorer.train.folder import RunFolder
from galam_explorer.train.runner import train_run
from galam_explorer.train.split import Split

__all__ = [
    "clip_table",
    "gain_table",
    "measure_legacy",
    "overlap",
    "scaling_table",
    "train_legacy",
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
    clean: RunFolder | None = None,
) -> tuple[RunFolder, RunFolder]:
    """Train M1 on another split, then everything else on its features, as published.

    Parameters
    ----------
    survey : Survey
    run_dir : str or Path
        Gets ``m1`` and ``rest``, two run folders. What is finished is not trained again.
    network, train, preprocess, label
        As for `galam_explorer.train.runner.train_run`.
    clean : RunFolder, optional
        A clean run of the same choices: its M3, and its image-only network, which
        never see M1, are taken over instead of being trained again.

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
        _hand_over(rest, "m1", finished)
        for stage in ("m3", "image_only"):
            if clean is not None and stage in train.stages:
                _hand_over(rest, stage, read_stage(clean.checkpoints, stage))
    if not (rest.model / "model.json").is_file():
        stages = tuple(one for one in train.stages if one != "m1")
        whole = train.replace(stages=("m1", *stages))
        train_run(survey, network, whole, preprocess, label, rest.path, rest.exists)
    return first, rest


def _hand_over(
    to: RunFolder, stage: str, finished: tuple[dict[str, Any], dict[str, Any]] | None
) -> None:
    """Place a finished stage in a run that has not begun; it is not trained again."""
    if finished is not None:
        weights, info = finished
        facts = {name: value for name, value in info.items() if name != "sha256"}
        write_stage(to.checkpoints, stage, weights, facts)


def measure_legacy(first: RunFolder, rest: RunFolder, survey: Survey) -> Measured:
    """Measure `train_legacy`'s runs on the test galaxies of the second.

    M1 speaks with its own label scaling; most of these galaxies trained it.
    """
    measured = measure([rest.path], survey, photometry=False)
    model = load_model(first.path)
    rows = np.flatnonzero(np.isin(np.asarray(survey.ids, dtype=str), measured.ids))
    sample = load_prepared(survey, model.preprocess)
    batches = model.batches(sample, np.full(len(sample), np.nan), rows)
    said = np.concatenate([raw.mean["m1"] for _, raw in batches])
    return replace(measured, predictions=measured.predictions | {"m1": said[None]})

"""Losses over epochs (paper Fig. 11), from a run's ``metrics.jsonl``."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pandas as pd

from galam_explorer.evaluate.figures.population import layout, limits_of, plot_options
from galam_explorer.evaluate.figures.style import style_for

__all__ = ["loss_figure", "rate_figure", "training_figure"]


def _of_stage(metrics: pd.DataFrame, stage: str) -> pd.DataFrame:
    return metrics[metrics["stage"] == stage].sort_values("epoch")


def loss_figure(metrics: pd.DataFrame, stage: str, *, dark: bool = False) -> hv.Overlay:
    """Training (solid) and validation loss (dashed) of one stage.

    Parameters
    ----------
    metrics : DataFrame
        One row a finished epoch: ``stage``, ``epoch``, ``train_loss``, ``val_loss``.
    stage : str

    Returns
    -------
    hv.Overlay
        Training curve, validation curve, and a ring at the best validation loss.
    """
    style, mine = style_for(dark), _of_stage(metrics, stage)
    epoch = mine["epoch"].to_numpy(float)
    train, validation = mine["train_loss"].to_numpy(float), mine["val_loss"].to_numpy(float)
    known = np.isfinite(validation)
    best = [int(np.nanargmin(validation))] if known.any() else []
    return hv.Overlay(
        [
            hv.Curve((epoch, train), "epoch", "loss", label="training").opts(
                color=style.categories[0], line_width=2
            ),
            hv.Curve((epoch, validation), "epoch", "loss", label="validation").opts(
                color=style.categories[1], line_width=2, line_dash="dashed"
            ),
            hv.Points((epoch[best], validation[best]), ["epoch", "loss"]).opts(
                fill_color=None, line_color=style.current, size=12, line_width=2
            ),
        ]
    ).opts(
        plot_options(
            "epoch",
            "loss",
            xlim=limits_of(epoch),
            ylim=limits_of(train, validation),
            title=stage,
            show_legend=True,
            legend_position="top_right",
        )
    )


def rate_figure(metrics: pd.DataFrame, *, dark: bool = False) -> hv.Overlay:
    """Learning rate of every stage over epochs."""
    style, layers = style_for(dark), []
    for index, stage in enumerate(dict.fromkeys(metrics["stage"])):
        mine = _of_stage(metrics, stage)
        layers.append(
            hv.Curve((mine["epoch"], mine["lr"]), "epoch", "rate", label=stage).opts(
                color=style.categories[index % len(style.categories)], line_width=2
            )
        )
    return hv.Overlay(layers).opts(
        plot_options("epoch", "learning rate", show_legend=True, legend_position="top_right")
    )


def training_figure(metrics: pd.DataFrame, *, dark: bool = False) -> hv.Layout:
    """Loss curves of all stages of a run, side by side (paper Fig. 11)."""
    stages = list(dict.fromkeys(metrics["stage"]))
    return layout([loss_figure(metrics, stage, dark=dark) for stage in stages], columns=3)

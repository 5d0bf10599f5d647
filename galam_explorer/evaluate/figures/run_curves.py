"""Losses of one stage of one or two runs, made to be updated while they train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.models import AdaptiveTicker

from galam_explorer.evaluate.figures.population import limits_of, plot_options
from galam_explorer.evaluate.figures.style import style_for, toolbox

__all__ = ["curves_axes", "curves_figure", "curves_sources", "stage_measure"]

Metrics = Sequence[Mapping[str, Any]]


def stage_measure(stage: str) -> tuple[str, str]:
    """What a stage's validation is best told by: key in the metrics, and axis label."""
    if stage == "m2":
        return "val_r2", "R² of M1's features"
    return "val_rmse_log_age", "RMSE of log age (dex)"


def _columns(metrics: Metrics, stage: str, key: str) -> dict[str, np.ndarray]:
    mine = sorted((one for one in metrics if one.get("stage") == stage), key=lambda m: m["epoch"])
    return {
        "epoch": np.array([one["epoch"] for one in mine], dtype=float),
        key: np.array([one.get(key, np.nan) for one in mine], dtype=float),
    }


def _named(columns: dict[str, np.ndarray], key: str) -> dict[str, np.ndarray]:
    return {"epoch": columns["epoch"], "value": columns[key]}


def curves_sources(
    metrics: Metrics, other: Metrics, stage: str, measure: str = "loss"
) -> list[dict[str, np.ndarray]]:
    """Columns of the five layers of `curves_figure`, in their order."""
    if measure == "loss":
        train, validation = "train_loss", "val_loss"
    else:
        train, validation = "", stage_measure(stage)[0]
    layers = []
    for one in (other, metrics):
        value = _named(_columns(one, stage, validation), validation)
        first = {"epoch": value["epoch"], "value": np.full(len(value["epoch"]), np.nan)}
        layers += [_named(_columns(one, stage, train), train) if train else first, value]
    # The weights of the least loss are kept, whatever else the validation says.
    loss = _columns(metrics, stage, "val_loss")["val_loss"]
    row = [int(np.nanargmin(loss))] if np.isfinite(loss).any() else []
    return [*layers, {key: values[row] for key, values in layers[3].items()}]


def _whole(plot: Any, _element: hv.Element) -> None:
    """A HoloViews hook: there are no halves of an epoch."""
    ticker = AdaptiveTicker(mantissas=[1, 2, 5], min_interval=1, num_minor_ticks=0)
    plot.state.xaxis.ticker = ticker
    plot.state.xgrid.ticker = ticker


def curves_axes(sources: Sequence[Mapping[str, np.ndarray]], epochs: int = 0) -> dict[str, Any]:
    """Limits that hold every curve and all epochs to come."""
    last = max([epochs, *(int(one["epoch"].max()) for one in sources if len(one["epoch"]))])
    return {
        "xlim": (0.5, max(2, last) + 0.5),
        "ylim": limits_of(*(one["value"] for one in sources)),
    }


def curves_figure(
    metrics: Metrics, other: Metrics, stage: str, measure: str = "loss", *, dark: bool = False
) -> hv.Overlay:
    """Losses (or what the validation galaxies say) of a stage by epoch (paper Fig. 11).

    Parameters
    ----------
    metrics : sequence of mapping
        Lines of a run's ``metrics.jsonl``.
    other : sequence of mapping
        Of another run to compare with, thin; may be empty.
    stage : str
        ``m1``, ``m2``, ...
    measure : {"loss", "skill"}

    Returns
    -------
    hv.Overlay
        Training and validation of the other run, of the run, and a ring at the
        epoch of the least validation loss.
    """
    style = style_for(dark)
    sources = curves_sources(metrics, other, stage, measure)
    axes = curves_axes(sources)
    looks = [
        {"color": style.unknown, "line_width": 1.5},
        {"color": style.unknown, "line_width": 1.5, "line_dash": "dashed"},
        {"color": style.categories[0], "line_width": 2.5},
        {"color": style.categories[1], "line_width": 2.5, "line_dash": "dashed"},
    ]
    layers: list[Any] = [
        hv.Curve((columns["epoch"], columns["value"]), "epoch", "value").opts(**look)
        for columns, look in zip(sources, looks, strict=False)
    ]
    layers.append(
        hv.Points((sources[4]["epoch"], sources[4]["value"]), ["epoch", "value"]).opts(
            fill_color=None, line_color=style.current, size=13, line_width=2.5
        )
    )
    label = "loss" if measure == "loss" else stage_measure(stage)[1]
    return hv.Overlay(layers).opts(
        plot_options(
            "epoch",
            label,
            xlim=axes["xlim"],
            ylim=axes["ylim"],
            hooks=[toolbox("pan", "wheel", "box_zoom", "reset", drag="box_zoom"), _whole],
        )
    )

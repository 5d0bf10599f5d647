"""What the training view says in words and in its table."""

from __future__ import annotations

from pathlib import Path

from galam_explorer.app.runs import RunView
from galam_explorer.app.views.base import escape
from galam_explorer.evaluate.figures import run_curves as curves

__all__ = ["MEANINGS", "facts_html", "how_to_begin"]

MEANINGS = {
    "stage": ("", "Network that is trained"),
    "epoch": ("", "Finished epochs of the stage"),
    "train_loss": ("", "Mean loss of the training batches"),
    "val_loss": ("", "Loss of the validation galaxies"),
    "lr": ("", "Learning rate at the end of the epoch"),
    "seconds": ("s", "Time that the epoch took"),
    "val_rmse_log_age": ("dex", "RMSE of log age, validation"),
    "val_rmse_m_h": ("dex", "RMSE of [M/H], validation"),
    "val_r2": ("", "Mean R² of M1's features within a galaxy, validation"),
}


def how_to_begin(folder: Path) -> str:
    """What to do when there is no run."""
    return (
        f"Runs are looked for in {folder.resolve()}. Start one with "
        "`galam train SURVEY`, or from a notebook: it appears here within a second or two."
    )


def facts_html(run: RunView) -> str:
    """Best epoch of every stage that has begun."""
    rows = []
    for stage in run.stages:
        mine = [one for one in run.metrics if one.get("stage") == stage]
        if not mine:
            rows.append(
                f"<tr><td>{escape(stage)}</td><td colspan=6 class='soft'>not begun</td></tr>"
            )
            continue
        key, label = curves.stage_measure(stage)
        best = min(mine, key=lambda one: one["val_loss"])
        took = sum(float(one.get("seconds", 0)) for one in mine)
        cells = [
            stage, f"{len(mine)} / {run.epochs(stage) or '?'}", f"{best['epoch']}",
            f"{best['val_loss']:.4f}", f"{label} {best.get(key, float('nan')):.4f}",
            f"{mine[-1].get('lr', float('nan')):.1e}", f"{took:.0f} s",
        ]  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{escape(one)}</td>" for one in cells) + "</tr>")
    heads = ("stage", "epochs", "best", "validation loss", "validation", "last rate", "time")
    header = "".join(f"<th style='text-align:left;padding-right:14px'>{one}</th>" for one in heads)
    return (
        '<div class="g" style="font-size:12px"><table class="runs" style="width:100%">'
        f"<tr>{header}</tr>{''.join(rows)}</table></div>"
    )

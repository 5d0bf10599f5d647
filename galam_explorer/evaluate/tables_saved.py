"""Tables from an evaluation that was saved with a model or beside a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.tables_paper import PAPER_TABLES

__all__ = ["paper_beside", "saved_evaluation"]

_NUMBERS = ("mse", "mae", "bias", "sd", "legacy_sd")
_SYMBOLS = {"log_age": "age", "m_h": "[M/H]"}


def saved_evaluation(info: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """What `galam evaluate` measured of a model; None if it was not evaluated.

    Parameters
    ----------
    info : dict
        ``model.json``; a released model holds its evaluation.
    folder : Path
        The model's folder; a run's lies in the run, whose ``evaluation`` is read.
    """
    if info.get("evaluation"):
        return info["evaluation"]
    path = Path(folder).parent / "evaluation" / "summary.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("models") else None


def paper_beside(
    number: str,
    evaluation: dict[str, Any] | None,
    network: dict[str, Any],
    reference: str = "label",
) -> pd.DataFrame:
    """One of the paper's tables with a saved evaluation beside it.

    Parameters
    ----------
    number : {"1", "A.1", "A.2"}
    evaluation : dict or None
        From `saved_evaluation`.
    network : dict
        The model's; says which row of Tables A.1 and A.2 it stands for.
    reference : str
        ``label`` or ``truth``.

    Returns
    -------
    DataFrame
        Two lines a row of the paper: its numbers (SD after its clip), and ours (SD
        unclipped, and clipped as published), ``not run`` where there are none.
    """
    if number not in PAPER_TABLES:
        raise GalamError(f"the paper has no table {number!r}", "tables", "1, A.1 or A.2")
    table, rows = PAPER_TABLES[number], []
    for one in table.rows:
        paper: dict[str, Any] = {"row": one.name, "whose": "paper"}
        ours: dict[str, Any] = {"row": "", "whose": "not run"}
        for target, (quantity, symbol) in enumerate(_SYMBOLS.items()):
            found = _saved(table.varies, one.key, evaluation, network, reference, quantity)
            for name in _NUMBERS:
                clipped = "sd" if name == "legacy_sd" else name
                given = getattr(one, clipped)[target] if name != "sd" else float("nan")
                title = {"sd": "SD", "legacy_sd": "SD, clipped"}.get(name, name.upper())
                paper[f"{symbol} {title}"] = given
                ours[f"{symbol} {title}"] = float("nan") if found is None else found[name]
            if found is not None:
                ours["whose"] = f"ours, {found['seeds']} seeds"
                ours[f"{symbol} RMSE [95 %]"] = (
                    f"{found['rmse']:.4f} [{found['rmse_low']:.4f}, {found['rmse_high']:.4f}]"
                )
        rows += [paper, ours]
    return pd.DataFrame(rows)


def _saved(
    varies: str,
    key: str,
    evaluation: dict[str, Any] | None,
    network: dict[str, Any],
    reference: str,
    quantity: str,
) -> dict[str, Any] | None:
    if evaluation is None:
        return None
    standard = {"resolution": "128", "bands": "gri"}
    if varies != "model":
        mine = {name: str(network[name]) for name in standard}
        if mine != standard | {varies: key}:
            return None
    model = key if varies == "model" else "m4"
    wanted = {"model": model, "reference": reference, "quantity": quantity}
    for record in evaluation["models"]:
        if all(record.get(name) == value for name, value in wanted.items()):
            return record
    return None

"""What the population views draw: predictions of a survey beside labels and truth.

No panel here; torch is imported by the model when it is asked to predict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from galam_explorer.app.data import SurveyData
from galam_explorer.config import LabelConfig
from galam_explorer.errors import GalamError
from galam_explorer.labels import load_labels, saved_labels

__all__ = ["QUANTITY_COLUMNS", "SETS", "Population", "load_population", "population_code"]

QUANTITY_COLUMNS = ("log_age", "m_h")
SETS = {
    "test": "test galaxies",
    "validation": "validation galaxies",
    "train": "training galaxies",
    "": "never used in the training",
}
"""Values of the table's ``split``, and words for them."""


@dataclass(frozen=True, eq=False)
class Population:
    """Predictions and references of a whole survey, in catalogue order.

    Parameters
    ----------
    ids : ndarray of str, shape (n,)
    sn_r : ndarray, shape (n,)
    sets : ndarray of str, shape (n,)
        Keys of `SETS`.
    table : DataFrame
        The model's predictions.
    references : dict of str to ndarray, shape (n, 2)
        ``truth`` and ``label``, as far as the survey has them.
    dispersion : ndarray, shape (n, 2)
        Of the labels over noise draws; NaN where unknown.
    predictors : tuple of str
    """

    ids: np.ndarray
    sn_r: np.ndarray
    sets: np.ndarray
    table: pd.DataFrame
    references: dict[str, np.ndarray]
    dispersion: np.ndarray
    predictors: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Galaxies of each set that is not empty."""
        return {name: int((self.sets == name).sum()) for name in SETS if (self.sets == name).any()}

    def predicted(self, model: str, quantity: str, chosen: str) -> np.ndarray:
        """A predictor's values, shape (n,); NaN outside the chosen set (``all``: none is)."""
        values = self.table[f"{model}_{quantity}"].to_numpy(float).copy()
        if chosen != "all":
            values[self.sets != chosen] = np.nan
        return values

    def reference(self, name: str, quantity: str) -> np.ndarray:
        """Truth or label, shape (n,)."""
        return self.references[name][:, QUANTITY_COLUMNS.index(quantity)]


def load_population(data: SurveyData, model: Any, progress: Any = None) -> Population:
    """Predict the whole survey, or take what was predicted before.

    Parameters
    ----------
    data : SurveyData
    model : Model
    progress : callable, optional
        Called as ``progress(done, total)`` in galaxies.

    Raises
    ------
    GalamError
        If it cannot be predicted, or has neither labels nor truth.
    """
    # In this process: starting others from within a server takes longer than they save.
    table = model.predict(data.survey, workers=1, progress=progress)
    labels, dispersion = _labels(data, model)
    references = {}
    columns = [f"true_{name}" for name in QUANTITY_COLUMNS]
    if set(columns) <= set(data.catalog.columns):
        references["truth"] = data.catalog[columns].to_numpy(float)
    if np.isfinite(labels).any():
        references["label"] = labels
    if not references:
        raise GalamError(
            "there is nothing to compare predictions with", data.survey.name,
            "label the survey with `galam label`",
        )  # fmt: skip
    return Population(
        data.ids.astype(str),
        data.catalog["sn_r"].to_numpy(float),
        table["split"].to_numpy(dtype=str),
        table,
        references,
        dispersion,
        tuple(model.predictors),
    )


def _labels(data: SurveyData, model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels like the model's, else the newest ones, and their dispersion."""
    empty = np.full((len(data), 2), np.nan)
    table = None
    fields = model.info.get("label")
    if fields is not None:
        try:
            table = load_labels(data.survey, LabelConfig.from_dict(fields)).table
        except GalamError:
            table = None  # labelled otherwise, or not at all
    if table is None:
        found = next(iter(saved_labels(data.survey)), None)
        if found is None:
            return empty, empty
        table = load_labels(data.survey, found).table
    good = table[table["status"] == "ok"].drop_duplicates("id").set_index("id")
    good = good.reindex([str(one) for one in data.ids])
    spread = [f"{name}_std" for name in QUANTITY_COLUMNS]
    return good[list(QUANTITY_COLUMNS)].to_numpy(float), good[spread].to_numpy(float)


def population_code(
    source: str, model: str, predictor: str, quantity: str, reference: str, chosen: str, clip: bool
) -> str:
    """Python that makes the upper left figure of the population view."""
    keep = "" if chosen == "all" else f'predicted[table["split"] != {chosen!r}] = float("nan")\n'
    known = (
        f'reference = survey.column("true_{quantity}")\n'
        if reference == "truth"
        else "from galam_explorer.labels import load_labels, saved_labels\n\n"
        "labels = load_labels(survey, next(iter(saved_labels(survey)))).table\n"
        f'reference = labels["{quantity}"].to_numpy()\n'
    )
    return (
        "import holoviews as hv\n"
        "from galam_explorer.evaluate.figures.population import prediction_figure\n"
        "from galam_explorer.evaluate.predict import load_model\n"
        "from galam_explorer.survey import load_survey\n\n"
        'hv.extension("bokeh")\n'
        f"survey = load_survey({source!r})\n"
        f"table = load_model({model!r}).predict(survey)\n"
        f'predicted = table["{predictor}_{quantity}"].to_numpy().copy()\n'
        f"{keep}{known}"
        f'figure = prediction_figure(reference, predicted, "{quantity}", clipped={clip})\nfigure\n'
    )

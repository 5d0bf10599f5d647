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

__all__ = [
    "QUANTITY_COLUMNS",
    "SETS",
    "Population",
    "found_code",
    "load_population",
    "population_code",
]

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
    key : tuple
        Of what it was made; empty if unknown.
    """

    ids: np.ndarray
    sn_r: np.ndarray
    sets: np.ndarray
    table: pd.DataFrame
    references: dict[str, np.ndarray]
    dispersion: np.ndarray
    predictors: tuple[str, ...]
    key: tuple[Any, ...] = ()

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

    def residual(self, model: str, reference: str, quantity: str) -> np.ndarray:
        """Predicted minus reference, dex, shape (n,)."""
        return self.predicted(model, quantity, "all") - self.reference(reference, quantity)


def load_population(data: SurveyData, model: Any, progress: Any = None) -> Population:
    """Predict the whole survey, or take what was predicted before; all sessions share it.

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
    key = (model.hash, data.survey.fingerprint, data.label_stamp())
    return data.populations.get(key, lambda: _population(data, model, progress, key))


def _population(data: SurveyData, model: Any, progress: Any, key: tuple[Any, ...]) -> Population:
    # In this process: starting others from within a server takes longer than they save.
    table = model.predict(data.survey, workers=1, progress=progress)
    fields = model.info.get("label")
    labels, dispersion = data.labels(None if fields is None else LabelConfig.from_dict(fields))
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
        key,
    )


def found_code(source: str, model: str) -> str:
    """Python that makes ``found``, the `Population` of a survey and a model."""
    return (
        "import holoviews as hv\n"
        "from galam_explorer.app.data import SurveyData\n"
        "from galam_explorer.app.population import load_population\n"
        "from galam_explorer.evaluate.predict import load_model\n"
        "from galam_explorer.survey import load_survey\n\n"
        'hv.extension("bokeh")\n'
        f"survey = load_survey({source!r})\n"
        f"found = load_population(SurveyData(survey, {source!r}), load_model({model!r}))\n"
    )


def population_code(
    source: str, model: str, predictor: str, quantity: str, reference: str, chosen: str, clip: bool
) -> str:
    """Python that makes the left figures of the population view."""
    return (
        found_code(source, model)
        + "\nfrom galam_explorer.evaluate.figures.population import prediction_figure\n\n"
        + f"reference = found.reference({reference!r}, {quantity!r})\n"
        + f"predicted = found.predicted({predictor!r}, {quantity!r}, {chosen!r})\n"
        + f"figure = prediction_figure(reference, predicted, {quantity!r}, clipped={clip})\n"
        + "figure\n"
    )

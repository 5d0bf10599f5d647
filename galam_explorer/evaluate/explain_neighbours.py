"""Which galaxies look alike to the networks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from galam_explorer.errors import GalamError
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict_inputs import galaxy_inputs
from galam_explorer.evaluate.predict_survey import embeddings
from galam_explorer.records import Galaxy
from galam_explorer.survey.store import Survey

__all__ = ["nearest"]


def nearest(
    model: Model, survey: Survey, galaxy: Galaxy, k: int = 8, kind: str = ""
) -> pd.DataFrame:
    """The galaxies of a survey nearest to one in feature space.

    Predicts the survey first where that was not done. Distances are Euclidean in
    the whitened principal components of the training galaxies' features.

    Parameters
    ----------
    model : Model
    survey : Survey
    galaxy : Galaxy
        Itself left out where it is in the survey.
    k : int
    kind : {"", "image", "spectrum"}
        M3's features or M1's; by default the image's where there is one.

    Returns
    -------
    DataFrame
        ``id``, ``distance`` and ``kind``, the nearest first.

    Raises
    ------
    GalamError
        If the galaxy or the whole survey lacks that input, or the model its statistics.
    """
    if kind not in ("", "image", "spectrum"):
        raise GalamError(f"{kind!r} is no kind of features", "kind", "use image or spectrum")
    inputs = galaxy_inputs([galaxy], model.preprocess)
    kind = kind or ("image" if inputs.image_status[0] == "ok" else "spectrum")
    raw = model.raw(inputs)
    features = raw.image if kind == "image" else raw.real
    if features is None:
        reason = inputs.image_reason if kind == "image" else inputs.spectrum_reason
        raise GalamError(f"it has no {kind} to compare ({reason[0]})", galaxy.id)
    model.predict(survey)
    others = embeddings(model, survey, kind)
    own = model.domains[kind].embed(features)[0]
    distance = np.linalg.norm(others - own, axis=1)
    if galaxy.id in survey:
        distance[survey.row(galaxy.id)] = np.nan
    order = np.argsort(np.where(np.isfinite(distance), distance, np.inf))[: max(k, 0)]
    order = order[np.isfinite(distance[order])]
    ids = survey.catalog["id"].to_numpy()[order]
    return pd.DataFrame({"id": ids, "distance": distance[order], "kind": kind})

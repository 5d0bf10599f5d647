"""Which galaxy of a survey is shown first: one that every network can say something of."""

from __future__ import annotations

import logging

import numpy as np

from galam_explorer.app.data import SurveyData
from galam_explorer.app.fate import prepared_statuses
from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError

__all__ = ["first_galaxy"]

logger = logging.getLogger(__name__)

_TRIES = 12
"""Candidates that are preprocessed at most: a page waits for it, the first one only."""


def first_galaxy(data: SurveyData, config: PreprocessConfig) -> str:
    """Id of the first galaxy whose spectrum and image both pass the preprocessing.

    A survey that was prepared knows them; of another one, the first few with
    both are tried. Without any, it is the first one with both, else the first.

    Parameters
    ----------
    data : SurveyData
    config : PreprocessConfig

    Returns
    -------
    str
        Empty for an empty survey.
    """
    if not len(data):
        return ""
    return str(data.judged.get(("first galaxy", config.hash), lambda: _find(data, config)))


def _find(data: SurveyData, config: PreprocessConfig) -> str:
    both = (data.catalog["has_spectrum"] & data.catalog["has_cutout"]).to_numpy(dtype=bool)
    rows = np.flatnonzero(both)
    if not len(rows):
        return str(data.ids[0])
    known = data.statuses.get(config.hash)
    known = prepared_statuses(data, config) if known is None else known
    if known is not None and (accepted := rows[known[rows] == "ok"]).size:
        rows = accepted
    for row in rows[:_TRIES]:
        if _passes(data, str(data.ids[row]), config):
            return str(data.ids[row])
    return str(data.ids[rows[0]])


def _passes(data: SurveyData, galaxy_id: str, config: PreprocessConfig) -> bool:
    from galam_explorer.preprocess import prepare_cutout, prepare_spectrum

    try:
        galaxy = data.survey[galaxy_id]
        if prepare_spectrum(galaxy.spectrum, config).status != "ok":
            return False
        return prepare_cutout(galaxy.cutout, config, galaxy_id).status == "ok"
    except (GalamError, OSError) as error:
        logger.debug("%s is not shown first: %s", galaxy_id, error)
        return False

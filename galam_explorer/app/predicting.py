"""Predictions and labels of single galaxies: off the page's thread, remembered.

The keys of what is remembered are the galaxy's id and the model's hash; it lives
with the survey's shared data, so a survey that changed starts anew.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from galam_explorer.app.background import Task, begin
from galam_explorer.app.data import SurveyData
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy, Prediction, StellarPopulation

__all__ = ["Judgement", "begin_judging", "judge", "judgement_of", "known_judgement", "truth_of"]


@dataclass(frozen=True, eq=False)
class Judgement:
    """All that is said of one galaxy's stellar population.

    Parameters
    ----------
    galaxy_id : str
    predictions : mapping of str to Prediction
        By predictor; empty without a model.
    population : StellarPopulation, optional
        The survey's newest saved label.
    split : str
        The set of the model's training that the galaxy was in; empty for none.
    problem : str
        Why there are no predictions; empty if there are, or without a model.
    """

    galaxy_id: str
    predictions: Mapping[str, Prediction] = field(default_factory=dict)
    population: StellarPopulation | None = None
    split: str = ""
    problem: str = ""


def truth_of(galaxy: Galaxy | None, quantity: str) -> float:
    """What a simulation put in (``log_age`` or ``m_h``); NaN for observed galaxies."""
    if galaxy is None or galaxy.origin != "simulated":
        return float("nan")
    return float(galaxy.truth.get(f"true_{quantity}", np.nan))


def _key(galaxy_id: str, model: Any) -> tuple[str, str, str]:
    return "judgement", galaxy_id, getattr(model, "hash", "")


def known_judgement(data: SurveyData, galaxy_id: str, model: Any) -> Judgement | None:
    """The judgement, if it was made before."""
    packed = data.judged.peek(_key(galaxy_id, model))
    return None if packed is None else pickle.loads(packed)


def _population(data: SurveyData, galaxy_id: str) -> StellarPopulation | None:
    from galam_explorer.labels import load_label, saved_labels

    for name in saved_labels(data.survey):
        return load_label(data.survey, name, galaxy_id)
    return None


def _split(data: SurveyData, galaxy_id: str, model: Any) -> str:
    names = data.judged.get(("splits", model.hash), lambda: model.splits_of(data.survey))
    return str(names[data.survey.row(galaxy_id)])


def _judge(data: SurveyData, galaxy: Galaxy, model: Any) -> Judgement:
    population = _population(data, galaxy.id)
    if model is None:
        return Judgement(galaxy.id, {}, population)
    try:
        predictions = model.predict(galaxy)
        return Judgement(galaxy.id, predictions, population, _split(data, galaxy.id, model))
    except GalamError as error:
        return Judgement(galaxy.id, {}, population, problem=str(error))


def judgement_of(data: SurveyData, galaxy: Galaxy, model: Any) -> Judgement:
    """The judgement, made now or before; for work that is off the page's thread already."""
    # As one block: some sixty small objects for each galaxy, made while many visitors are
    # there, would keep as many pages of memory from going back when they have left.
    key = _key(galaxy.id, model)
    packed = data.judged.peek(key)
    if packed is None:
        # One at a time: whoever asks for what another thread is working out gets that.
        with data.judging:
            packed = data.judged.get(key, lambda: pickle.dumps(_judge(data, galaxy, model)))
    return pickle.loads(packed)


def begin_judging(state: Any, galaxy: Galaxy) -> Task:
    """Begin the judgement of a galaxy in the background; of several only the last arrives.

    Parameters
    ----------
    state : ExplorerState
        Its survey and its loaded model (None: labels only).
    galaxy : Galaxy
    """
    data, model = state.data, state.model
    return begin(state, "judgement", lambda: judgement_of(data, galaxy, model))


def judge(
    state: Any, galaxy: Galaxy, done: Callable[[Judgement], None], begun: Task | None = None
) -> None:
    """Let `done` have the judgement of a galaxy when it is there, where the page may change.

    Parameters
    ----------
    state : ExplorerState
    galaxy : Galaxy
    done : callable
    begun : Task, optional
        From `begin_judging`; begun now without it.
    """
    task = begun or begin_judging(state, galaxy)
    task.then(done, lambda error: done(Judgement(galaxy.id, problem=str(error))))

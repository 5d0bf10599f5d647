"""What is said of a galaxy is worked out once, and remembered as one block of memory."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from galam_explorer import load_model, load_survey
from galam_explorer.app.data import SurveyData
from galam_explorer.app.predicting import judgement_of, known_judgement
from galam_explorer.errors import GalamError


class Counting:
    """A model that counts how often it is asked."""

    def __init__(self, model: Any, error: GalamError | None = None) -> None:
        self.hash, self.splits_of = model.hash, model.splits_of
        self.asked, self._model, self._error = 0, model, error

    def predict(self, galaxy: Any) -> Any:
        self.asked += 1
        if self._error is not None:
            raise self._error
        return self._model.predict(galaxy)


@pytest.fixture
def data() -> SurveyData:
    return SurveyData(load_survey("demo"), "demo")


def test_a_judgement_is_made_once_and_stays_what_it_was(data: SurveyData) -> None:
    model = Counting(load_model("demo"))
    galaxy = data.survey[str(data.ids[0])]
    assert known_judgement(data, galaxy.id, model) is None
    made = judgement_of(data, galaxy, model)
    again, known = judgement_of(data, galaxy, model), known_judgement(data, galaxy.id, model)
    assert model.asked == 1
    assert made.predictions["m1"].in_domain is not None
    for later in (again, known):
        assert later is not None
        assert (later.galaxy_id, later.split) == (galaxy.id, made.split)
        assert later.predictions.keys() == made.predictions.keys() >= {"m1", "m3", "m4"}
        for name, prediction in made.predictions.items():
            # Element by element: NaN is not equal to itself.
            for field in dataclasses.fields(prediction):
                first = getattr(prediction, field.name)
                np.testing.assert_equal(getattr(later.predictions[name], field.name), first)


def test_a_remembered_judgement_is_one_block(data: SurveyData) -> None:
    model = Counting(load_model("demo"))
    galaxy = data.survey[str(data.ids[0])]
    judgement_of(data, galaxy, model)
    kept = data.judged.peek(("judgement", galaxy.id, model.hash))
    assert isinstance(kept, bytes)
    assert len(kept) < 4096


def test_why_there_are_no_predictions_is_remembered(data: SurveyData) -> None:
    error = GalamError("no weights", "model.pt", "train again")
    model = Counting(load_model("demo"), error)
    galaxy = data.survey[str(data.ids[0])]
    assert judgement_of(data, galaxy, model).problem == str(error)
    known = known_judgement(data, galaxy.id, model)
    assert known is not None
    assert (known.problem, known.predictions, model.asked) == (str(error), {}, 1)

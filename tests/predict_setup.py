"""What predicting is tested on: a small survey, prepared, and a complete tiny model of it."""

from __future__ import annotations

from pathlib import Path

from small_survey import make_survey
from tiny_model import make_model

from galam_explorer.evaluate.finish import finish_model
from galam_explorer.preprocess import prepare_survey
from galam_explorer.survey import Survey, load_survey

__all__ = ["finished_model", "prepared_survey"]


def prepared_survey(folder: Path) -> Survey:
    """180 simulated galaxies with their network inputs."""
    survey = load_survey(make_survey(folder / "survey", 180))
    prepare_survey(survey, "robust", workers=1)
    return survey


def finished_model(folder: Path, survey: Survey) -> Path:
    """A model folder with intervals and a domain, calibrated on `survey`."""
    make_model(folder / "tiny", survey)
    finish_model(folder / "tiny", survey)
    return folder / "tiny"

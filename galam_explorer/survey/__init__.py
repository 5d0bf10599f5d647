"""Where galaxies come from: the store, the simulation, local files, the demo."""

from __future__ import annotations

from pathlib import Path

from galam_explorer.survey.store import Survey
from galam_explorer.survey.writer import SurveyWriter

__all__ = ["Survey", "SurveyWriter", "load_survey"]


def load_survey(source: str | Path = "demo") -> Survey:
    """Open a survey.

    Parameters
    ----------
    source : str or Path
        ``"demo"`` for the embedded demo survey, or a survey folder.

    Returns
    -------
    Survey

    Raises
    ------
    GalamError
        If there is no survey at `source`.
    """
    if str(source) == "demo":
        from galam_explorer.survey.demo import load_demo

        return load_demo()
    return Survey(Path(source).expanduser())

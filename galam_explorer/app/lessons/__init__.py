"""Lessons: steps that set the dashboard, with a question before the answer is shown.

Every ``*.json`` file of this folder is one lesson; `load_lessons` describes the fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from galam_explorer.errors import GalamError

__all__ = ["Lesson", "Question", "Step", "apply_step", "load_lessons", "pick"]

_PLAIN = ("tab", "color_by", "rest_frame", "show_mask", "zoomed", "residual_model")


@dataclass(frozen=True)
class Question:
    """Asked before the next step.

    Parameters
    ----------
    text : str
    choices : tuple of str
    answer : int
        Index of the right choice.
    why : str
        Shown after any answer.
    """

    text: str
    choices: tuple[str, ...]
    answer: int
    why: str


@dataclass(frozen=True)
class Step:
    """One step.

    Parameters
    ----------
    text : str
        What to look at.
    set : dict
        What the step changes: parameters of the state (``tab``, ``color_by``,
        ``rest_frame``, ``show_mask``, ``zoomed``, ``residual_model``); ``pick``, a
        rule that chooses a galaxy (see `pick`); ``cohort``, limits that choose a set
        (as in `galam_explorer.survey.Survey.select`; {} clears it);
        ``preprocess``, changes of the ``robust`` preset.
    question : Question, optional
    """

    text: str
    set: dict[str, Any] = field(default_factory=dict)
    question: Question | None = None


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Parameters
    ----------
    slug, title, about : str
    minutes : int
    needs_model : bool
    steps : tuple of Step
    """

    slug: str
    title: str
    about: str
    minutes: int
    needs_model: bool
    steps: tuple[Step, ...]


def _lesson(path: Path) -> Lesson:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        steps = []
        for one in found["steps"]:
            asked = one.get("question")
            if asked is not None:
                asked = Question(
                    asked["text"], tuple(asked["choices"]), asked["answer"], asked["why"]
                )
                if not 0 <= asked.answer < len(asked.choices):
                    raise ValueError(f"answer {asked.answer} is no choice")
            steps.append(Step(one["text"], one.get("set", {}), asked))
        return Lesson(
            path.stem.split("-", 1)[-1], found["title"], found["about"], int(found["minutes"]),
            bool(found.get("needs_model", False)), tuple(steps),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GalamError(f"this lesson cannot be read ({error})", path) from error


@cache
def load_lessons(folder: Path = Path(__file__).parent) -> tuple[Lesson, ...]:
    """Every lesson of a folder, in the order of the file names (``NUMBER-SLUG.json``).

    Raises
    ------
    GalamError
        If one cannot be read.
    """
    return tuple(_lesson(path) for path in sorted(folder.glob("*.json")))


def pick(data: Any, rule: dict[str, Any]) -> str:
    """The galaxy that a rule means in this survey; empty if there is none.

    Parameters
    ----------
    data : SurveyData
    rule : dict
        ``where``: limits as in `Survey.select`; ``by``: a column; ``at``: the place
        in its order from 0 (lowest) to 1 (highest), 0.5 by default.
    """
    try:
        ids = data.survey.select(**_limits(rule.get("where", {})))
        if not ids:
            return ""
        if "by" not in rule:
            return str(ids[0])
        rows = np.array([data.survey.row(one) for one in ids])
        values = data.survey.column(rule["by"])[rows].astype(float)
    except GalamError:  # This survey lacks the column.
        return ""
    rows = rows[np.isfinite(values)]
    if not len(rows):
        return ""
    order = rows[np.argsort(values[np.isfinite(values)], kind="stable")]
    return str(data.ids[order[round(float(rule.get("at", 0.5)) * (len(order) - 1))]])


def _limits(where: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in where.items()}


def apply_step(state: Any, step: Step) -> str:
    """Set the dashboard as a step says; what this survey could not do, in words.

    Parameters
    ----------
    state : ExplorerState
    step : Step
    """
    from galam_explorer.config import PreprocessConfig

    missed, wanted = [], dict(step.set)
    if "preprocess" in wanted:
        state.config = PreprocessConfig.robust().replace(**wanted["preprocess"])
    if "pick" in wanted and state.data is not None:
        if found := pick(state.data, wanted["pick"]):
            state.select(found)
        else:
            missed.append("no galaxy of this survey is like the one meant here")
    if "cohort" in wanted and state.data is not None:
        missed += _choose(state, wanted["cohort"])
    for name in _PLAIN:
        if name not in wanted:
            continue
        value = wanted[name]
        if name == "tab" and value not in state.param.tab.objects:
            missed.append(f"there is no {value} tab")
        elif name == "color_by" and value not in state.data.column_choices().values():
            missed.append(f"this survey has no {value.replace('_', ' ')}")
        else:
            setattr(state, name, value)
    return "; ".join(missed)


def _choose(state: Any, limits: dict[str, Any]) -> list[str]:
    if not limits:
        state.clear_cohort()
        return []
    try:
        ids = state.data.survey.select(**_limits(limits))
    except GalamError:
        ids = []
    if not ids:
        return ["no galaxy of this survey is in the set meant here"]
    state.set_cohort(ids)
    return []

"""Questions of the lessons in notebooks: JSON files, ours beside the dashboard's lessons.

::

    {"lesson": "TITLE",
     "questions": [{"key": "SHORT-NAME", "text": "...", "why": "told after the answer",
                    "choices": ["...", "..."], "answer": 1}]}

Without ``choices`` the student writes; without ``answer`` no choice is right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from galam_explorer.errors import GalamError

__all__ = ["FOLDER", "Question", "read_questions"]

FOLDER = Path(__file__).parent / "lessons" / "sheets"


@dataclass(frozen=True)
class Question:
    """One question; its explanation is told after an answer only.

    Parameters
    ----------
    key : str
        Short name of the question in its lesson.
    text : str
    why : str
        The explanation.
    choices : tuple of str
        To choose from; empty where the student writes.
    answer : int, optional
        Index of the right choice; None where there is none that is right.

    Raises
    ------
    GalamError
        Without a key, text or explanation, or if the answer is no choice.
    """

    key: str
    text: str
    why: str
    choices: tuple[str, ...] = ()
    answer: int | None = None

    def __post_init__(self) -> None:
        for name in ("key", "text", "why"):
            if not getattr(self, name).strip():
                raise GalamError(f"a question needs a {name}", self.key or "question")
        object.__setattr__(self, "choices", tuple(self.choices))
        if len(self.choices) == 1:
            raise GalamError("one choice is no choice", self.key, "give two or none")
        if self.answer is not None and not 0 <= self.answer < len(self.choices):
            raise GalamError(f"answer {self.answer} is no choice", self.key)


def read_questions(source: str | Path) -> tuple[str, tuple[Question, ...]]:
    """Title and questions of a lesson.

    Parameters
    ----------
    source : str or Path
        Name of one of ours, or a JSON file.

    Raises
    ------
    GalamError
        If there is no such lesson, or it cannot be read.
    """
    ours = {path.stem: path for path in sorted(FOLDER.glob("*.json"))}
    path = ours.get(str(source), Path(source).expanduser())
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        questions = tuple(
            Question(
                one["key"], one["text"], one["why"], tuple(one.get("choices", ())),
                one.get("answer"),
            )
            for one in found["questions"]
        )  # fmt: skip
        return str(found["lesson"]), questions
    except FileNotFoundError as error:
        raise GalamError("there is no such lesson", source, f"ours: {', '.join(ours)}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GalamError(f"these questions cannot be read ({error})", path) from error

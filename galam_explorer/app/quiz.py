"""Predict before you look: questions of a lesson, and answers that can be handed in.

An `AnswerSheet` knows nothing of widgets; `AnswerSheet.ask` and `AnswerSheet.hand_in` draw it
in a notebook (`galam_explorer.app.quiz_cards`). Nothing leaves the machine: answers
go into a file that the student chooses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from galam_explorer.app.quiz_files import (
    FORMATS,
    as_html,
    as_json,
    as_markdown,
    collect_answers,
    read_answers,
)
from galam_explorer.app.quiz_questions import Question, read_questions
from galam_explorer.errors import GalamError
from galam_explorer.survey.atomic import write_text

if TYPE_CHECKING:
    from galam_explorer.app.quiz_cards import HandInCard, QuestionCard

__all__ = ["Answer", "AnswerSheet", "Question", "collect_answers"]

MAX_TEXT = 5000
"""Characters of an answer."""
MAX_NAME = 100
"""Characters of a name."""


@dataclass(frozen=True)
class Answer:
    """What a student answered before the explanation was told.

    Parameters
    ----------
    given : str
        The text, or that of the choice.
    choice : int, optional
    right : bool, optional
        None where no choice is right.
    when : str
        ISO 8601, UTC.
    """

    given: str
    choice: int | None
    right: bool | None
    when: str


@dataclass(eq=False)
class AnswerSheet:
    """The questions of a lesson and one student's answers.

    Parameters
    ----------
    lesson : str
        Its title.
    questions : sequence of Question
    name : str
        The student's.

    Raises
    ------
    GalamError
        If two questions have the same key.
    """

    lesson: str
    questions: Sequence[Question]
    name: str = ""
    answers: dict[str, Answer] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._cards: dict[str, Any] = {}
        keys = [one.key for one in self.questions]
        if len(set(keys)) < len(keys):
            raise GalamError("two questions have the same key", self.lesson)

    @classmethod
    def load(cls, source: str | Path, name: str = "") -> Self:
        """A sheet for the questions of a lesson.

        Parameters
        ----------
        source : str or Path
            ``"age-metallicity"``, ``"image-and-stars"``, or a JSON file of the same form.
        name : str
            The student's.

        Raises
        ------
        GalamError
            If there is no such lesson, or it cannot be read.
        """
        return cls(*read_questions(source), name)

    def question(self, key: str) -> Question:
        """One question.

        Raises
        ------
        GalamError
            If there is none of that key.
        """
        for one in self.questions:
            if one.key == key:
                return one
        known = ", ".join(one.key for one in self.questions)
        raise GalamError(f"no question {key!r}", self.lesson, f"there are {known}")

    @property
    def unanswered(self) -> list[str]:
        """Keys of the questions without an answer, in their order."""
        return [one.key for one in self.questions if one.key not in self.answers]

    def answer(self, key: str, given: int | str) -> Answer:
        """Answer a question. The first answer stays: a prediction is made once.

        Parameters
        ----------
        key : str
        given : int or str
            Index of a choice, or text.

        Raises
        ------
        GalamError
            If it was answered already, is empty, too long or no choice.
        """
        asked = self.question(key)
        if key in self.answers:
            raise GalamError("this was answered; the first answer stays", key)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self.answers[key] = _answer(asked, given, when)
        return self.answers[key]

    def reveal(self, key: str) -> str:
        """The explanation of a question that was answered.

        Raises
        ------
        GalamError
            If it was not answered yet.
        """
        asked = self.question(key)
        if key not in self.answers:
            raise GalamError("answer first, then look", key)
        return asked.why

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        from galam_explorer import __version__

        rows = []
        for one in self.questions:
            if one.key in self.answers:
                about = {"key": one.key, "question": one.text, "choices": list(one.choices)}
                rows.append(about | asdict(self.answers[one.key]))
        return {
            "format": "galam-answers",
            "version": 1,
            "lesson": self.lesson,
            "name": self.name,
            "software": f"galam-explorer {__version__}",
            "answers": rows,
            "unanswered": self.unanswered,
        }

    def file_name(self, suffix: str = ".html") -> str:
        """A file name of lesson and student: ``answers-old-or-rich-ada-lovelace.html``."""
        parts = [_slug(self.lesson, "lesson"), _slug(self.name, "student")]
        return "-".join(["answers", *parts]) + suffix

    def save(self, path: str | Path) -> Path:
        """Write the answers as JSON, Markdown or HTML, by the suffix, atomically.

        Raises
        ------
        GalamError
            Without a name (of at most 100 characters), on another suffix, or if the
            file cannot be written.
        """
        path = Path(path).expanduser()
        if not self.name.strip():
            raise GalamError("the answers have no name", "name", "write yours")
        if len(self.name) > MAX_NAME:
            raise GalamError("this name is too long", "name", f"at most {MAX_NAME} characters")
        write = {".json": as_json, ".md": as_markdown, ".html": as_html}.get(path.suffix.lower())
        if write is None:
            raise GalamError("no such format", path, f"use {', '.join(FORMATS)}")
        if path.is_dir():
            raise GalamError("this is a folder", path, "give a file name")
        write_text(path, write(self.to_dict()))
        return path

    def restore(self, path: str | Path) -> None:
        """Take over the answers of a JSON file that `save` wrote, after a restart.

        Raises
        ------
        GalamError
            If the file is no such file, or of another lesson.
        """
        found = read_answers(Path(path).expanduser())
        if found["lesson"] != self.lesson:
            raise GalamError(f"these are answers to {found['lesson']!r}", path)
        known = {one.key: one for one in self.questions}
        answers = {}
        for row in found["answers"]:
            if (asked := known.get(row["key"])) is not None:
                given = row["given"] if row["choice"] is None else row["choice"]
                answers[asked.key] = _answer(asked, given, row["when"])
        self.name, self.answers = found["name"], answers

    def ask(self, key: str, show: Callable[[], Any] | None = None) -> QuestionCard:
        """The question as a widget; what `show` returns appears after the answer.

        Parameters
        ----------
        key : str
        show : callable, optional
            Makes a figure or a table.
        """
        from galam_explorer.app.quiz_cards import QuestionCard

        card = self._cards[key] = QuestionCard(self, self.question(key), show)
        return card

    def hand_in(self, folder: str | Path = ".") -> HandInCard:
        """A form for the name that writes the answers into a folder."""
        from galam_explorer.app.quiz_cards import HandInCard

        return HandInCard(self, Path(folder).expanduser())

    @property
    def cards(self) -> Mapping[str, QuestionCard]:
        """The latest widget of each question that was asked."""
        return dict(self._cards)


def _answer(asked: Question, given: int | str, when: str) -> Answer:
    if asked.choices:
        whole = isinstance(given, int) and not isinstance(given, bool)
        if not whole or not 0 <= given < len(asked.choices):
            last = len(asked.choices) - 1
            raise GalamError(f"{given!r} is no choice", asked.key, f"a number from 0 to {last}")
        right = None if asked.answer is None else given == asked.answer
        return Answer(asked.choices[given], given, right, when)
    text = str(given).strip()
    if not text:
        raise GalamError("an answer needs some words", asked.key)
    if len(text) > MAX_TEXT:
        raise GalamError(f"{len(text)} characters are too many", asked.key, f"at most {MAX_TEXT}")
    return Answer(text, None, None, when)


def _slug(text: str, otherwise: str) -> str:
    """Letters and digits of any script, joined by hyphens; safe as part of a file name."""
    plain = unicodedata.normalize("NFC", text).casefold()
    return re.sub(r"[\W_]+", "-", plain).strip("-")[:40].strip("-") or otherwise

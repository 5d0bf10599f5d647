"""Questions of a lesson as widgets in a notebook cell; see `galam_explorer.app.quiz`."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import panel as pn

from galam_explorer.app.quiz_files import FORMATS
from galam_explorer.errors import GalamError

if TYPE_CHECKING:
    from galam_explorer.app.quiz import AnswerSheet, Question

__all__ = ["HandInCard", "QuestionCard"]


class QuestionCard(pn.viewable.Viewer):
    """A question, a way to answer it, and after that its explanation.

    Parameters
    ----------
    sheet : AnswerSheet
    question : Question
    show : callable, optional
        Makes what appears with the explanation.
    """

    def __init__(
        self, sheet: AnswerSheet, question: Question, show: Callable[[], Any] | None = None
    ) -> None:
        super().__init__()
        self.sheet, self.question, self._show = sheet, question, show
        if question.choices:
            options = {text: number for number, text in enumerate(question.choices)}
            self.input = pn.widgets.RadioBoxGroup(options=options)
            self.input.value = None  # given to the constructor it would mean the first choice
        else:
            self.input = pn.widgets.TextAreaInput(
                placeholder="Write a sentence or two.", rows=3, max_length=5000, width=620
            )
        self.button = pn.widgets.Button(
            label="This is my answer", color="primary", on_click=self._clicked
        )
        self.said = pn.pane.HTML("", styles=_TEXT, visible=False)
        self.revealed = pn.Column(sizing_mode="stretch_width")
        self._layout = pn.Column(
            pn.pane.HTML(f"<b>{html.escape(question.text)}</b>", styles=_TEXT),
            self.input, self.button, self.said, self.revealed,
            sizing_mode="stretch_width", styles=_CARD,
        )  # fmt: skip
        if question.key in sheet.answers:
            self._reveal()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout

    def give(self, given: int | str | None) -> None:
        """Answer as the button does; what is wrong with an answer is said in the card."""
        try:
            if given is None:
                raise GalamError("choose one first", self.question.key)
            if self.question.key not in self.sheet.answers:
                self.sheet.answer(self.question.key, given)
        except GalamError as error:
            self._say(html.escape(error.what[:1].upper() + error.what[1:]) + ".")
            return
        self._reveal()

    def _clicked(self, _event: Any) -> None:
        self.give(self.input.value)

    def _say(self, markup: str) -> None:
        self.said.param.update(object=markup, visible=True)

    def _reveal(self) -> None:
        given, why = self.sheet.answers[self.question.key], self.sheet.reveal(self.question.key)
        self.input.disabled = True
        self.button.visible = False
        words = [f"You said: {html.escape(given.given)}"]
        if given.right is not None:
            right = html.escape(self.question.choices[self.question.answer])
            words.append("That is right." if given.right else f"Not quite: <b>{right}</b>")
        words.append(html.escape(why))
        self._say("".join(f"<p style='margin:4px 0'>{one}</p>" for one in words))
        if self._show is not None and not len(self.revealed):
            self.revealed.append(pn.panel(self._show()))


class HandInCard(pn.viewable.Viewer):
    """Name, format and a button that writes the answers into a folder.

    Parameters
    ----------
    sheet : AnswerSheet
    folder : Path
    """

    def __init__(self, sheet: AnswerSheet, folder: Path) -> None:
        super().__init__()
        self.sheet, self.folder = sheet, folder
        self.name_input = pn.widgets.TextInput(
            label="Your name", value=sheet.name, max_length=100, width=300
        )
        self.format = pn.widgets.Select(label="File", options=list(FORMATS), width=120)
        self.button = pn.widgets.Button(
            label="Save my answers", color="primary", on_click=self._clicked
        )
        self.said = pn.pane.HTML("", styles=_TEXT, visible=False)
        self._layout = pn.Column(
            pn.Row(self.name_input, self.format), self.button, self.said, styles=_CARD
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout

    def save(self) -> Path | None:
        """Write the file; None, and words in the card, where that is impossible."""
        self.sheet.name = " ".join(self.name_input.value.split())
        try:
            path = self.sheet.save(self.folder / self.sheet.file_name(self.format.value))
        except GalamError as error:
            self.said.param.update(object=html.escape(str(error)), visible=True)
            return None
        left = len(self.sheet.unanswered)
        more = f" Without an answer yet: {left}." if left else ""
        self.said.param.update(object=f"Saved as {html.escape(str(path))}.{more}", visible=True)
        return path

    def _clicked(self, _event: Any) -> None:
        self.save()


_TEXT = {"font-size": "15px", "line-height": "1.45", "max-width": "760px"}
_CARD = {
    "border": "1px solid #9aa5b1", "border-radius": "8px", "padding": "8px 14px",
    "margin": "6px 0", "max-width": "980px",
}  # fmt: skip

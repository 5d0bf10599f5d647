"""View 11: lessons that set the dashboard, a question before each answer."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.lessons import Lesson, apply_step, load_lessons
from galam_explorer.app.views.base import View, bar, escape, html_pane
from galam_explorer.records import Galaxy

__all__ = ["LearnView", "LessonBar"]


class LearnView(View):
    """The list of lessons; one that is begun goes on in the bar above the tabs' views."""

    title = "Learn"
    slug = "learn"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self.lessons = load_lessons()
        self._cards = [self._card(lesson) for lesson in self.lessons]
        heading = html_pane(
            '<div class="g" data-view="learn"><h2>Lessons</h2><span class="soft">Each takes a few '
            "minutes, sets the dashboard for you, and asks before it tells.</span></div>"
        )
        grid = pn.Column(*self._cards, sizing_mode="stretch_width", stylesheets=[_GRID])
        self._layout = pn.Column(
            bar(heading, self.menu()), grid, sizing_mode="stretch_both",
            styles={"padding": "12px 14px", "overflow-y": "auto"},
        )  # fmt: skip

    def _card(self, lesson: Lesson) -> pn.Column:
        needs = " · needs a model" if lesson.needs_model else ""
        text = html_pane(
            f'<div class="g"><h2>{escape(lesson.title)}</h2><p style="margin:4px 0">'
            f'{escape(lesson.about)}</p><span class="soft">{lesson.minutes} minutes · '
            f"{len(lesson.steps)} steps{needs}</span></div>"
        )
        begin = pmui.Button(
            label="Begin", icon="play_arrow", size="small", variant="outlined", margin=0,
            description=f"Begin: {lesson.title}", on_click=lambda _e: self.begin(lesson.slug),
        )  # fmt: skip
        return pn.Column(text, begin, stylesheets=[_CARD], sizing_mode="stretch_width")

    def begin(self, slug: str) -> None:
        """Start a lesson."""
        lesson = next(one for one in self.lessons if one.slug == slug)
        if lesson.needs_model and not self.state.model_id:
            text = "This lesson needs a model: start the dashboard with `galam serve --model NAME`."
            self.state.notify("warning", text)
            return
        if self.state.cohort:
            # What a lesson shows would be drawn among it.
            self.state.notify("info", f"The set of {len(self.state.cohort):,} was let go")
            self.state.clear_cohort()
        self.state.param.update(lesson=slug, lesson_step=0)

    def show(self, galaxy: Galaxy | None) -> None:
        """Lessons are the same for every galaxy."""

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        frame = pd.DataFrame(
            [
                {
                    "lesson": one.slug,
                    "title": one.title,
                    "minutes": one.minutes,
                    "steps": len(one.steps),
                }
                for one in self.lessons
            ]
        )
        return frame, {"minutes": ("min", "About so long")}

    def code(self) -> str:
        return (
            "import pandas as pd\n"
            "from galam_explorer.app.lessons import load_lessons\n"
            "from galam_explorer.survey import load_survey\n\n"
            f"survey = load_survey({self.state.data.source!r})\n"
            "table = pd.DataFrame(\n"
            "    [(one.title, step.text) for one in load_lessons() for step in one.steps],\n"
            '    columns=["lesson", "text"],\n)\ntable\n'
        )


class LessonBar(pn.viewable.Viewer):
    """The running lesson: its text, its question, back and next.

    Parameters
    ----------
    state : ExplorerState
    """

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.state = state
        self._answered: int | None = None
        self._missed = ""
        self._head = html_pane(styles={"flex": "1 1 0", "min-width": "0"})
        self._text = html_pane()
        small = {"size": "small", "margin": 0}
        self._back = pmui.Button(
            label="Back", variant="text", on_click=lambda _e: self.go(-1), **small
        )
        self._next = pmui.Button(
            label="Next", variant="contained", on_click=lambda _e: self.go(1), **small
        )
        end = pmui.Button(
            label="End lesson", variant="text", on_click=lambda _e: self.end(), **small
        )
        self._choices = pn.Row(sizing_mode="stretch_width", styles=_CHOICES)
        self._layout = pn.Column(
            bar(self._head, self._back, self._next, end), self._text, self._choices,
            visible=False, sizing_mode="stretch_width", styles=_BAR,
        )  # fmt: skip
        self._watcher = state.param.watch(self._changed, ["lesson", "lesson_step"])
        self._changed()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout

    def close(self) -> None:
        """Stop watching the state."""
        self.state.param.unwatch(self._watcher)

    @property
    def lesson(self) -> Lesson | None:
        """The running one."""
        return next((one for one in load_lessons() if one.slug == self.state.lesson), None)

    def go(self, count: int) -> None:
        """Go on or back; past the last step the lesson ends."""
        lesson = self.lesson
        if lesson is None:
            return
        wanted = self.state.lesson_step + count
        if wanted >= len(lesson.steps):
            self.end()
            self.state.notify("success", f"Lesson done: {lesson.title}")
        elif wanted >= 0:
            self.state.lesson_step = wanted

    def end(self) -> None:
        """Leave the lesson; the dashboard stays as it is."""
        self.state.param.update(lesson="", lesson_step=0)

    def answer(self, index: int) -> None:
        """Answer the step's question."""
        self._answered = index
        self._render()

    def _changed(self, *_events: Any) -> None:
        lesson = self.lesson
        self._layout.visible = lesson is not None
        if lesson is None:
            return
        self._answered = None
        step = lesson.steps[min(self.state.lesson_step, len(lesson.steps) - 1)]
        self._missed = apply_step(self.state, step)
        self._render()

    def _render(self) -> None:
        lesson = self.lesson
        number = min(self.state.lesson_step, len(lesson.steps) - 1)
        step = lesson.steps[number]
        self._head.object = (
            f'<div class="g"><b>{escape(lesson.title)}</b> <span class="soft">{number + 1} of '
            f"{len(lesson.steps)}</span></div>"
        )
        parts = [f"<p>{escape(step.text)}</p>"]
        if self._missed:
            parts.append(
                f'<p class="soft">Not everything here is possible: {escape(self._missed)}.</p>'
            )
        asked, buttons = step.question, []
        if asked is not None:
            parts.append(f"<p><b>{escape(asked.text)}</b></p>")
            if self._answered is None:
                buttons = [self._choice(i, text) for i, text in enumerate(asked.choices)]
            else:
                right = self._answered == asked.answer
                parts.append(
                    f'<p><span class="badge {"good" if right else "bad"}">'
                    f"{'right' if right else 'not quite'}</span> "
                    f"<b>{escape(asked.choices[asked.answer])}.</b> {escape(asked.why)}</p>"
                )
        place = f"{escape(lesson.slug)}:{number}"
        self._text.object = f'<div class="g lesson" data-lesson="{place}">{"".join(parts)}</div>'
        self._choices[:] = buttons
        self._choices.visible = bool(buttons)
        self._back.disabled = number == 0
        self._next.disabled = bool(buttons)
        self._next.label = "Done" if number == len(lesson.steps) - 1 else "Next"

    def _choice(self, index: int, text: str) -> Any:
        return pmui.Button(
            label=text, variant="outlined", size="small", margin=0,
            on_click=lambda _e: self.answer(index),
        )  # fmt: skip


_GRID = """
:host { display: grid !important; gap: 12px; padding-top: 12px; height: auto !important;
  grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); }
"""
_CARD = """
:host { border: 1px solid var(--line); border-radius: 8px; padding: 12px; gap: 8px;
  justify-content: space-between; }
"""
_CHOICES = {"gap": "8px", "flex-wrap": "wrap"}
_BAR = {
    "padding": "6px 14px",
    "gap": "3px",
    "border-bottom": "1px solid var(--line)",
    "background": "var(--ground)",
    "flex": "0 0 auto",
}

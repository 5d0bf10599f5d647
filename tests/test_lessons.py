"""Lessons are data: every one of them must lead somewhere on any survey."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_survey as small

pn = pytest.importorskip("panel")

from galam_explorer.app import lessons  # noqa: E402
from galam_explorer.app.lessons import Step, apply_step, load_lessons, pick  # noqa: E402
from galam_explorer.app.state import ExplorerState  # noqa: E402
from galam_explorer.app.views.learn import LearnView, LessonBar  # noqa: E402
from galam_explorer.app.views.registry import PLANNED  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402

LESSONS = load_lessons()
KEYS = {"tab", "color_by", "rest_frame", "show_mask", "zoomed", "residual_model", "pick",
        "cohort", "preprocess"}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.extension("tabulator")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make_survey(tmp_path_factory.mktemp("lessons") / "small", n=30)


@pytest.fixture
def state(folder: Path) -> ExplorerState:
    state = ExplorerState({"small": str(folder)})
    assert state.open("small")
    return state


def test_there_are_lessons_and_their_steps_are_understood() -> None:
    assert len(LESSONS) >= 4
    assert len({one.slug for one in LESSONS}) == len(LESSONS)
    slugs = {spec.slug for spec in PLANNED}
    for lesson in LESSONS:
        assert any(step.question for step in lesson.steps), lesson.slug
        for step in lesson.steps:
            assert set(step.set) <= KEYS
            assert step.set.get("tab", "galaxy") in slugs


@pytest.mark.parametrize("source", ["small", "demo"])
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda one: one.slug)
def test_every_lesson_runs_to_its_end(folder: Path, lesson: lessons.Lesson, source: str) -> None:
    state = ExplorerState({source: "demo" if source == "demo" else str(folder)})
    assert state.open(source)
    bar = LessonBar(state)
    state.param.update(lesson=lesson.slug, lesson_step=0)
    for number, step in enumerate(lesson.steps):
        assert f'data-lesson="{lesson.slug}:{number}"' in bar._text.object
        assert state.galaxy_id in state.data.survey
        if step.question is not None:
            assert bar._next.disabled
            assert step.question.why[:20] not in bar._text.object
            bar.answer(step.question.answer)
            assert "right" in bar._text.object
        assert not bar._next.disabled
        if source == "demo":
            reasons = [] if not bar._missed else bar._missed.split("; ")
            assert all("tab" in reason for reason in reasons), bar._missed
        bar.go(1)
    assert state.lesson == ""
    assert not bar._layout.visible
    bar.close()


def test_wrong_answer_says_what_is_right(state: ExplorerState) -> None:
    bar = LessonBar(state)
    lesson = LESSONS[0]
    number = next(i for i, step in enumerate(lesson.steps) if step.question)
    state.param.update(lesson=lesson.slug, lesson_step=number)
    asked = lesson.steps[number].question
    bar.answer((asked.answer + 1) % len(asked.choices))
    assert "not quite" in bar._text.object
    bar.go(-1)
    assert state.lesson_step == number - 1
    bar.end()
    assert state.lesson == ""


def test_unknown_lesson_is_no_lesson(state: ExplorerState) -> None:
    bar = LessonBar(state)
    state.lesson = "nothing like it"
    assert not bar._layout.visible
    bar.go(1)


def test_model_lessons_wait_for_a_model(state: ExplorerState) -> None:
    view = LearnView(state)
    slug = next(one.slug for one in LESSONS if one.needs_model)
    view.begin(slug)
    assert state.lesson == ""
    assert "model" in state.message.text
    view.begin(LESSONS[0].slug)
    assert state.lesson == LESSONS[0].slug
    scope: dict = {}
    exec(compile(view.code(), "learn", "exec"), scope)
    assert len(scope["table"]) == sum(len(one.steps) for one in LESSONS)


def test_pick_takes_the_place_in_the_order(state: ExplorerState) -> None:
    magnitudes = state.data.survey.column("petro_mag_r")
    ids = state.data.ids
    assert pick(state.data, {"by": "petro_mag_r", "at": 0}) == ids[magnitudes.argmin()]
    assert pick(state.data, {"by": "petro_mag_r", "at": 1}) == ids[magnitudes.argmax()]
    assert pick(state.data, {"where": {"has_cutout": False}}) == small.SPECTRUM_ONLY
    assert pick(state.data, {"by": "no_such_column"}) == ""
    assert pick(state.data, {"where": {"z": [5, 6]}, "by": "z"}) == ""


def test_step_that_is_impossible_here_says_so(state: ExplorerState) -> None:
    step = Step("x", {"cohort": {"z": [5, 6]}, "color_by": "true_sigma", "tab": "nope"})
    missed = apply_step(state, step)
    assert "set meant here" in missed
    assert "true sigma" in missed
    assert "nope" in missed


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"title": "a", "about": "b", "minutes": 1, "steps": [{"set": {}}]}']
)
def test_damaged_lesson_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "1-bad.json").write_text(text)
    with pytest.raises(GalamError, match="cannot be read"):
        load_lessons(tmp_path)

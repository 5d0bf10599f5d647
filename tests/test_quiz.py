"""Lesson questions in notebooks: predict first, then look, then hand in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from galam_explorer.app.quiz import AnswerSheet, Question, collect_answers
from galam_explorer.errors import GalamError

COLOUR = Question("colour", "Which is redder?", "Old stars are cool.", ("young", "old"), 1)
OPINION = Question("guess", "How sure are you?", "Nobody is.", ("very", "not at all"))
WORDS = Question("words", "Why?", "Because of hot stars.")


def sheet(name: str = "Ada Lovelace") -> AnswerSheet:
    return AnswerSheet("Old, or rich?", [COLOUR, OPINION, WORDS], name)


def answered(name: str = "Ada Lovelace") -> AnswerSheet:
    made = sheet(name)
    made.answer("colour", 0)
    made.answer("words", "  hot *stars* die <b>first</b>\n# and more  ")
    return made


def test_explanation_waits_for_an_answer_and_the_first_answer_stays() -> None:
    made = sheet()
    with pytest.raises(GalamError, match="answer first"):
        made.reveal("colour")
    assert made.unanswered == ["colour", "guess", "words"]
    assert made.answer("colour", 0).right is False
    assert made.reveal("colour") == COLOUR.why
    with pytest.raises(GalamError, match="first answer stays"):
        made.answer("colour", 1)
    assert made.answers["colour"].given == "young"
    assert made.answer("guess", 1).right is None
    assert made.answer("words", " x ").given == "x"
    assert made.unanswered == []


@pytest.mark.parametrize(
    ("key", "given", "match"),
    [
        ("colour", 2, "no choice"),
        ("colour", -1, "no choice"),
        ("colour", True, "no choice"),
        ("colour", "old", "no choice"),
        ("words", "  \n", "some words"),
        ("words", "x" * 5001, "too many"),
        ("nothing", 0, "no question"),
    ],
)
def test_answers_that_are_none(key: str, given: object, match: str) -> None:
    made = sheet()
    with pytest.raises(GalamError, match=match):
        made.answer(key, given)
    assert not made.answers


@pytest.mark.parametrize(
    "wrong",
    [("", "t", "w"), ("k", " ", "w"), ("k", "t", ""), ("k", "t", "w", ("a",)),
     ("k", "t", "w", ("a", "b"), 2), ("k", "t", "w", (), 0)],
)  # fmt: skip
def test_questions_that_are_none(wrong: tuple) -> None:
    with pytest.raises(GalamError):
        Question(*wrong)


@pytest.mark.parametrize("name", ["age-metallicity", "image-and-stars"])
def test_our_lessons_can_be_asked(name: str) -> None:
    made = AnswerSheet.load(name, "Ada")
    assert len(made.questions) >= 6
    assert any(not one.choices for one in made.questions)
    assert made.unanswered == [one.key for one in made.questions]


@pytest.mark.parametrize("name", ["age-metallicity", "image-and-stars"])
def test_teachers_find_every_question_with_its_answer(name: str) -> None:
    page = (Path(__file__).parents[1] / "docs" / "teaching.md").read_text(encoding="utf-8")
    words = " ".join(page.split())
    for one in AnswerSheet.load(name).questions:
        assert " ".join(one.text.split()) in words, one.key
        assert " ".join(one.why.split()) in words, one.key
        assert not one.choices or f"**{one.choices[one.answer]}.**" in words, one.key


def test_a_lesson_of_ones_own_and_bad_ones(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    one = {"key": "a", "text": "b?", "why": "c", "choices": ["d", "e"], "answer": 0}
    path.write_text(json.dumps({"lesson": "Mine", "questions": [one]}), encoding="utf-8")
    assert AnswerSheet.load(path).answer("a", 0).right
    with pytest.raises(GalamError, match=r"no such lesson.*age-metallicity"):
        AnswerSheet.load("nothing-like-it")
    bad = {"lesson": "x", "questions": [{"key": 1, "text": "b", "why": "c"}]}
    for text in ("{", "[]", '{"lesson": "x", "questions": [{"key": "a"}]}', json.dumps(bad)):
        path.write_text(text)
        with pytest.raises(GalamError, match="cannot be read"):
            AnswerSheet.load(path)


def test_two_questions_of_one_key() -> None:
    with pytest.raises(GalamError, match="same key"):
        AnswerSheet("x", [COLOUR, COLOUR])


def test_json_comes_back(tmp_path: Path) -> None:
    path = answered().save(tmp_path / "new" / "a.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["unanswered"] == ["guess"]
    assert [row["right"] for row in found["answers"]] == [False, None]
    again = sheet("")
    again.restore(path)
    assert again.name == "Ada Lovelace"
    assert set(again.answers) == {"colour", "words"}
    assert again.answers["words"].given == "hot *stars* die <b>first</b>\n# and more"
    assert again.answers["colour"].choice == 0
    assert again.reveal("colour") == COLOUR.why
    with pytest.raises(GalamError, match="these are answers to"):
        AnswerSheet("Another", [COLOUR]).restore(path)


def test_markdown_and_html_hold_the_words_and_no_markup_of_the_student(tmp_path: Path) -> None:
    made = answered("<script>x</script>")
    page = made.save(tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<b>first</b>" not in page
    assert "hot *stars* die &lt;b&gt;first" in page
    assert COLOUR.text in page
    assert "Not answered: guess" in page
    text = made.save(tmp_path / "a.MD").read_text(encoding="utf-8")
    assert "> hot \\*stars\\* die \\<b\\>first" in text
    assert "> \\# and more" in text
    assert "## 1. Which is redder?" in text


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    made = answered()
    with pytest.raises(GalamError, match="no such format"):
        made.save(tmp_path / "a.docx")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(GalamError, match="folder"):
        made.save(tmp_path / "folder.html")
    (tmp_path / "file").write_text("x")
    with pytest.raises(GalamError):
        made.save(tmp_path / "file" / "a.html")
    with pytest.raises(GalamError, match="no name"):
        answered(" ").save(tmp_path / "a.html")
    with pytest.raises(GalamError, match="too long"):
        answered("x" * 101).save(tmp_path / "a.html")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder.html"]


def test_file_names_are_safe() -> None:
    assert answered("../../etc/passwd").file_name() == "answers-old-or-rich-etc-passwd.html"
    assert answered("Łukasz Ñ 李").file_name(".md") == "answers-old-or-rich-łukasz-ñ-李.md"
    assert answered("...").file_name() == "answers-old-or-rich-student.html"


def test_a_class_is_collected_and_bad_files_are_reported(tmp_path: Path) -> None:
    for name in ("Ada", "Bo"):
        answered(name).save(tmp_path / f"{name}.json")
    (tmp_path / "other.json").write_text('{"format": "x"}')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_bytes(b"\xff{")
    table, problems = collect_answers(tmp_path)
    assert table["name"].tolist() == ["Ada", "Ada", "Bo", "Bo"]
    assert table["key"].tolist() == ["colour", "words"] * 2
    assert table["file"].unique().tolist() == ["Ada.json", "Bo.json"]
    assert len(problems) == 3
    right = table.groupby("key")["right"].mean()
    assert right["colour"] == 0
    assert right.isna()["words"]
    (tmp_path / "empty").mkdir()
    assert len(collect_answers(tmp_path / "empty")[0]) == 0
    with pytest.raises(GalamError, match="no such folder"):
        collect_answers(tmp_path / "nowhere")


def test_card_asks_tells_and_shows(tmp_path: Path) -> None:
    pn = pytest.importorskip("panel")
    pn.extension()
    made, shown = sheet(), []

    def figure() -> str:
        shown.append(1)
        return "a figure"

    card = made.ask("colour", figure)
    card.button.clicks += 1
    assert "Choose one first" in card.said.object
    assert not shown
    assert COLOUR.why not in card.said.object
    card.input.value = 0
    card.button.clicks += 1
    assert COLOUR.why in card.said.object
    assert "Not quite" in card.said.object
    assert card.input.disabled
    assert shown == [1]
    card.give(1)
    assert made.answers["colour"].choice == 0
    assert shown == [1]
    # A cell that is run again shows what was answered.
    assert COLOUR.why in made.ask("colour").said.object

    words = made.ask("words")
    words.input.value = "<i>dust</i>"
    words.button.clicks += 1
    assert "&lt;i&gt;dust" in words.said.object
    assert set(made.cards) == {"colour", "words"}


def test_hand_in_card_says_what_is_missing_and_where_the_file_is(tmp_path: Path) -> None:
    pn = pytest.importorskip("panel")
    pn.extension()
    made = answered("")
    form = made.hand_in(tmp_path)
    form.button.clicks += 1
    assert "no name" in form.said.object
    form.name_input.value = " Ada  Lovelace "
    form.format.value = ".md"
    form.button.clicks += 1
    path = tmp_path / "answers-old-or-rich-ada-lovelace.md"
    assert path.is_file()
    assert path.name in form.said.object
    assert "Without an answer yet: 1" in form.said.object
    assert "Ada Lovelace" in path.read_text(encoding="utf-8")

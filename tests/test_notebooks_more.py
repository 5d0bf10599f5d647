"""The other notebooks and the lessons, each on a fresh kernel without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

import run_notebook as runner

LESSONS = [name for name in runner.NAMES if name.startswith("lesson")]
OTHERS = [name for name in runner.NAMES if name >= "05" and name not in LESSONS]

ANSWER_ALL = """
from pathlib import Path
assert set(sheet.cards) == {one.key for one in sheet.questions}
for key, card in sheet.cards.items():
    assert card.question.why not in card.said.object
    card.give(card.question.answer if card.question.choices else "because of <b>hot</b> stars")
    assert len(card.revealed) == (card._show is not None), key
form = sheet.hand_in()
form.name_input.value = "Ada Lovelace"
for suffix in (".html", ".md", ".json"):
    form.format.value = suffix
    assert form.save() is not None, form.said.object
"""


@pytest.mark.parametrize("name", OTHERS)
def test_notebook_runs(name: str, tmp_path: Path) -> None:
    before = runner.checkout()
    done = runner.run(name, tmp_path)
    assert runner.complaints(done) == []
    assert runner.checkout() == before
    assert not list((tmp_path / "work").iterdir())
    if name == "06_your_galaxy":
        assert "Not fetched." in runner.printed(done)


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_runs_and_its_answers_are_handed_in(name: str, tmp_path: Path) -> None:
    done = runner.run(name, tmp_path, ANSWER_ALL)
    assert runner.complaints(done) == []
    files = sorted(path.suffix for path in (tmp_path / "work").iterdir())
    assert files == [".html", ".json", ".md"]
    found = json.loads(next((tmp_path / "work").glob("*.json")).read_text(encoding="utf-8"))
    assert found["name"] == "Ada Lovelace"
    assert found["unanswered"] == []
    assert len(found["answers"]) >= 6
    assert all(row["right"] in (True, None) for row in found["answers"])
    page = next((tmp_path / "work").glob("*.html")).read_text(encoding="utf-8")
    assert "&lt;b&gt;hot" in page

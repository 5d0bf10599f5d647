"""The first notebooks, each on a fresh kernel without a network; all of them are tidy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

import run_notebook as runner

FIRST = [name for name in runner.NAMES if name < "05"]


def test_every_room_has_its_notebook() -> None:
    wanted = {"02_from_survey_to_sample", "03_labels", "05_evaluate", "06_your_galaxy",
              "07_explain", "lesson_age_metallicity", "lesson_image_and_stars"}  # fmt: skip
    assert wanted <= set(runner.NAMES)


@pytest.mark.parametrize("name", runner.NAMES)
def test_outputs_are_cleared_and_ids_are_stable(name: str) -> None:
    assert runner.cleared(name) == []
    found = json.loads((runner.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert found["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in found["cells"]]
    assert len(set(ids)) == len(ids)
    text = "".join("".join(cell["source"]) for cell in found["cells"])
    assert "ge.notebook()" in text
    assert "simulated" in text


@pytest.mark.parametrize("name", FIRST)
def test_notebook_runs(name: str, tmp_path: Path) -> None:
    before = runner.checkout()
    done = runner.run(name, tmp_path)
    assert runner.complaints(done) == []
    assert runner.checkout() == before
    # The notebook on training keeps its survey and its run; the others leave nothing.
    kept = {"surveys", "runs"} if name.startswith("04") else set()
    assert {path.name for path in (tmp_path / "work").iterdir()} <= kept

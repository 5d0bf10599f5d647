"""What is prepared before it is asked for: neighbours, what the pointer is on, thumbnails."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import small_survey as small
from fake_model import FakeModel, until

pn = pytest.importorskip("panel")

from galam_explorer.app import ahead, preload  # noqa: E402
from galam_explorer.app.dashboard import Dashboard  # noqa: E402
from galam_explorer.app.predicting import known_judgement  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.config.respect_explicit_sizing = True
    pn.extension("tabulator")
    preload.preload()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small.make_survey(tmp_path / "small", n=20)


@pytest.fixture
def dashboard(folder: Path) -> Dashboard:
    return Dashboard({"small": str(folder)}, {})


def test_neighbours_follow_the_order_of_the_table_and_its_ends(dashboard: Dashboard) -> None:
    state = dashboard.state
    ids = [str(one) for one in state.data.ids]
    state.select(ids[0])
    assert ahead.neighbours(state) == [ids[1], ids[-1]]
    state.set_order(np.array([4, 0, 2]))
    assert ahead.neighbours(state) == [ids[2], ids[4]]
    state.set_order(np.array([0]))
    assert ahead.neighbours(state) == []
    state.set_order(np.array([3, 4]))
    assert ahead.neighbours(state) == []


def test_when_the_page_rests_the_neighbours_are_judged(dashboard: Dashboard) -> None:
    state, model = dashboard.state, FakeModel()
    state.use_model(model)
    state.select(str(state.data.ids[3]))
    until(lambda: known_judgement(state.data, state.galaxy_id, model) is not None)
    assert known_judgement(state.data, str(state.data.ids[4]), model) is None
    dashboard.bridge.latency = 123.0
    assert state.latency_ms == 123.0
    for row in (4, 2):
        until(lambda row=row: known_judgement(state.data, str(state.data.ids[row]), model))
    # Neither is asked for again.
    state.next()
    assert dashboard.workspace.tabs["galaxy"].strip.found.galaxy_id == str(state.data.ids[4])
    assert sorted(model.asked) == sorted(set(model.asked))


def test_the_next_page_of_the_table_has_its_pictures(dashboard: Dashboard) -> None:
    state, table = dashboard.state, dashboard.workspace.table
    size = table._widget.page_size
    ids = [str(one) for one in state.data.ids]
    assert table.beside(ids[size]) == ids[size : 2 * size]
    state.select(ids[size - 1])
    dashboard.bridge.latency = 1.0
    until(lambda: all((one, 18) in state.data._thumbs for one in ids[size : 2 * size]))


def test_what_the_pointer_comes_upon_is_judged_once(dashboard: Dashboard) -> None:
    state, model, sky = dashboard.state, FakeModel(), dashboard.workspace.sky
    state.use_model(model)
    wanted = str(state.data.ids[7])
    there = {"x": [sky.x[7]], "y": [sky.y[7]], "sx": [10], "sy": [10], "unit": [1e-6]}
    sky._hover(there)
    until(lambda: known_judgement(state.data, wanted, model) is not None)
    sky._hover(there)
    state.select(wanted)
    until(lambda: dashboard.workspace.tabs["galaxy"].strip.found.galaxy_id == wanted)
    assert model.asked.count(wanted) == 1


def test_a_survey_that_is_gone_is_no_trouble_until_it_is_asked_for(
    dashboard: Dashboard, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = dashboard.state
    before = state.message
    shutil.rmtree(folder)
    state.data.survey._groups.clear()
    state.data._galaxies._items.clear()
    with pytest.raises((GalamError, OSError)):
        state.data.galaxy(str(state.data.ids[-1]))
    with caplog.at_level("DEBUG", ahead.__name__):
        ahead.look_ahead(state, [str(state.data.ids[-1])])
        until(lambda: "not prepared ahead" in caplog.text)
    assert state.message is before

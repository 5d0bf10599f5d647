"""The dashboard without a browser: every view on every kind of galaxy, and what it exports."""

from __future__ import annotations

import gc
import json
import platform
import re
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_survey as small

pn = pytest.importorskip("panel")

from bokeh.document import Document  # noqa: E402
from bokeh.events import RangesUpdate, Tap  # noqa: E402
from panel.io.document import _cleanup_doc  # noqa: E402

from galam_explorer.app.export import figure_html, table_bytes  # noqa: E402
from galam_explorer.app.fate import job_for  # noqa: E402
from galam_explorer.app.layout import Dashboard, Explorer, survey_sources  # noqa: E402
from galam_explorer.app.views.pointing import rows_in_box, rows_in_polygon  # noqa: E402
from galam_explorer.cli.serve import serve_arguments, serve_environment  # noqa: E402

SPECIAL = [small.WITH_BOTH, small.IMAGE_ONLY, small.SPECTRUM_ONLY, small.REJECTED, small.NOWHERE]


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.config.respect_explicit_sizing = True
    pn.extension("tabulator")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make_survey(tmp_path_factory.mktemp("app") / "small")


@pytest.fixture
def dashboard(folder: Path) -> Dashboard:
    return Dashboard({"small": str(folder)}, {})


@pytest.fixture(scope="module")
def stepped(folder: Path) -> Dashboard:
    """One dashboard that goes from galaxy to galaxy, with both tabs."""
    dashboard = Dashboard({"small": str(folder)}, {})
    dashboard.workspace.prebuild()
    return dashboard


def drawn(dashboard: Dashboard) -> Document:
    document = Document()
    dashboard.page().server_doc(document, location=False)
    return document


def source(document: Document, figure: str, layer: int) -> dict[str, Any]:
    model = document.select_one({"name": figure})
    return dict([r for r in model.renderers if hasattr(r, "data_source")][layer].data_source.data)


@pytest.mark.parametrize("galaxy", SPECIAL)
def test_every_view_follows_every_kind_of_galaxy(dashboard: Dashboard, galaxy: str) -> None:
    document = drawn(dashboard)
    assert dashboard.state.select(galaxy)
    record = dashboard.state.data.survey[galaxy]
    facts = dashboard.workspace.tabs["galaxy"]._facts.object
    assert f'data-galaxy="{galaxy}"' in facts
    assert len(source(document, "sky", 7)["x"]) == int(np.isfinite(record.ra))
    table = dashboard.workspace.table._widget
    assert table.value["id"].iloc[table.selection].tolist() == [galaxy]
    dashboard.state.tab = "preprocessing"
    verdict = dashboard.workspace.tabs["preprocessing"]._verdict.object
    assert galaxy in verdict
    if record.cutout is None:
        assert 'data-verdict="no_cutout"' in verdict


def test_steps_that_lead_nowhere_are_answered(dashboard: Dashboard) -> None:
    drawn(dashboard)
    for count in (60, 0, -120):
        before = dashboard.bridge.seq
        dashboard.bridge._handle_msg({"kind": "step", "count": count})
        assert dashboard.bridge.seq == before + 1
    dashboard.bridge._handle_msg({"kind": "unknown"})


def test_hidden_tab_is_brought_up_to_date_when_opened(dashboard: Dashboard) -> None:
    dashboard.workspace.prebuild()
    dashboard.state.select("sim-000010")
    dashboard.state.tab = "preprocessing"
    assert "sim-000010" in dashboard.workspace.tabs["preprocessing"]._verdict.object


def test_theme_redraws_all_figures(dashboard: Dashboard) -> None:
    document = drawn(dashboard)
    before = len(list(document.models))
    for theme in ("dark", "light", "dark"):
        dashboard.state.theme = theme
    assert len(list(document.models)) < before + 20
    model = document.select_one({"name": "spectrum"})
    lines = [r.glyph.line_color for r in model.renderers if hasattr(r.glyph, "line_color")]
    assert "#7cc4ff" in lines


def test_zoomed_map_follows_the_galaxy(dashboard: Dashboard) -> None:
    document = drawn(dashboard)
    dashboard.state.zoomed = True
    dashboard.state.select("sim-000010")
    ring = source(document, "sky", 7)
    assert abs(ring["x"][0]) <= 3.0
    dashboard.state.zoomed = False
    assert abs(source(document, "sky", 7)["x"][0]) < 2.9


def test_big_survey_is_shaded_again_after_a_zoom(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("galam_explorer.evaluate.figures.sky.POINT_LIMIT", 20)
    dashboard = Dashboard({"small": str(folder)}, {})
    document = drawn(dashboard)
    sky = dashboard.workspace.sky
    before = source(document, "sky", 4)
    limits = {"x0": -0.5, "x1": 0.5, "y0": 0.0, "y1": 0.5}
    sky._ranged(RangesUpdate(sky._live.figure, **limits))
    after = source(document, "sky", 4)
    assert (after["x"], after["dw"], after["y"], after["dh"]) == ([-0.5], [1.0], [0.0], [0.5])
    inside = rows_in_box(sky.x, sky.y, (-0.5, 0.5, 0.0, 0.5))
    lit = (np.asarray(after["image"][0]).view(np.uint8).reshape(-1, 4)[:, 3] > 0).sum()
    assert 0 < lit <= len(inside)
    assert len(before["image"][0]) != len(after["image"][0]) or before["x"] != after["x"]
    x, y = sky.x[inside[0]], sky.y[inside[0]]
    sky._tap(Tap(sky._live.figure, x=x, y=y))
    assert dashboard.state.row == inside[0]


def test_cohort_in_table_and_map(dashboard: Dashboard) -> None:
    document = drawn(dashboard)
    ids = ["sim-000010", "sim-000011", small.NOWHERE]
    dashboard.state.set_cohort(ids)
    assert dashboard.workspace.table._widget.value["id"].tolist() == sorted(ids)
    assert len(source(document, "sky", 6)["x"]) == 2
    dashboard.state.select("sim-000010")
    dashboard.state.next()
    assert dashboard.state.galaxy_id == "sim-000011"
    dashboard.state.clear_cohort()
    assert len(dashboard.workspace.table._widget.value) == 60


def test_table_filter_sets_the_order_of_the_keys(dashboard: Dashboard) -> None:
    drawn(dashboard)
    table = dashboard.workspace.table._widget
    table.sorters = [{"field": "petro_mag_r", "dir": "asc"}]
    magnitudes = dashboard.state.data.catalog["petro_mag_r"].to_numpy()
    order = np.argsort(np.round(magnitudes.astype(float), 2), kind="stable")
    dashboard.state.select(f"sim-{order[0]:06d}")
    dashboard.state.next()
    assert magnitudes[dashboard.state.row] == pytest.approx(magnitudes[order[1]], abs=0.01)


def test_only_the_page_of_the_table_carries_images(dashboard: Dashboard) -> None:
    widget = dashboard.workspace.table._widget
    _, page = widget._get_data()
    assert len(page["image"]) == widget.page_size
    assert all(str(one).startswith("data:image/") for one in page["image"])


@pytest.mark.parametrize("galaxy", SPECIAL)
@pytest.mark.parametrize("view", ["sky", "table", "galaxy", "preprocessing"])
def test_tables_and_pages_of_every_view(stepped: Dashboard, view: str, galaxy: str) -> None:
    dashboard = stepped
    dashboard.state.select(galaxy)
    dashboard.state.tab = "preprocessing" if view == "preprocessing" else "galaxy"
    shown = dashboard.workspace.tabs.get(view) or getattr(dashboard.workspace, view)
    frame, about = shown.table()
    assert len(table_bytes(frame, about, "csv").splitlines()) == len(frame) + 1
    assert table_bytes(frame, about, "ecsv").startswith(b"# %ECSV")
    if view != "table":
        page = figure_html(shown.element(), "title")
        assert b"<title>title</title>" in page
        assert not re.search(rb"<(script|link)[^>]*(src|href)=", page)
    assert "load_survey" in shown.code()


@pytest.mark.parametrize("galaxy", SPECIAL)
@pytest.mark.parametrize("view", ["sky", "table", "galaxy", "preprocessing"])
def test_code_of_every_view_runs(stepped: Dashboard, view: str, galaxy: str) -> None:
    dashboard = stepped
    dashboard.state.select(galaxy)
    dashboard.state.set_cohort([small.WITH_BOTH])
    dashboard.state.tab = "preprocessing" if view == "preprocessing" else "galaxy"
    shown = dashboard.workspace.tabs.get(view) or getattr(dashboard.workspace, view)
    scope: dict[str, Any] = {}
    exec(compile(shown.code(), view, "exec"), scope)
    assert "table" in scope if view == "table" else scope["figure"] is not None


def test_code_of_the_zoomed_map_runs(dashboard: Dashboard) -> None:
    dashboard.state.zoomed = True
    scope: dict[str, Any] = {}
    exec(compile(dashboard.workspace.sky.code(), "sky", "exec"), scope)
    assert "tangent" in dashboard.workspace.sky.code()


def test_changed_parameters_are_in_the_code(dashboard: Dashboard) -> None:
    dashboard.state.tab = "preprocessing"
    dashboard.state.config = dashboard.state.config.replace(ellipse_scale=2.25)
    view = dashboard.workspace.tabs["preprocessing"]
    assert "2.25" in view.code()
    assert "ellipse scale" in view._parameters._changed.object


def test_survey_that_vanishes_is_a_message(tmp_path: Path) -> None:
    path = small.make_survey(tmp_path / "gone", n=40)
    dashboard = Dashboard({"gone": str(path)}, {})
    drawn(dashboard)
    shutil.rmtree(path)
    dashboard.state.select("sim-000038")
    assert dashboard.state.message.kind == "error"
    assert "No galaxy" in dashboard.workspace.tabs["galaxy"]._facts.object


def test_no_survey_at_all() -> None:
    dashboard = Dashboard({"gone": "/nonexistent/survey"}, {"galaxy": "x", "tab": "galaxy"})
    drawn(dashboard)
    assert dashboard.workspace is None


def test_switching_surveys(folder: Path, tmp_path: Path) -> None:
    other = small.make_survey(tmp_path / "other", n=8, positions=False)
    dashboard = Dashboard({"small": str(folder), "other": str(other)}, {})
    drawn(dashboard)
    first = dashboard.workspace
    assert dashboard.state.open("other")
    assert dashboard.workspace is not first
    dashboard.state.next()
    assert dashboard.state.open("small")


def test_image_that_cannot_be_read(tmp_path: Path) -> None:
    import dataclasses

    from galam_explorer.records import Cutout
    from galam_explorer.survey import SurveyWriter

    good = small.galaxies(3)
    broken = dataclasses.replace(good[0], id="broken", cutout=Cutout(b"no image", 0.4))
    SurveyWriter(tmp_path / "s", "Broken", "local").append([*good, broken])
    dashboard = Dashboard({"s": str(tmp_path / "s")}, {"galaxy": "broken"})
    drawn(dashboard)
    assert "cannot be shown" in dashboard.workspace.tabs["galaxy"]._no_image.object
    dashboard.state.tab = "preprocessing"
    verdict = dashboard.workspace.tabs["preprocessing"]._verdict.object
    assert "bad_cutout" in verdict


def test_closed_sessions_are_freed(folder: Path) -> None:
    kept = []
    for _ in range(5):
        dashboard = Dashboard({"small": str(folder)}, {})
        document = drawn(dashboard)
        dashboard.state.next()
        kept.append(weakref.ref(dashboard.workspace.sky))
        # What Panel does when a session ends.
        dashboard.close()
        _cleanup_doc(document)
        del dashboard, document
    gc.collect()
    assert [ref() for ref in kept] == [None] * len(kept)


def test_notebook_object_draws(folder: Path) -> None:
    from galam_explorer.survey import load_survey

    explorer = Explorer(load_survey(folder))
    root = explorer.__panel__().get_root(Document())
    assert root.select_one({"name": "sky"}) is not None


def test_whole_survey_is_counted_in_the_background(dashboard: Dashboard) -> None:
    data, config = dashboard.state.data, dashboard.state.config.replace(n_pixels=7)
    assert job_for(data, config) is None
    job = job_for(data, config, start=True)
    # Its processes are polite: busy cores come first.
    deadline = time.monotonic() + 600
    while job.state == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert job.state == "done", job.problem
    assert job.done == len(data)
    assert job.statuses[2] == "no_cutout"
    assert job_for(data, config) is job


def test_count_can_be_cancelled(dashboard: Dashboard) -> None:
    config = dashboard.state.config.replace(n_pixels=8)
    job = job_for(dashboard.state.data, config, start=True)
    job.cancel()
    deadline = time.monotonic() + 600
    while job.state == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert job.state == "cancelled"
    assert job_for(dashboard.state.data, config) is None


def test_points_in_box_and_polygon() -> None:
    x, y = np.array([0.0, 1.0, 2.0, np.nan]), np.array([0.0, 1.0, 2.0, 0.0])
    assert rows_in_box(x, y, (-0.5, 1.5, -0.5, 1.5)).tolist() == [0, 1]
    triangle = np.array([[-1, -1], [1.5, -1], [1.5, 1.5], [0, 0.2]])
    assert rows_in_polygon(x, y, triangle + np.array([-0.01, 0.01])).tolist() == [0, 1]
    bow_tie = np.array([[-1, -1], [3, 3], [3, -1], [-1, 3]])
    rows_in_polygon(x, y, bow_tie)
    assert rows_in_polygon(x, y, triangle[:2]).tolist() == []


def test_sources_on_offer(tmp_path: Path) -> None:
    assert survey_sources("") == {"demo": "demo"}
    one, two = tmp_path / "a" / "s", tmp_path / "b" / "s"
    named = survey_sources(f"{one}:{two}:demo")
    assert named == {"s": str(one), "s-2": str(two), "demo": "demo"}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the GNU C library")
def test_served_processes_can_give_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONMALLOC", raising=False)
    environment = serve_environment()
    count = "import sys; print(sys.getallocatedblocks())"  # those of Python's own allocator
    run = [sys.executable, "-c", count]
    assert int(subprocess.check_output(run)) > 0
    assert int(subprocess.check_output(run, env=environment)) == 0
    arrow = "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    pool = subprocess.check_output([sys.executable, "-c", arrow], env=environment, text=True)
    assert pool.strip() == "system"
    monkeypatch.setenv("PYTHONMALLOC", "pymalloc")
    assert serve_environment()["PYTHONMALLOC"] == "pymalloc"  # the user's stays


def test_serve_command_line() -> None:
    arguments = serve_arguments(5050, "127.0.0.1", ["host:80"])
    assert Path(arguments[4]).is_file()
    assert arguments[arguments.index("--port") + 1] == "5050"
    assert arguments[arguments.index("--allow-websocket-origin") + 1] == "host:80"
    assert json.dumps(arguments)

"""The frame: tabs from the registry, models in the background, views alone in a notebook."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import small_survey as small
from fake_model import FakeModel, until

pn = pytest.importorskip("panel")

from bokeh.document import Document  # noqa: E402
from bokeh.models import ImportedStyleSheet  # noqa: E402
from panel.util import edit_readonly  # noqa: E402

from galam_explorer.app import background, models  # noqa: E402
from galam_explorer.app.dashboard import Dashboard  # noqa: E402
from galam_explorer.app.sources import model_sources, named_sources  # noqa: E402
from galam_explorer.app.state import TABS, ExplorerState  # noqa: E402
from galam_explorer.app.views import registry  # noqa: E402
from galam_explorer.app.views.base import View, html_pane  # noqa: E402
from galam_explorer.app.views.galaxy import GalaxyView  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402


class ModelView(View):
    """A view that exists only with a model, and fails when it is told to."""

    title, slug = "Probe", "probe"
    follows = ("rest_frame",)
    fault: Exception | None = None

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self.shown: list[str] = []
        self._layout = html_pane()

    def show(self, galaxy: Any) -> None:
        if self.fault is not None:
            raise self.fault
        self.shown.append(galaxy.id if galaxy else "")


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.config.respect_explicit_sizing = True
    pn.extension("tabulator")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make_survey(tmp_path_factory.mktemp("frame") / "small", n=12)


@pytest.fixture
def dashboard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Dashboard:
    probe = registry.TabSpec("learn", "Probe", f"{__name__}:ModelView", needs_model=True)
    others = tuple(spec for spec in registry.TABS if spec.slug != "learn")
    monkeypatch.setattr(registry, "TABS", (*others, probe))
    monkeypatch.setattr(ModelView, "fault", None)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[ModelView.__module__])
    monkeypatch.setattr(ExplorerState.param.tab, "objects", [*TABS, "learn"])
    return Dashboard({"small": str(folder)}, {})


def markup(dashboard: Dashboard) -> str:
    return str(dashboard.workspace._content[0].object)


def test_registry_names_views_that_exist_once() -> None:
    assert len({spec.slug for spec in registry.TABS}) == len(registry.TABS)
    assert list(TABS) == [spec.slug for spec in registry.TABS]
    for spec in registry.TABS:
        view = spec.load()
        assert issubclass(view, View)
        assert view.slug == spec.slug
        assert view.title


def test_first_page_imports_nothing_heavy(folder: Path) -> None:
    code = (
        "import sys, threading, concurrent.futures as futures\n"
        "from galam_explorer.app.layout import Explorer, build_app\n"
        # What threads import meanwhile is not what the page waits for.
        "futures.ThreadPoolExecutor.submit = lambda *a, **k: futures.Future()\n"
        "threading.Thread.start = lambda self: None\n"
        "import panel as pn; pn.extension('tabulator')\n"
        f"Explorer({str(folder)!r})\n"
        "sys.exit(any(n in sys.modules for n in ('torch', 'lightning', 'astroquery')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tab_waits_for_a_model_and_follows_it(dashboard: Dashboard) -> None:
    state = dashboard.state
    state.tab = "learn"
    assert "needs a model" in markup(dashboard)
    state.use_model(FakeModel())
    view = dashboard.workspace.tabs["learn"]
    assert view.shown == [state.galaxy_id]
    state.next()
    state.rest_frame = True
    assert view.shown[1:] == [state.galaxy_id] * 2
    state.open_model("")
    assert "needs a model" in markup(dashboard)


@pytest.mark.parametrize(
    ("fault", "words"),
    [(GalamError("no features", "here", "train it"), "Train it"), (KeyError("m9"), "KeyError")],
)
def test_view_that_fails_is_a_card_and_a_toast_and_recovers(
    dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str
) -> None:
    state = dashboard.state
    state.use_model(FakeModel())
    monkeypatch.setattr(ModelView, "fault", fault)
    state.tab = "learn"
    assert state.message.kind == "error"
    assert words in state.message.text
    assert words in dashboard.workspace._placed._layout.object
    monkeypatch.setattr(ModelView, "fault", None)
    state.next()
    assert dashboard.workspace.tabs["learn"].shown == [state.galaxy_id]


def test_model_loads_in_the_background(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, made = threading.Event(), FakeModel("run-1")

    def load_model(source: str) -> Any:
        assert gate.wait(120)
        return made

    fake = SimpleNamespace(load_model=load_model)
    monkeypatch.setattr(models, "import_module", lambda _name: fake)
    dashboard = Dashboard({"small": str(folder)}, {}, {"run-1": str(tmp_path / "run-1")})
    state = dashboard.state
    assert (state.model_id, state.model_state, state.model) == ("run-1", "waiting", None)
    state.want_model()
    assert state.model_state == "loading"
    gate.set()
    until(lambda: state.model_state == "ready")
    assert state.model is made
    assert state.link()["model"] == "run-1"


def test_model_that_cannot_be_loaded_is_a_message(folder: Path, tmp_path: Path) -> None:
    state = ExplorerState({"small": str(folder)}, models={"gone": str(tmp_path / "gone")})
    state.want_model()
    until(lambda: state.model_state == "failed")
    assert state.message.kind == "error"
    assert state.model_problem
    assert not state.open_model("unknown")
    assert "on offer" in state.message.text.lower()


def test_only_the_last_of_many_results_arrives(folder: Path) -> None:
    state = ExplorerState({"small": str(folder)})
    gate, got, ran = threading.Event(), [], []

    def work(number: int) -> int:
        gate.wait(120)
        ran.append(number)
        return number

    for number in range(50):
        background.compute(state, "x", lambda n=number: work(n), got.append)
    gate.set()
    until(lambda: got == [49])
    assert len(ran) <= 3
    errors: list[GalamError] = []
    background.compute(state, "x", lambda: 1 / 0, got.append, errors.append)
    until(lambda: len(errors) == 1)
    assert "ZeroDivisionError" in str(errors[0])


def test_results_for_a_closed_session_are_dropped(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    gate, got = threading.Event(), []
    background.compute(dashboard.state, "x", lambda: gate.wait(120), got.append)
    dashboard.close()
    gate.set()
    background.compute(ExplorerState({}), "y", lambda: 1, got.append)
    until(lambda: 1 in got)
    assert got == [1]


def test_many_choices_end_with_all_views_on_the_last(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    state = dashboard.state
    state.use_model(FakeModel())
    strip = dashboard.workspace.tabs["galaxy"].strip
    for number in range(60):
        state.select(f"sim-{number % 12:06d}")
        if number % 20 == 7:
            state.rest_frame = not state.rest_frame
    until(lambda: strip.found.galaxy_id == "sim-000011" and strip.found.predictions != {})
    assert 'data-galaxy="sim-000011"' in dashboard.workspace.tabs["galaxy"]._facts.object
    table = dashboard.workspace.table._widget
    assert table.value["id"].iloc[table.selection].tolist() == ["sim-000011"]
    assert {one.id for one in strip.found.predictions.values()} == {"sim-000011"}


def test_model_deleted_while_open_is_a_message(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run-7"
    state = ExplorerState({"small": str(folder)}, models={"run-7": str(run)})
    state.open("small")
    state.use_model(FakeModel())
    assert state.offer_model("run-7", str(run)) == "run-7"
    assert state.open_model("run-7")
    until(lambda: state.model_state == "failed")
    assert state.model is None
    assert state.open_model("fake")
    assert state.model_state == "ready"


def test_error_that_nobody_expected_is_a_toast(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    dashboard.report(GalamError("no room", "disk", "free some"))
    assert dashboard.state.message.text == "disk: no room. Free some."
    dashboard.report(ZeroDivisionError("x"))
    assert "Something went wrong" in dashboard.state.message.text


def test_review_marks_follow_the_survey(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    state, review = dashboard.state, dashboard.review
    dashboard.bridge._handle_msg({"kind": "mark"})
    assert state.galaxy_id in review.queue
    assert state.message.kind == "success"
    dashboard.bridge._handle_msg({"kind": "note"})
    assert review.dialog.open
    review._note.value = "odd <b>one</b>"
    assert review.queue.note(state.galaxy_id) == "odd <b>one</b>"
    marked = state.galaxy_id
    state.next()
    assert review._note.value == ""
    frame, about = review.table()
    assert frame["id"].tolist() == [marked]
    assert about["ra"][0] == "deg"
    scope: dict[str, Any] = {}
    exec(compile(review.code(), "review", "exec"), scope)
    assert scope["table"]["note"].tolist() == ["odd <b>one</b>"]
    review._as_set()
    assert state.cohort == [marked]
    state.select(marked)
    review.toggle()
    assert len(review.queue) == 0


def test_note_that_the_field_was_never_left_with_is_kept(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    state, review = dashboard.state, dashboard.review
    review.open()
    first = state.galaxy_id
    with edit_readonly(review._note):
        review._note.value_input = "typed"
    state.next()
    assert review.queue.note(first) == "typed"
    assert review._note.value == review._note.value_input == ""
    assert state.galaxy_id not in review.queue
    state.select(first)
    assert review._note.value == "typed"
    with edit_readonly(review._note):
        review._note.value_input = "typed again"
    review.toggle()
    assert first not in review.queue
    assert review._note.value_input == ""
    review.queue.put(first, "another page's")
    review.dialog.open = False
    review.open()
    assert review._note.value == "another page's"
    review.queue.remove([first])


def test_note_that_could_not_be_written_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    state, review = dashboard.state, dashboard.review
    review.open()
    first = state.galaxy_id

    def refuse(*_args: Any) -> None:
        raise GalamError("no room", "disk", "free some")

    with monkeypatch.context() as patch:
        patch.setattr(type(review.queue), "put", refuse)
        review._note.value = "kept"
        assert state.message.kind == "error"
    assert review._note.value == "kept"
    state.next()
    assert review.queue.note(first) == "kept"
    review.queue.remove([first])


def test_view_alone_follows_its_state(folder: Path) -> None:
    view = GalaxyView.from_survey(folder, galaxy="sim-000003")
    root = pn.panel(view).get_root(Document())
    assert root.select_one({"name": "spectrum"}) is not None
    assert "sim-000003" in view._facts.object
    view.state.select("sim-000007")
    assert "sim-000007" in view._facts.object
    view.export("python")
    with pytest.raises(GalamError, match="no galaxy"):
        GalaxyView.from_survey(folder, galaxy="nope")


def test_long_columns_travel_in_single_precision(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    dashboard.state.select(small.WITH_BOTH)
    galaxy = dashboard.workspace.galaxy()
    model = dashboard.workspace.tabs["galaxy"]._spectrum._sources[2]
    assert model.data["wavelength"].dtype == np.float32
    np.testing.assert_allclose(model.data["wavelength"], galaxy.spectrum.wavelength, rtol=1e-7)


def test_sessions_of_open_pages_take_style_sheets_from_this_server(folder: Path) -> None:
    from galam_explorer.app.layout import localise

    document = Document()
    Dashboard({"small": str(folder)}, {}).page().server_doc(document, location=False)
    localise(document)
    sheets = [one.url for one in document.select({"type": ImportedStyleSheet})]
    assert sheets
    assert not [url for url in sheets if url.startswith("http")]


def test_models_on_offer(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first" / "model"
    assert named_sources(f"demo:{run}") == {"demo": "demo", "first": str(run)}
    assert model_sources(str(run)) == {"first": str(run)}

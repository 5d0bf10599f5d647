"""The frame: tabs from the registry, models in the background, views alone in a notebook."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import small_survey as small

pn = pytest.importorskip("panel")

from bokeh.document import Document  # noqa: E402

from galam_explorer.app import background, models  # noqa: E402
from galam_explorer.app.dashboard import Dashboard  # noqa: E402
from galam_explorer.app.sources import model_sources, named_sources  # noqa: E402
from galam_explorer.app.state import TABS, ExplorerState  # noqa: E402
from galam_explorer.app.views import registry  # noqa: E402
from galam_explorer.app.views.base import View, html_pane  # noqa: E402
from galam_explorer.app.views.galaxy import GalaxyView  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402
from galam_explorer.evaluate.figures.predictions import (  # noqa: E402
    disagreements,
    domain_warning,
    strip_figure,
    strip_rows,
    strip_sources,
)
from galam_explorer.records import Prediction, StellarPopulation  # noqa: E402


class FakeModel:
    """Says the same of every galaxy; only its interface is that of a model."""

    def __init__(self, name: str = "fake", offset: float = 0.0) -> None:
        self.name, self.hash, self.path = name, f"hash-{name}-{offset}", f"/models/{name}"
        self.network = SimpleNamespace(preset="compact")
        self.offset = offset
        self.asked: list[str] = []

    def predict(self, galaxy: Any) -> dict[str, Prediction]:
        self.asked.append(galaxy.id)
        found = {}
        for key, value in {"m1": 9.8, "m3": 9.2, "m4": 9.5, "m4_real": 9.7}.items():
            if galaxy.spectrum is None and key in ("m1", "m4_real"):
                found[key] = Prediction(galaxy.id, key, status="no_spectrum", reason="none")
                continue
            value += self.offset
            found[key] = Prediction(
                galaxy.id, key, value, -0.2, (value - 0.1, value + 0.1),
                (value - 0.2, value + 0.2), (-0.3, -0.1), (-0.4, 0.0),
                0.995 if key == "m3" else 0.5,
                key != "m3",
            )  # fmt: skip
        return found

    def splits_of(self, survey: Any) -> np.ndarray:
        return np.array(["train", "test"] * len(survey))[: len(survey)]


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


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


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
        "import sys; from galam_explorer.app.layout import Explorer, build_app\n"
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


def test_strip_shows_every_network_once_per_galaxy(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    state, model = dashboard.state, FakeModel()
    strip = dashboard.workspace.tabs["galaxy"].strip
    assert not strip._layout.visible
    state.use_model(model)
    until(lambda: "outside the training domain" in strip._verdict.object)
    assert strip._layout.visible
    text = strip._verdict.object
    assert "training galaxy" in text
    assert "M1 spectrum ≠ M3 image" in text
    assert "simulated truth" in text
    state.select(small.IMAGE_ONLY)
    until(lambda: strip.found.galaxy_id == small.IMAGE_ONLY)
    state.select("sim-000000")
    assert strip.found.galaxy_id == "sim-000000"
    assert sorted(model.asked) == ["sim-000000", small.IMAGE_ONLY]
    frame, _ = strip.table()
    assert frame["value"].notna().sum() == 8
    assert "load_model('/models/fake')" in strip.code()


def test_another_model_is_another_prediction(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {})
    strip = dashboard.workspace.tabs["galaxy"].strip
    dashboard.state.use_model(FakeModel())
    until(lambda: "m1" in strip.found.predictions)
    dashboard.state.use_model(FakeModel("other", 0.3))
    until(lambda: "m1" in strip.found.predictions and strip.found.predictions["m1"].log_age > 10)
    assert strip.found.predictions["m1"].log_age == pytest.approx(10.1)


def test_strip_figure_and_its_live_columns_agree(folder: Path) -> None:
    import holoviews as hv

    from galam_explorer.survey import load_survey

    survey = load_survey(folder)
    found = FakeModel().predict(survey[small.IMAGE_ONLY])
    label = StellarPopulation("ok", log_age=9.9, m_h=0.1, log_age_std=0.05, m_h_std=0.02)
    for population, truth in ((label, 9.7), (None, float("nan"))):
        sources, axes = strip_sources(found, "log_age", population, truth)
        plot = hv.renderer("bokeh").get_plot(strip_figure(found, "log_age", population, truth))
        drawn = [layer.handles["source"].data for layer in plot.subplots.values()]
        assert [set(one) for one in drawn] == [set(one) for one in sources]
        for one, other in zip(drawn, sources, strict=True):
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
        assert plot.state.x_range.start == pytest.approx(axes["xlim"][0])


def test_rows_say_what_is_missing_and_who_disagrees() -> None:
    label = StellarPopulation("ok", log_age=9.9, m_h=0.1, log_age_std=0.05, m_h_std=0.02)
    found = {
        "m1": Prediction("a", "m1", 9.5, 0.0, (9.4, 9.6), (9.3, 9.7), (0, 0), (0, 0), 0.2),
        "m3": Prediction("a", "m3", status="blended", reason="two sources"),
    }
    rows = {row.key: row for row in strip_rows(found, "log_age", label)}
    assert rows["label"].text == "9.90 ± 0.05"
    assert rows["m3"].note == "blended"
    assert rows["m4"].note == "not in this model"
    assert disagreements(list(rows.values())) == [("pPXF fit", "M1 spectrum")]
    assert domain_warning(found) == ""
    outside = {"m4": Prediction("a", "m4", 9.0, 0.0, domain_score=0.999, in_domain=False)}
    assert "99.9 %" in domain_warning(outside)
    assert strip_rows(outside, "log_age")[3].text == "9.00"
    assert strip_rows({}, "m_h", StellarPopulation("no_redshift"))[0].note == "no redshift"


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


def test_models_on_offer(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first" / "model"
    assert named_sources(f"demo:{run}") == {"demo": "demo", "first": str(run)}
    assert model_sources(str(run)) == {"first": str(run)}

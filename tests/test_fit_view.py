"""The view of stellar populations without a browser: fits, saved labels, reasons, exports."""

from __future__ import annotations

import gc
import re
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_survey as small

pn = pytest.importorskip("panel")

from galam_explorer.app import fitting, standalone  # noqa: E402
from galam_explorer.app.export import figure_html, table_bytes  # noqa: E402
from galam_explorer.app.standalone import make_state  # noqa: E402
from galam_explorer.app.views.fit import FitView  # noqa: E402
from galam_explorer.config import LabelConfig  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402
from galam_explorer.labels import label_survey, load_label  # noqa: E402
from galam_explorer.survey import SurveyWriter, load_survey  # noqa: E402

QUICK = LabelConfig(mdegree=0, degree=4, draws=6)
WAIT_SECONDS = 300


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.extension("tabulator")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = small.galaxies(6)
    made += [replace(made[0], id="too-far", z=2.5), replace(made[0], id="another", z=0.0049)]
    path = tmp_path_factory.mktemp("fit") / "s"
    SurveyWriter(path, "Fits", "simulated").append(made)
    return path


@pytest.fixture(scope="module")
def labelled(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    survey = load_survey(folder)
    path = tmp_path_factory.mktemp("labelled") / "s"
    SurveyWriter(path, "Labelled", "simulated").append([survey[one] for one in survey.ids])
    label_survey(load_survey(path), QUICK, 1)
    return path


def view_of(folder: Path, galaxy: str = small.WITH_BOTH) -> FitView:
    view = FitView.from_survey(folder, galaxy)
    view.__panel__()
    return view


def wait(view: FitView, status: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while f'data-fit="{status}"' not in view._head.object and time.monotonic() < deadline:
        time.sleep(0.05)
    assert f'data-fit="{status}"' in view._head.object, view._head.object + view._card.object


def sources(view: FitView, figure: str) -> list[dict[str, Any]]:
    found = [r for r in view._figures[figure].figure.renderers if hasattr(r, "data_source")]
    return [dict(one.data_source.data) for one in found]


def test_a_galaxy_that_is_opened_is_fitted(folder: Path) -> None:
    view = view_of(folder)
    wait(view, "fitted now")
    assert f'data-fitted="{small.WITH_BOTH}"' in view._head.object
    assert view._card.object == view._no_draws.object == ""
    spectrum = sources(view, "spectrum")[3]
    assert np.isfinite(spectrum["y"]).all()
    assert np.nanstd(sources(view, "residual")[2]["y"]) < 0.2
    assert len(sources(view, "draws")[0]["x"]) == 50
    assert np.sum(sources(view, "weights")[0]["share"]) == pytest.approx(1)
    assert re.search(r"log age</abbr> <b>\d\.\d\d ± \d", view._facts.object)
    assert "simulated truth" in view._facts.object
    assert sources(view, "draws")[5]["text"].tolist() == ["label", "simulated truth"]


@pytest.mark.parametrize(
    ("galaxy", "status", "words"),
    [
        (small.IMAGE_ONLY, "not fitted", "No spectrum"),
        ("too-far", "no fit", "does not meet"),
    ],
)
def test_what_cannot_be_fitted_says_why(folder: Path, galaxy: str, status: str, words: str) -> None:
    view = view_of(folder, galaxy)
    wait(view, status)
    assert words in view._card.object
    assert view._facts.object == ""
    with pytest.raises(GalamError, match="no fit to export"):
        view.table()


def test_templates_that_are_not_there_are_named(folder: Path) -> None:
    view = view_of(folder, small.IMAGE_ONLY)
    view._controls.config = QUICK.replace(templates="/nonexistent/templates")
    view.state.select(small.WITH_BOTH)
    wait(view, "no fit")
    assert "no such templates" in view._card.object


def test_a_late_fit_of_another_galaxy_is_never_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, began, go_on = fitting.make_fit, threading.Event(), threading.Event()
    finished = []

    def slow(galaxy: Any, config: Any, tell: Callable[[int, int], None] | None = None) -> Any:
        if galaxy.id == small.WITH_BOTH:
            began.set()
            go_on.wait(WAIT_SECONDS)
        found = made(galaxy, config, tell)
        finished.append(found.galaxy_id)
        return found

    monkeypatch.setattr(fitting, "make_fit", slow)
    monkeypatch.setattr(fitting, "_FITS", fitting.Cache(8))
    view = view_of(folder)
    shown = []
    view._head.param.watch(lambda e: shown.append(e.new), "object")
    assert began.wait(WAIT_SECONDS)
    wait(view, "fitting…")
    view.state.select("another")
    assert "fitting…" in view._head.object
    go_on.set()
    wait(view, "fitted now")
    assert finished == [small.WITH_BOTH, "another"]
    assert 'data-fitted="another" data-for="another"' in view._head.object
    assert not [one for one in shown if f'data-fitted="{small.WITH_BOTH}"' in one]
    # The fit that came too late was not for nothing: its galaxy has it at once.
    view.state.select(small.WITH_BOTH)
    assert 'data-fit="fitted now"' in view._head.object
    assert len(finished) == 2


def test_a_late_model_does_not_bring_back_the_galaxy_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, made = view_of(folder), standalone.chosen_galaxy
    view._controls.follow.value = False
    began = threading.Event()

    def slow(state: Any) -> Any:
        galaxy = made(state)
        if threading.current_thread() is late:
            began.set()
            time.sleep(0.3)
        return galaxy

    monkeypatch.setattr(standalone, "chosen_galaxy", slow)
    late = threading.Thread(target=lambda: view.state.param.trigger("model"))
    late.start()
    assert began.wait(WAIT_SECONDS)
    view.state.select("another")
    late.join()
    assert view._galaxy.id == "another"


def test_saved_labels_are_there_at_once(labelled: Path) -> None:
    fitting.load()
    view = view_of(labelled)
    saved = load_label(load_survey(labelled), *_saved_name(view), small.WITH_BOTH)
    assert view._shown.saved
    assert view._shown.population.log_age == saved.log_age
    assert f"<b>{saved.log_age:.2f} ± {saved.log_age_std:.2f}</b>" in view._facts.object
    assert len(sources(view, "draws")[0]["x"]) == 6
    wait(view, "saved labels")
    assert view._no_curve.object == ""
    assert np.isfinite(sources(view, "spectrum")[3]["y"]).all()
    assert view._shown.population.log_age_std == saved.log_age_std
    view.state.select(small.IMAGE_ONLY)
    assert "No spectrum" in view._card.object
    view.state.select("too-far")
    assert "does not meet" in view._card.object


def _saved_name(view: FitView) -> tuple[str]:
    return (view._controls.saved[0],)


def test_a_changed_parameter_makes_a_live_fit(labelled: Path) -> None:
    view = view_of(labelled)
    wait(view, "saved labels")
    view._controls._fields["degree"].value = 2
    assert view._controls.saved is None
    wait(view, "fitted now")
    assert view._shown.config.degree == 2
    assert view._shown.config.draws == 6
    assert "a2" in view._head.object
    view._controls._labels.value = next(iter(view._controls._saved))
    assert view._shown.saved


def test_without_following_only_the_button_fits(folder: Path) -> None:
    view = view_of(folder, small.IMAGE_ONLY)
    view._controls.follow.value = False
    view._controls._fields["draws"].value = 0
    view.state.select("another")
    assert "Not fitted yet" in view._card.object
    view.fit_now()
    # A model that arrives now shows the galaxy again, and leaves the fit alone.
    view.show(view.state.data.survey["another"])
    wait(view, "fitted now")
    assert "No noise draws" in view._no_draws.object


def test_a_stopped_fit_leaves_the_worker_to_others(folder: Path) -> None:
    state = make_state(folder, small.WITH_BOTH)
    galaxy, told, came = state.data.survey[small.WITH_BOTH], [], []
    long = LabelConfig(engine="ppxf", mdegree=0, degree=4, draws=2_000, ftol=1e-4)
    first = fitting.FitRequest(
        state, galaxy, long, came.append, came.append, lambda *count: told.append(count)
    )
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while not told and time.monotonic() < deadline:
            time.sleep(0.05)
        assert told[0][1] == 2_000
    finally:
        first.cancel()
    fitting.FitRequest(state, galaxy, QUICK.replace(seed=5), came.append, came.append)
    while not came and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [one.population.status for one in came] == ["ok"]
    assert came[0].config.seed == 5


def test_exports_and_code(folder: Path) -> None:
    view = view_of(folder)
    wait(view, "fitted now")
    frame, about = view.table()
    assert len(table_bytes(frame, about, "csv").splitlines()) == len(frame) + 1
    assert b"Best fit: batched" in table_bytes(frame, about, "ecsv")
    assert np.isnan(frame["error"][~frame["good"]]).all()
    assert b"<title>t</title>" in figure_html(view.element(), "t")
    scope: dict[str, Any] = {}
    exec(compile(view.code(), "code", "exec"), scope)
    assert scope["fit"].log_age == pytest.approx(view._shown.population.log_age, abs=1e-6)
    assert len(scope["figure"]) == 4


def test_both_themes_draw_and_closed_views_are_freed(folder: Path) -> None:
    view = view_of(folder)
    wait(view, "fitted now")
    view.state.theme = "dark"
    view.recolour()
    assert len(sources(view, "draws")[0]["x"]) == 50
    view.state.select("another")
    view.close()
    gone = weakref.ref(view)
    wait_for_worker()
    del view
    gc.collect()
    assert gone() is None


def wait_for_worker() -> None:
    fitting._POOL.submit(lambda: None).result(WAIT_SECONDS)

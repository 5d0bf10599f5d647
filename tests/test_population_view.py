"""The population and tables views without a browser."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import holoviews as hv
import numpy as np
import pytest

pn = pytest.importorskip("panel")

from bokeh.models import ColorBar  # noqa: E402

from galam_explorer.app.population import load_population  # noqa: E402
from galam_explorer.app.views.population import PopulationView  # noqa: E402
from galam_explorer.app.views.sky import SkyMap  # noqa: E402
from galam_explorer.app.views.tables import TablesView  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402
from galam_explorer.evaluate.finish import finish_model  # noqa: E402
from galam_explorer.evaluate.tables_saved import paper_beside, saved_evaluation  # noqa: E402
from galam_explorer.preprocess import prepare_survey  # noqa: E402
from galam_explorer.survey import load_survey  # noqa: E402
from tests.small_survey import make_survey  # noqa: E402
from tests.tiny_model import make_model  # noqa: E402

RECORD = {
    "reference": "label", "quantity": "log_age", "mse": 0.02, "mae": 0.1, "rmse": 0.14,
    "rmse_low": 0.13, "rmse_high": 0.15, "rmse_seed_sd": 0.001, "sd": 0.139, "nmad": 0.12,
    "bias": 0.01, "r2": 0.8, "legacy_sd": 0.11, "n": 100, "seeds": 3,
}  # fmt: skip
EVALUATION = {
    "models": [{**RECORD, "model": m, "quantity": q} for m in ("m3", "m4", "m1")
               for q in ("log_age", "m_h")],
    "differences": [
        {"reference": "label", "model": "m4", "other": "m3", "quantity": "log_age",
         "difference": -0.01, "low": -0.02, "high": 0.0, "relative": -0.1,
         "relative_low": -0.2, "relative_high": 0.0, "clear": False}
    ],
    "features": [{"r2_galaxy_mean": 0.97, "r2_mean_vector_mean": 0.95}],
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.config.respect_explicit_sizing = True
    pn.extension("tabulator")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    folder = tmp_path_factory.mktemp("population")
    survey = load_survey(make_survey(folder / "survey", 90))
    prepare_survey(survey, "robust", workers=1)
    make_model(folder / "tiny", survey, evaluation=EVALUATION)
    return str(survey.path), finish_model(folder / "tiny", survey)


def at_once(
    state: Any, key: Any, work: Any, done: Any, failed: Any = None, *, slow: bool = False
) -> None:
    try:
        done(work())
    except GalamError as error:
        failed(error)


@pytest.fixture
def view(source: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> PopulationView:
    monkeypatch.setattr("galam_explorer.app.views.population.compute", at_once)
    made = PopulationView.from_survey(source[0], model=source[1])
    made.show(None)
    return made


def dots(view: PopulationView, place: str) -> dict[str, np.ndarray]:
    return view._figures[place]._sources[1].data


def test_it_shows_the_test_galaxies_first(view: PopulationView, source: tuple[str, Any]) -> None:
    found = load_population(view.state.data, source[1])
    test = found.sets == "test"
    shown = dots(view, "upper left")
    expected = found.table["m4_log_age"].to_numpy(float)[test]
    np.testing.assert_allclose(
        np.sort(shown["y"][np.isfinite(shown["y"])]), np.sort(expected[np.isfinite(expected)])
    )
    assert f'data-n="{np.isfinite(expected).sum()}"' in view._facts.object
    frame, about = view.table()
    assert (frame["split"] == "test").all()
    np.testing.assert_allclose(frame["residual"], frame["predicted"] - frame["reference"])
    assert about["residual"][0] == "dex"


def test_choices_change_the_figures(view: PopulationView) -> None:
    before = dots(view, "lower left")["y"].copy()
    view._quantity.value = "m_h"
    assert not np.array_equal(before, dots(view, "lower left")["y"], equal_nan=True)
    view._right.value = "Sets and coverage"
    assert "lower right" not in view._points
    assert len(view.element()) == 4
    view._set.value = "all"
    assert np.isfinite(dots(view, "upper left")["y"]).sum() > 30


def test_brushing_chooses_a_set_and_a_tap_a_galaxy(view: PopulationView) -> None:
    x, y = view._points["upper left"]
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    box = {"type": "rect", "x0": x[rows].min(), "x1": x[rows].max(),
           "y0": y[rows].min(), "y1": y[rows].max()}  # fmt: skip
    view._brush("upper left", SimpleNamespace(final=True, geometry=box))
    assert set(view.state.cohort) == set(view._found.ids[rows])
    rings = view._figures["upper left"]._sources[2].data
    assert len(rings["x"]) == len(rows)
    view._tap("upper left", SimpleNamespace(x=x[rows[3]], y=y[rows[3]]))
    assert view.state.galaxy_id in view._found.ids[(x == x[rows[3]]) & (y == y[rows[3]])]


def test_the_worst_are_chosen_and_what_sets_them_apart_is_said(view: PopulationView) -> None:
    view._set.value = "all"
    assert 'data-apart="0"' in view._apart.object
    assert "lasso" in view._apart.object
    view.take_worst()
    frame, _ = view.table()
    order = frame["residual"].abs().sort_values(ascending=False).index
    worst = frame.loc[order[: len(frame) // 10]]
    assert set(view.state.cohort) == set(worst["id"])
    assert view.state.galaxy_id == worst["id"].iloc[0]
    said = view._apart.object
    assert f'data-apart="{len(worst)}"' in said
    assert f"<b>{worst['residual'].abs().median():.2f}</b> dex" in said
    for word, count in (("too old", (worst["residual"] > 0).sum()),
                        ("too young", (worst["residual"] < 0).sum())):  # fmt: skip
        assert (f"<b>{count}</b> {word}:" in said) is bool(count)
    view._quantity.value = "m_h"
    assert "too metal-" in view._apart.object
    view.state.clear_cohort()
    assert 'data-apart="0"' in view._apart.object


def test_its_code_gives_the_same_galaxies(view: PopulationView) -> None:
    view._set.value = "validation"
    scope: dict[str, Any] = {}
    exec(compile(view.code(), "population", "exec"), scope)
    drawn = scope["figure"].traverse(lambda layer: layer, [hv.Points])[0]
    shown = dots(view, "upper left")
    for column, name in enumerate(("x", "y")):
        np.testing.assert_allclose(drawn.dimension_values(column), shown[name])


def sky(source: tuple[str, Any], monkeypatch: pytest.MonkeyPatch, **state: Any) -> SkyMap:
    monkeypatch.setattr("galam_explorer.app.colours.compute", at_once)
    return SkyMap.from_survey(source[0], model=source[1], **state)


def points(view: SkyMap) -> dict[str, np.ndarray]:
    return view._live._sources[5].data


def test_the_map_is_coloured_by_the_residuals_of_the_view(
    view: PopulationView, source: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    view._colour_map()
    assert view.state.color_by == "m4_minus_truth_log_age"
    view._set.value = "all"
    frame = view.table()[0].set_index("id")
    shown = sky(source, monkeypatch, color_by="z")
    shown.state.color_by = view.state.color_by
    found = shown.colours.current()
    assert found.centred
    ids = shown.state.data.ids
    expected = frame["residual"].reindex(ids).to_numpy(float)
    np.testing.assert_allclose(found.values, expected)
    known = np.isfinite(expected)
    assert f"{known.sum()} with M4 − truth" in shown._controls.caption.object
    # Those without a value are drawn first, so that they hide nothing.
    drawn = points(shown)["color"]
    assert np.isnan(drawn[: (~known).sum()]).all()
    assert np.isfinite(drawn[(~known).sum() :]).all()
    mapper = shown._live.figure.select_one(ColorBar).color_mapper
    assert mapper.low == -mapper.high
    frame, about = shown.table()
    np.testing.assert_allclose(frame["m4_minus_truth_log_age"], expected)
    assert about["m4_minus_truth_log_age"][0] == "dex"
    scope: dict[str, Any] = {}
    exec(compile(shown.code(), "sky", "exec"), scope)
    np.testing.assert_allclose(scope["values"], expected)


def test_the_map_says_why_there_are_no_residuals(
    source: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = sky(source, monkeypatch)
    shown.state.color_by = "m4_minus_label_m_h"
    assert "this survey has no label" in shown._controls.caption.object
    assert np.isnan(shown.colours.current().values).all()
    shown.state.open_model("")
    assert "no model is chosen" in shown._controls.caption.object
    shown.state.color_by = "sn_r"
    assert "residuals" not in shown._controls.caption.object

    def fail(*_args: Any, **_more: Any) -> None:
        raise GalamError("the disk is full", "here", "make room")

    monkeypatch.setattr("galam_explorer.app.colours.load_population", fail)
    broken = sky(source, monkeypatch, color_by="m3_minus_truth_m_h")
    assert "the disk is full" in broken._controls.caption.object
    assert not broken._controls.progress.visible


def test_the_map_waits_for_residuals_and_says_how_far_they_are(
    source: tuple[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "galam_explorer.app.colours.compute",
        lambda state, key, work, done, failed, *, slow: asked.append((work, done)),
    )
    shown = SkyMap.from_survey(source[0], model=source[1], color_by="m1_minus_truth_m_h")
    shown.__panel__()
    assert shown._controls.progress.visible
    assert "predicting the survey" in shown._controls.caption.object
    shown.colours._tell(45, 90)
    assert "45 of 90" in shown._controls.caption.object
    assert shown._controls.progress.value == 50
    work, done = asked[-1]
    done(work())
    assert not shown._controls.progress.visible
    assert np.isfinite(points(shown)["color"]).sum() > 10


def test_without_a_model_it_says_so(source: tuple[str, Any]) -> None:
    alone = PopulationView.from_survey(source[0])
    alone.state.open_model("")
    alone.show(None)
    assert alone._cover.visible
    assert "No model" in alone._cover.object
    with pytest.raises(Exception, match="no predictions yet"):
        alone.table()


def test_the_papers_tables_and_ours(source: tuple[str, Any]) -> None:
    view = TablesView.from_survey(source[0], model=source[1])
    view.show(None)
    text = view._table.object
    for number in ("0.0227", "ours, 3 seeds", "not run", "0.1400 <span>[0.1300, 0.1500]</span>"):
        assert number in text
    for which in view._which.options:
        view._which.value = which
        frame, _ = view.table()
        assert len(frame)
        compile(view.code(), "tables", "exec")
    view._which.value = "Differences"
    assert "-10.0 %" in view._table.object


def test_saved_evaluations_are_found(tmp_path: Path) -> None:
    assert saved_evaluation({}, tmp_path / "model") is None
    folder = tmp_path / "evaluation"
    folder.mkdir()
    (folder / "summary.json").write_text("{")
    assert saved_evaluation({}, tmp_path / "model") is None
    (folder / "summary.json").write_text('{"models": [1]}')
    assert saved_evaluation({}, tmp_path / "model") == {"models": [1]}
    network = {"bands": "gri", "resolution": 128}
    bands = paper_beside("A.2", EVALUATION, network)
    assert bands["whose"].tolist().count("ours, 3 seeds") == 1
    assert paper_beside("A.1", None, network)["whose"].tolist() == ["paper", "not run"] * 2

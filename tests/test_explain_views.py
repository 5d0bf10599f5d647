"""The views of features and attention: what they show, choose, export, and their code."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_survey import IMAGE_ONLY, REJECTED, SPECTRUM_ONLY, WITH_BOTH, make_survey
from tiny_model import make_model

pn = pytest.importorskip("panel")

from bokeh.events import Tap  # noqa: E402

from galam_explorer.app.export import figure_html, table_bytes  # noqa: E402
from galam_explorer.app.standalone import make_state  # noqa: E402
from galam_explorer.app.views.attention import AttentionView  # noqa: E402
from galam_explorer.app.views.features import FeaturesView  # noqa: E402
from galam_explorer.config import NetworkConfig  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402
from galam_explorer.evaluate.finish import finish_model  # noqa: E402
from galam_explorer.evaluate.predict import load_model  # noqa: E402
from galam_explorer.preprocess import prepare_survey  # noqa: E402
from galam_explorer.survey import load_survey  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.extension()


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_survey(tmp_path_factory.mktemp("views") / "survey", 180)
    prepare_survey(load_survey(path), "robust", workers=1)
    return path


@pytest.fixture(scope="module")
def model(survey: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    make_model(path, load_survey(survey))
    finish_model(path, load_survey(survey))
    return path


def wait(done: Callable[[], Any]) -> None:
    end = time.monotonic() + 180
    while not done():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)


def build(kind: type, survey: Path, model: Path, galaxy: str = WITH_BOTH) -> Any:
    view = kind(make_state(survey, galaxy, load_model(model)))
    view.state.schedule = lambda change: change()
    return view


def columns(view: Any, figure: str, layer: int) -> dict[str, Any]:
    return dict(view._figures[figure]._sources[layer].data)


def run_code(text: str) -> Any:
    names: dict[str, Any] = {}
    exec(compile(text, "view", "exec"), names)
    return names["figure"]


def test_features_of_a_galaxy_with_both(survey: Path, model: Path) -> None:
    view = build(FeaturesView, survey, model)
    view.show(view.state.data.survey[WITH_BOTH])
    wait(lambda: f'data-galaxy="{WITH_BOTH}"' in view._head.object)
    wait(lambda: len(columns(view, "gradient", 2)["x"]) == 4171)
    found = view.found
    text = view._head.object
    assert f'data-galaxy="{WITH_BOTH}"' in text
    assert f"{found.r2:.3f}" in text
    assert f"{found.r2_mean:.3f}" in text
    real, simulated = columns(view, "features", 1), columns(view, "features", 2)
    np.testing.assert_array_equal(real["y"], found.real)
    rest = columns(view, "residual", 1)
    np.testing.assert_array_equal(rest["y"], simulated["y"] - real["y"])
    assert len(columns(view, "gradient", 2)["x"]) == 4171
    view._order.value = "value"
    assert (np.diff(columns(view, "features", 1)["y"]) <= 0).all()


def test_a_tap_chooses_the_feature_under_it(survey: Path, model: Path) -> None:
    view = build(FeaturesView, survey, model)
    view.show(view.state.data.survey[WITH_BOTH])
    wait(lambda: view.found.real is not None)
    view._order.value = "value"
    brightest = int(np.argmax(view.found.real))
    view._tap(Tap(view._figures["features"].figure, x=0.2, y=0.5))
    assert view.feature == brightest
    wait(lambda: view.gradient is not None and view.gradient.target == f"feature {brightest}")
    assert columns(view, "features", 3)["x"] == [0.0]
    assert f"{brightest}" in view.code()


def test_the_survey_s_distribution_comes_when_it_is_predicted(survey: Path, model: Path) -> None:
    view = build(FeaturesView, survey, model)
    view.show(view.state.data.survey[WITH_BOTH])
    view._predict_survey()
    wait(lambda: len(view._survey_r2[0]) == 180 and not view._all.visible)
    known = int(np.isfinite(view._survey_r2[0]).sum())
    assert known > 10
    wait(lambda: columns(view, "r2", 1)["top"].sum() == known)
    assert not view._all.visible


@pytest.mark.parametrize("galaxy", [IMAGE_ONLY, SPECTRUM_ONLY, REJECTED])
def test_what_a_galaxy_lacks_is_said(survey: Path, model: Path, galaxy: str) -> None:
    view = build(FeaturesView, survey, model, galaxy)
    view.show(view.state.data.survey[galaxy])
    wait(lambda: view.found.id == galaxy)
    wait(lambda: view.gradient is not None or view._no_gradient.object)
    # What is found is known before all of it is drawn.
    wait(lambda: view._no_residual.object)
    assert view.found.reason
    assert "R²</abbr>" not in view._head.object
    assert view.table()[0].shape[0] == 1024
    # What there is is drawn, and what is missing is said where it would be.
    drawn = {name: columns(view, "features", layer)["y"] for layer, name in ((1, "M1"), (2, "M2"))}
    there, missing = ("M2", "M1") if galaxy == IMAGE_ONLY else ("M1", "M2")
    assert len(drawn[there]) == 1024
    assert len(drawn[missing]) == 0
    assert f"Only {there}" in view._no_residual.object
    assert view.found.reason in view._no_residual.object
    assert not view._card.object
    view._order.value = "value"
    assert (np.diff(columns(view, "features", 1 if there == "M1" else 2)["y"]) <= 0).all()
    attention = build(AttentionView, survey, model, galaxy)
    attention.show(attention.state.data.survey[galaxy])
    wait(lambda: attention._card.object or attention.found.maps.id == galaxy)
    assert bool(attention._card.object) == (galaxy != IMAGE_ONLY)


def test_attention_maps_are_picked_from_the_mosaic(survey: Path, model: Path) -> None:
    view = build(AttentionView, survey, model)
    view.show(view.state.data.survey[WITH_BOTH])
    wait(lambda: f'data-galaxy="{WITH_BOTH}"' in view._head.object)
    maps = view.found.maps
    assert maps.weights.shape == (2, 4, 8, 8)
    mean = columns(view, "map", 1)
    np.testing.assert_allclose(mean["weight"], maps.mean.ravel(), rtol=1e-6)
    # Second head (lower half), third group.
    view._tap(Tap(view._figures["mosaic"].figure, x=20.0, y=3.0))
    assert (view.head, view.query) == (1, 2)
    np.testing.assert_allclose(columns(view, "map", 1)["weight"], maps.weights[1, 2].ravel())
    assert "head 2, feature group 3" in view._captions["map"].object
    trade = columns(view, "trade", 0)
    np.testing.assert_allclose(trade["weight"], maps.weights[1, 2].ravel())
    view._target.value = "m_h"
    change = np.abs(view.found.ablation.change[..., 1]).ravel()
    np.testing.assert_allclose(columns(view, "trade", 0)["change"], change)
    view._mean.clicks += 1
    assert view.head is None
    view._tap(Tap(view._figures["mosaic"].figure, x=-50.0, y=3.0))
    assert view.head is None
    view._predictor.value = "m4_real"
    wait(lambda: view.found.maps.predictor == "m4_real" and not view._card.object)


def test_single_token_attention_is_explained_not_shown(survey: Path, tmp_path: Path) -> None:
    single = NetworkConfig(width=0.25, heads=2, queries=4, attention="single")
    make_model(tmp_path / "single", load_survey(survey), network=single)
    view = build(AttentionView, survey, tmp_path / "single")
    view.show(view.state.data.survey[WITH_BOTH])
    wait(lambda: "1 by construction" in view._card.object)
    assert view.found.maps.id == WITH_BOTH


@pytest.mark.parametrize("kind", [FeaturesView, AttentionView])
def test_exports_code_and_themes(survey: Path, model: Path, kind: type) -> None:
    view = build(kind, survey, model)
    with pytest.raises(GalamError):
        view.table()
    view.show(view.state.data.survey[WITH_BOTH])
    wait(
        lambda: WITH_BOTH in view._head.object and f'data-galaxy="{WITH_BOTH}"' in view._head.object
    )
    frame, about = view.table()
    assert set(about) <= set(frame.columns)
    assert len(table_bytes(frame, about, "ecsv")) > 10_000
    assert b"bokeh" in figure_html(view.element(), "figure")
    view.state.theme = "dark"
    view.recolour()
    assert len(view.figure_names()) == 4
    assert len(run_code(view.code())) >= 3
    view.close()

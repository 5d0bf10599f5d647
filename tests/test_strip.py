"""The four-model strip: figure, live columns, and what the galaxy view makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_survey as small
from fake_model import FakeModel, until

pn = pytest.importorskip("panel")

from galam_explorer.app.dashboard import Dashboard  # noqa: E402
from galam_explorer.evaluate.figures.predictions import (  # noqa: E402
    disagreements,
    domain_warning,
    strip_figure,
    strip_rows,
    strip_sources,
)
from galam_explorer.records import Prediction, StellarPopulation  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.config.respect_explicit_sizing = True
    pn.extension("tabulator")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.make_survey(tmp_path_factory.mktemp("strip") / "small", n=12)


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
    until(lambda: strip.found.galaxy_id == small.IMAGE_ONLY and "m3" in strip.found.predictions)
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


def test_prediction_follows_the_preprocessing(folder: Path) -> None:
    dashboard = Dashboard({"small": str(folder)}, {"tab": "preprocessing"})
    state = dashboard.state
    state.use_model(FakeModel())
    view = dashboard.workspace.tabs["preprocessing"]
    until(lambda: 'data-film="m4"' in view._prediction.object)
    first = view._prediction.object
    state.config = state.config.replace(ellipse_scale=0.9)
    until(lambda: view._prediction.object != first)
    state.select(small.SPECTRUM_ONLY)
    until(lambda: "no prediction" in view._prediction.object)

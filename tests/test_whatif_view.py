"""The what-if view without a browser: knobs, answers, paths, export and code."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_survey import IMAGE_ONLY, REJECTED, SPECTRUM_ONLY, WITH_BOTH, make_survey
from tiny_model import make_model

pn = pytest.importorskip("panel")

from galam_explorer.app.export import figure_html, table_bytes  # noqa: E402
from galam_explorer.app.views.whatif import WhatIfView  # noqa: E402
from galam_explorer.app.views.whatif_trace import DRAWS  # noqa: E402
from galam_explorer.errors import GalamError  # noqa: E402
from galam_explorer.evaluate.predict import load_model  # noqa: E402
from galam_explorer.evaluate.whatif import WhatIf, observed_sn  # noqa: E402
from galam_explorer.preprocess import prepare_survey  # noqa: E402
from galam_explorer.survey import load_survey  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def extension() -> None:
    pn.extension()


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_survey(tmp_path_factory.mktemp("views") / "survey", 24)
    prepare_survey(load_survey(path), "robust", workers=1)
    return path


@pytest.fixture(scope="module")
def model(survey: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("models") / "tiny"
    make_model(path, load_survey(survey))
    return load_model(path, device="cpu")


@pytest.fixture
def view(survey: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its work is done at once and in this thread."""

    def at_once(state: Any, key: Any, work: Any, done: Any, failed: Any = None) -> None:
        try:
            result = work()
        except GalamError as error:
            (failed or (lambda e: state.notify("error", e)))(error)
        else:
            done(result)

    for module in ("whatif", "whatif_trace"):
        monkeypatch.setattr(f"galam_explorer.app.views.{module}.compute", at_once)
    made = WhatIfView.from_survey(survey, WITH_BOTH, model)
    go(made, WITH_BOTH)
    yield made
    made.close()


def go(view: Any, galaxy_id: str) -> None:
    view.state.select(galaxy_id)
    view.show(view.state.data.survey[galaxy_id])
    assert view.shown.after.galaxy.id == galaxy_id


def answered(view: Any, what: WhatIf) -> None:
    assert view.shown.after.what == what


def columns(live: Any, layer: int) -> dict[str, Any]:
    return dict(live._sources[layer].data)


def swept(view: Any) -> None:
    view.trace.sweep()
    assert view.trace.swept is not None


def test_the_knobs_begin_at_the_galaxy_as_it_is(view: Any) -> None:
    assert view.controls.what == WhatIf()
    assert view.shown.before.predictions.keys() == view.shown.after.predictions.keys()
    assert "Nothing is changed" in view._said.object
    assert view.controls.sn.end == pytest.approx(view.shown.before.sn_r, abs=0.05)
    assert view._card.object == ""
    assert f'data-shown="{WITH_BOTH}"' in view._head.object


def test_noise_moves_the_spectrum_network_and_says_so(view: Any) -> None:
    target = round(view.shown.before.sn_r / 2, 1)
    view.controls.sn.value = target
    answered(view, WhatIf(sn=target))
    assert "Simulated noise added" in view._said.object
    before, after = view.shown.before.predictions, view.shown.after.predictions
    assert before["m1"].log_age != after["m1"].log_age
    drawn = columns(view._figures["log_age"], 6)["x"]
    np.testing.assert_allclose(drawn, [after[name].log_age for name in after], rtol=1e-6)
    good = np.isfinite(columns(view._figures["spectrum"], 0)["y"])
    np.testing.assert_array_equal(good, view.shown.after.galaxy.spectrum.good)
    first = view.shown.after.galaxy.spectrum.flux
    view.controls.noise.clicks += 1
    answered(view, WhatIf(sn=target, seed=1))
    assert not np.array_equal(first, view.shown.after.galaxy.spectrum.flux)
    view.controls.reset.clicks += 1
    answered(view, WhatIf())
    assert view.controls.sn.value == view.controls.sn.end


def test_image_knobs(view: Any) -> None:
    view.controls.side.value = 50
    answered(view, WhatIf(image_scale=0.5))
    view.controls.bands["g"].value = False
    answered(view, WhatIf(image_scale=0.5, missing=("g",)))
    view.controls.ellipse.value = 3.0
    answered(view, WhatIf(image_scale=0.5, missing=("g",), ellipse_scale=3.0))
    view.controls.preset.value = "paper"
    answered(view, WhatIf(image_scale=0.5, missing=("g",), preset="paper"))
    assert view.controls.ellipse.value == 1.5
    view.controls.mask.value = "whole"
    answered(view, WhatIf(image_scale=0.5, missing=("g",), preset="paper", mask="whole"))
    assert view.controls.ellipse.disabled
    text = view._said.object
    for words in ("averaged down: 96 → 48 px", "no g band", "paper preprocessing", "mask off"):
        assert words in text
    assert view.shown.before.what == WhatIf()


def test_only_the_latest_of_many_moves_is_drawn(survey: Path, model: Any) -> None:
    view = WhatIfView.from_survey(survey, WITH_BOTH, model)
    view.show(view.state.data.survey[WITH_BOTH])
    seen = []
    came = view._came
    view._came = lambda key, shown: (came(key, shown), seen.append(shown.after.what.sn))
    values = np.round(np.linspace(view.controls.sn.end - 0.2, 3, 25), 1)
    for value in values:
        view.controls.sn.value = float(value)
    end = time.monotonic() + 60
    while not seen or seen[-1] != values[-1]:
        assert time.monotonic() < end, "the last answer never came"
        time.sleep(0.01)
    assert len(seen) < len(values)
    view.close()


def test_what_was_asked_goes_along_to_the_next_galaxy(view: Any) -> None:
    view.controls.sn.value = 3.0
    view.controls.bands["r"].value = False
    answered(view, WhatIf(sn=3.0, missing=("r",)))
    go(view, IMAGE_ONLY)
    assert view.shown.after.what == WhatIf(missing=("r",))
    assert view.controls.sn.disabled
    assert "No spectrum" in view._said.object
    assert "no spectrum" in view._covers["spectrum"].object
    go(view, SPECTRUM_ONLY)
    assert view.shown.after.what.sn == 3.0
    assert not view.controls.sn.disabled
    assert view.controls.side.disabled
    assert all(box.disabled for box in view.controls.bands.values())
    assert "No image" in view._said.object
    go(view, WITH_BOTH)
    assert view.shown.after.what == WhatIf(sn=3.0, missing=("r",))


def test_a_galaxy_that_is_noisier_than_wanted_stays_as_it_is(view: Any) -> None:
    survey = view.state.data.survey
    sn = {one: observed_sn(survey[one]) for one in survey.ids}
    known = sorted((value, one) for one, value in sn.items() if np.isfinite(value))
    low, high = known[0], known[-1]
    go(view, high[1])
    wanted = round((low[0] + high[0]) / 2, 1)
    view.controls.sn.value = wanted
    answered(view, WhatIf(sn=wanted))
    go(view, low[1])
    assert view.shown.after.what.sn is None
    assert "not taken away" in view._said.object


def test_a_rejected_galaxy_says_why(view: Any) -> None:
    go(view, REJECTED)
    status = view.shown.after.stages.status
    assert status != "ok"
    assert "Image not used" in view._said.object
    notes = columns(view._figures["log_age"], 8)["text"]
    assert len(notes) >= 2
    view.controls.mask.value = "whole"
    answered(view, WhatIf(mask="whole"))
    assert np.isfinite(view.shown.after.predictions["m4"].log_age)


def test_nothing_chosen_and_nothing_there(view: Any, survey: Path) -> None:
    view.show(None)
    assert "Choose one" in view._card.object
    galaxy = view.state.data.survey[IMAGE_ONLY]
    from dataclasses import replace

    view.show(replace(galaxy, cutout=None))
    assert "neither a spectrum nor an image" in view._card.object
    with pytest.raises(GalamError):
        view.table()


def test_a_sweep_traces_a_path_and_stays_while_its_knob_turns(view: Any) -> None:
    swept(view)
    table = view.trace.swept
    m1 = table[(table["predictor"] == "m1") & (table["draw"] == 0)]
    assert len(m1) == 8
    truth = view._galaxy.truth["true_log_age"]
    layers = [columns(view.trace.figure, layer) for layer in range(len(view.trace.figure._sources))]
    np.testing.assert_allclose(layers[6]["y"], m1["log_age"] - truth, rtol=1e-5)
    assert len(layers[5]["x"]) == (DRAWS - 1) * 7
    view.controls.sn.value = 4.0
    answered(view, WhatIf(sn=4.0))
    assert view.trace.swept is table
    place = columns(view.trace.figure, len(layers) - 2)
    np.testing.assert_allclose(place["x"], 4.0)
    view.controls.bands["g"].value = False
    answered(view, WhatIf(sn=4.0, missing=("g",)))
    assert view.trace.swept is None
    view.trace._knob.value = "image_scale"
    swept(view)
    assert set(view.trace.swept["knob"]) == {"image_scale"}
    assert view.trace.figure.figure.xaxis[0].axis_label.startswith("side of the image")


def test_the_survey_stands_behind_the_path_once_it_is_predicted(view: Any, model: Any) -> None:
    assert view.trace.behind.visible
    view.trace.behind.clicks += 1
    assert not view.trace.behind.visible
    sn, residual = view.trace.clouds()["log_age"]
    drawn = columns(view.trace.figure, 1)
    known = np.isfinite(residual)
    assert known.sum() > 0
    np.testing.assert_allclose(
        np.sort(drawn["y"][np.isfinite(drawn["y"])]), np.sort(residual[known & np.isfinite(sn)])
    )
    assert "grey" in view.trace._note.object


def run_code(text: str) -> Any:
    names: dict[str, Any] = {}
    exec(compile(text, "view", "exec"), names)
    return names


def test_export_code_and_themes(view: Any) -> None:
    view.controls.sn.value = 3.5
    view.controls.side.value = 60
    asked = WhatIf(sn=3.5, image_scale=0.6)
    answered(view, asked)
    swept(view)
    frame, about = view.table()
    assert set(about) <= set(frame.columns)
    assert list(dict.fromkeys(frame["part"])) == ["as it is", "altered", "sweep"]
    for form in ("csv", "ecsv", "fits", "votable"):
        assert len(table_bytes(frame, about, form)) > 1000
    assert b"bokeh" in figure_html(view.element(), "figure")
    view.state.theme = "dark"
    view.recolour()
    assert len(view.figure_names()) == 6
    made = run_code(view.code())
    mine = view.shown.after.predictions["m1"].log_age
    assert made["after"].what == asked
    assert made["after"].predictions["m1"].log_age == pytest.approx(mine, rel=1e-4)
    assert len(made["path"]) == len(view.trace.swept)
    assert len(made["figure"]) >= 5


def test_the_survey_stands_behind_paths_along_sn_only(view: Any, model: Any) -> None:
    """Also where the figure was drawn while the answer was awaited."""
    view.trace.behind.clicks += 1
    behind = columns(view.trace.figure, 1)
    assert np.isfinite(behind["x"]).sum() > 5
    go(view, IMAGE_ONLY)
    assert view.trace.knob == "image_scale"
    assert "image" in view.trace.figure.figure.xaxis[0].axis_label.lower()
    assert len(columns(view.trace.figure, 1)["x"]) == 0
    go(view, WITH_BOTH)
    view.trace._knob.value = "sn"
    assert np.isfinite(columns(view.trace.figure, 1)["x"]).sum() > 5

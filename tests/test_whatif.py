"""What-if: noise, smaller images, missing bands and other masks, and what they do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_survey import IMAGE_ONLY, REJECTED, SPECTRUM_ONLY, WITH_BOTH, make_survey
from tiny_model import make_model

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.figures.whatif import Against, change_sources, spectrum_pair_sources
from galam_explorer.evaluate.figures.whatif_path import path_figure, path_sources, whatif_figure
from galam_explorer.evaluate.model import Model
from galam_explorer.evaluate.predict import load_model
from galam_explorer.evaluate.predict_inputs import signal_to_noise
from galam_explorer.evaluate.whatif import WhatIf, feasible, observed_sn, what_if, what_ifs
from galam_explorer.evaluate.whatif_change import (
    altered_image,
    altered_spectrum,
    altered_stages,
    decoded,
)
from galam_explorer.evaluate.whatif_sweep import KNOBS, ladder, path_table, sweep
from galam_explorer.preprocess import prepare_cutout
from galam_explorer.records import Galaxy
from galam_explorer.survey import Survey, load_survey

IMAGE_MODELS, SPECTRUM_MODELS = ("m3", "m4"), ("m1",)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return load_survey(make_survey(tmp_path_factory.mktemp("whatif") / "survey", 12))


@pytest.fixture(scope="module")
def model(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "tiny"
    make_model(path, survey)
    return load_model(path, device="cpu")


@pytest.fixture(scope="module")
def released() -> Model:
    return load_model("demo", device="cpu")


@pytest.fixture(scope="module")
def bright() -> Galaxy:
    """The simulated galaxy of the demo with the best spectrum beside an image."""
    demo = load_survey("demo")
    table = demo.catalog
    both = table[table["has_spectrum"] & table["has_cutout"]]
    for galaxy_id in both.sort_values("sn_r", ascending=False)["id"]:
        galaxy = demo[str(galaxy_id)]
        if galaxy.origin == "simulated" and prepare_cutout(galaxy.cutout).status == "ok":
            return galaxy
    raise AssertionError("the demo has no such galaxy")


def values(outcome: object, name: str) -> tuple[float, float]:
    one = outcome.predictions[name]
    return one.log_age, one.m_h


# -- what is changed -----------------------------------------------------------------------


@pytest.mark.parametrize("target", [20.0, 10.0, 5.0])
def test_added_noise_brings_the_spectrum_to_the_wanted_signal_to_noise(
    bright: Galaxy, target: float
) -> None:
    noisy = altered_spectrum(bright, WhatIf(sn=target))
    assert signal_to_noise(noisy) == pytest.approx(target, rel=0.05)
    added = noisy.flux - bright.spectrum.flux
    good = bright.spectrum.good
    # The errors say what the pixels do: old and new noise add in quadrature.
    expected = np.sqrt(noisy.error**2 - bright.spectrum.error**2)
    pull = added[good] / expected[good]
    assert np.std(pull) == pytest.approx(1, abs=0.05)
    assert abs(np.mean(pull)) < 0.08
    assert noisy.loglam0 == bright.spectrum.loglam0
    np.testing.assert_array_equal(noisy.ivar == 0, bright.spectrum.ivar == 0)


def test_the_same_seed_gives_the_same_noise_at_every_level(bright: Galaxy) -> None:
    one, same = (altered_spectrum(bright, WhatIf(sn=9.0, seed=4)) for _ in range(2))
    np.testing.assert_array_equal(one.flux, same.flux)
    other = altered_spectrum(bright, WhatIf(sn=9.0, seed=5))
    worse = altered_spectrum(bright, WhatIf(sn=6.0, seed=4))
    good = bright.spectrum.good
    added, fresh, more = (s.flux[good] - bright.spectrum.flux[good] for s in (one, other, worse))
    assert abs(np.corrcoef(added, fresh)[0, 1]) < 0.1
    assert np.corrcoef(added, more)[0, 1] > 0.999
    assert np.std(more) > np.std(added)


def test_nothing_can_be_made_better_than_it_was_observed(survey: Survey, bright: Galaxy) -> None:
    own = observed_sn(bright)
    with pytest.raises(GalamError, match="noise can be added, not taken away"):
        altered_spectrum(bright, WhatIf(sn=own + 5))
    asked, notes = feasible(bright, WhatIf(sn=own + 5, image_scale=0.5))
    assert asked == WhatIf(image_scale=0.5)
    assert f"{own:.1f}" in notes[0]
    asked, notes = feasible(survey[IMAGE_ONLY], WhatIf(sn=8.0))
    assert asked.sn is None
    assert "no spectrum" in notes[0]
    unknown = dataclasses.replace(bright, sn_r=-1.0)
    with pytest.raises(GalamError, match="unknown"):
        altered_spectrum(unknown, WhatIf(sn=3.0))
    image = decoded(bright)
    with pytest.raises(GalamError, match="16 are needed"):
        altered_image(image, WhatIf(image_scale=0.05))
    asked, notes = feasible(bright, WhatIf(image_scale=0.05))
    assert min(altered_image(image, asked).shape[:2]) >= 16
    assert notes


@pytest.mark.parametrize(
    "fields",
    [{"sn": 0.0}, {"sn": float("nan")}, {"seed": -1}, {"seed": 1.5}, {"image_scale": 1.2},
     {"missing": ("u",)}, {"preset": "best"}, {"mask": "square"}, {"ellipse_scale": 99.0},
     {"tolerance": float("inf")}],
    ids=str,
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused(fields: dict) -> None:
    with pytest.raises(GalamError, match=next(iter(fields))):
        WhatIf(**fields)


def test_a_question_reads_back_and_writes_itself() -> None:
    what = WhatIf(sn=7, missing=("g", "i"), ellipse_scale=2, mask="crop", seed=3)
    assert WhatIf.from_json(what.to_json()) == what
    assert eval(what.python) == what
    assert what.missing == ("i", "g")
    assert WhatIf(missing=("g", "i")).hash == WhatIf(missing=("i", "g")).hash
    assert WhatIf().python == "WhatIf()"
    assert WhatIf(seed=8).changes == ()


def test_images_lose_pixels_and_bands(bright: Galaxy) -> None:
    image = decoded(bright)
    half = altered_image(image, WhatIf(image_scale=0.5))
    assert half.shape == (image.shape[0] // 2, image.shape[1] // 2, 3)
    blocks = image.reshape(half.shape[0], 2, half.shape[1], 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(half, blocks, atol=1)
    without = altered_image(image, WhatIf(missing=("g",)))
    assert not without[..., 2].any()
    np.testing.assert_array_equal(without[..., :2], image[..., :2])
    assert image[..., 2].any()


def test_masks_differ_in_what_they_keep(bright: Galaxy) -> None:
    image, own = decoded(bright), PreprocessConfig()
    usual = altered_stages(image, WhatIf(), own)
    open_crop = altered_stages(image, WhatIf(mask="crop"), own)
    whole = altered_stages(image, WhatIf(mask="whole"), own)
    wide = altered_stages(image, WhatIf(ellipse_scale=3.0), own)
    assert open_crop.crop_box == usual.crop_box
    inside = usual.cropped.any(axis=2)
    np.testing.assert_array_equal(open_crop.cropped[inside], usual.cropped[inside])
    assert open_crop.cropped.any(axis=2).mean() > inside.mean()
    assert whole.cropped.shape == (128, 128, 3)
    np.testing.assert_array_equal(whole.cropped, prepare_cutout(image, own).original)
    assert wide.mask.sum() > 1.5 * usual.mask.sum()
    paper = altered_stages(image, WhatIf(preset="paper"), own)
    assert paper.thresholds == prepare_cutout(image, "paper").thresholds


# -- what the networks say -----------------------------------------------------------------


def test_no_change_is_the_usual_prediction(model: Model, survey: Survey) -> None:
    for galaxy_id in (WITH_BOTH, IMAGE_ONLY, SPECTRUM_ONLY, REJECTED):
        galaxy = survey[galaxy_id]
        usual, found = model.predict(galaxy), what_if(model, galaxy, WhatIf())
        for name, one in usual.items():
            mine = found.predictions[name]
            assert (mine.status, mine.reason) == (one.status, one.reason)
            np.testing.assert_allclose(
                [mine.log_age, mine.m_h, *mine.log_age_68], [one.log_age, one.m_h, *one.log_age_68],
                rtol=1e-5,
            )  # fmt: skip


def test_noise_changes_what_sees_the_spectrum_only(model: Model, survey: Survey) -> None:
    galaxy = survey[WITH_BOTH]
    before, after = what_ifs(model, galaxy, [WhatIf(), WhatIf(sn=observed_sn(galaxy) / 3)])
    for name in SPECTRUM_MODELS:
        assert values(before, name) != values(after, name)
    for name in IMAGE_MODELS:
        np.testing.assert_allclose(values(before, name), values(after, name), rtol=1e-5)


@pytest.mark.parametrize(
    "what", [WhatIf(missing=("g",)), WhatIf(image_scale=0.3), WhatIf(ellipse_scale=3.0)],
    ids=["band", "size", "mask"],
)  # fmt: skip
def test_images_change_what_sees_the_image_only(model: Model, survey: Survey, what: WhatIf) -> None:
    before, after = what_ifs(model, survey[WITH_BOTH], [WhatIf(), what])
    np.testing.assert_allclose(values(before, "m1"), values(after, "m1"), rtol=1e-5)
    for name in (*IMAGE_MODELS, "m4_real"):
        assert values(before, name) != values(after, name)


def test_one_answer_does_not_depend_on_its_neighbours(model: Model, survey: Survey) -> None:
    galaxy = survey[WITH_BOTH]
    asked = [WhatIf(), WhatIf(sn=5.0), WhatIf(missing=("r",)), WhatIf(sn=5.0, image_scale=0.5)]
    calls: list[WhatIf] = []

    def remember(what: WhatIf, make: object) -> object:
        calls.append(what)
        return make()

    together = what_ifs(model, galaxy, asked, remember)
    assert len(calls) == 3  # noise alone prepares no image anew
    for what, found in zip(asked, together, strict=True):
        alone = what_if(model, galaxy, what)
        assert found.what == what
        for name in model.predictors:
            np.testing.assert_allclose(values(found, name), values(alone, name), rtol=1e-4)


def test_more_noise_scatters_the_spectrum_network_and_widens_its_intervals(
    released: Model, bright: Galaxy
) -> None:
    outcomes = {
        sn: what_ifs(released, bright, [WhatIf(sn=sn, seed=seed) for seed in range(8)])
        for sn in (0.8 * observed_sn(bright), 5.0)
    }
    mild, harsh = outcomes.values()
    scatter = [np.std([values(one, "m1") for one in found], axis=0) for found in (mild, harsh)]
    assert (scatter[1] > 1.5 * scatter[0]).all()
    width = [
        np.mean([np.diff(one.predictions["m1"].log_age_68) for one in found])
        for found in (mild, harsh)
    ]
    assert width[1] > width[0]


def test_a_rejected_image_says_so_and_may_be_shown_whole(model: Model, survey: Survey) -> None:
    rejected = survey[REJECTED]
    found = what_if(model, rejected, WhatIf(sn=4.0 if observed_sn(rejected) > 4 else None))
    assert found.stages.status not in ("ok", "no_cutout")
    assert found.predictions["m4"].status == found.stages.status
    assert found.predictions["m4"].reason
    assert np.isfinite(found.predictions["m1"].log_age)
    whole = what_if(model, rejected, WhatIf(mask="whole"))
    assert np.isfinite(whole.predictions["m4"].log_age)
    black = what_if(model, survey[WITH_BOTH], WhatIf(missing=("g", "r", "i")))
    assert black.predictions["m3"].status == "empty_foreground"


def test_what_a_galaxy_lacks_stays_missing(model: Model, survey: Survey) -> None:
    image_only = what_if(model, survey[IMAGE_ONLY], WhatIf(image_scale=0.5))
    assert image_only.predictions["m1"].status == "no_spectrum"
    assert np.isfinite(image_only.predictions["m4"].log_age)
    assert np.isnan(image_only.sn_r)
    spectrum_only = what_if(model, survey[SPECTRUM_ONLY], WhatIf(missing=("g",), mask="whole"))
    assert spectrum_only.image is None
    assert spectrum_only.predictions["m4"].status == "no_cutout"
    assert np.isfinite(spectrum_only.predictions["m1"].log_age)


# -- paths ---------------------------------------------------------------------------------


def test_a_ladder_begins_at_the_galaxy_and_ends_where_it_should(bright: Galaxy) -> None:
    rungs = ladder(bright, "sn", 6, WhatIf(seed=2, missing=("g",)))
    assert rungs[0].sn is None
    assert rungs[-1].sn == pytest.approx(5.0)
    assert np.all(np.diff([one.sn for one in rungs[1:]]) < 0)
    assert {(one.seed, one.missing) for one in rungs} == {(2, ("g",))}
    sizes = [one.image_scale for one in ladder(bright, "image_scale", 4)]
    assert sizes[0] == 1
    assert min(sizes) * min(decoded(bright).shape[:2]) >= 15.5


def test_a_ladder_needs_what_its_knob_changes(survey: Survey) -> None:
    with pytest.raises(GalamError, match="no spectrum"):
        ladder(survey[IMAGE_ONLY], "sn")
    with pytest.raises(GalamError, match="no image"):
        ladder(survey[SPECTRUM_ONLY], "image_scale")
    with pytest.raises(GalamError, match="no knob"):
        ladder(survey[WITH_BOTH], "colour")


def test_a_sweep_is_what_its_steps_are(model: Model, survey: Survey) -> None:
    galaxy = survey[WITH_BOTH]
    table = sweep(model, galaxy, "sn", steps=4, draws=3)
    again = sweep(model, galaxy, "sn", steps=4, draws=3)
    np.testing.assert_array_equal(table["log_age"], again["log_age"])
    m1 = table[table["predictor"] == "m1"]
    assert list(m1["step"]) == [0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert m1["value"].iloc[0] == pytest.approx(observed_sn(galaxy))
    last = m1.iloc[-1]
    alone = what_if(model, galaxy, WhatIf(sn=float(last["wanted_sn"]), seed=int(last["seed"])))
    assert last["log_age"] == pytest.approx(alone.predictions["m1"].log_age, rel=1e-4)
    assert m1[m1["step"] == 3]["log_age"].std() > 0
    for knob in ("image_scale", "ellipse_scale"):
        assert set(sweep(model, galaxy, knob, steps=3)["knob"]) == {knob}


# -- figures -------------------------------------------------------------------------------


def drawn(overlay: object) -> list[dict]:
    import holoviews as hv

    plot = hv.renderer("bokeh").get_plot(overlay)
    return [layer.handles["source"].data for layer in plot.subplots.values()]


@pytest.mark.parametrize("dark", [False, True])
def test_live_columns_are_those_that_are_drawn(model: Model, survey: Survey, dark: bool) -> None:
    galaxy = survey[WITH_BOTH]
    path = sweep(model, galaxy, "sn", steps=3, draws=2)
    after = what_if(model, galaxy, WhatIf(sn=4.0))
    now, against = path_table([after]), Against(9.5, 9.4)
    cloud = np.array([5.0, 10.0, 20.0]), np.array([0.1, -0.2, 0.05])
    figure = drawn(path_figure(path, "log_age", "m1", against, cloud, now=now, dark=dark))
    columns, axes = path_sources(path, "log_age", "m1", against, cloud, now=now, dark=dark)
    assert len(figure) == len(columns)
    np.testing.assert_allclose(figure[1]["y"], cloud[1])
    for mine, theirs in zip(columns[4:], figure[4:], strict=True):
        assert set(mine) <= set(theirs)
        for name in ("x", "y", "x0", "y1"):
            if name in mine:
                np.testing.assert_allclose(mine[name], theirs[name])
    assert axes["xlabel"] == KNOBS["sn"]
    m1 = path[(path["predictor"] == "m1") & (path["draw"] == 0)]
    np.testing.assert_allclose(columns[6]["y"], m1["log_age"] - 9.5)
    np.testing.assert_allclose(columns[-2]["x"], now["value"])


def test_without_label_and_truth_the_value_itself_is_drawn(model: Model, survey: Survey) -> None:
    path = sweep(model, survey[IMAGE_ONLY], "image_scale", steps=3)
    figure = path_figure(path, "m_h", "m4")
    columns, _ = path_sources(path, "m_h", "m4")
    m4 = path[path["predictor"] == "m4"]
    assert any(
        len(one["y"]) == len(m4) and np.allclose(one["y"], m4["m_h"]) for one in columns[6:-5]
    )
    assert drawn(figure)[0]["x"].size == 0
    empty = path_table([])
    assert len(drawn(path_figure(empty, "log_age"))) == len(path_sources(empty, "log_age")[0])


def test_the_strip_shows_both_and_says_why_there_is_nothing(model: Model, survey: Survey) -> None:
    galaxy = survey[WITH_BOTH]
    before, after = what_ifs(model, galaxy, [WhatIf(), WhatIf(missing=("g", "r", "i"))])
    sources, _ = change_sources(before.predictions, after.predictions, "log_age", Against(9.0))
    notes = sources[-1]["text"]
    assert len(notes) == 3
    assert all("now nothing" in one for one in notes)
    assert np.isfinite(sources[3]["x"]).all()
    assert np.isfinite(sources[6]["x"]).sum() == 1
    np.testing.assert_allclose(sources[0]["x"], [9.0])
    same, _ = spectrum_pair_sources(before.galaxy.spectrum, after.galaxy.spectrum)
    assert same[0]["x"].size == 0


def test_everything_in_one_figure(model: Model, survey: Survey, tmp_path: Path) -> None:
    import holoviews as hv

    for galaxy_id in (WITH_BOTH, IMAGE_ONLY, SPECTRUM_ONLY, REJECTED):
        before, after = what_ifs(model, survey[galaxy_id], [WhatIf(), WhatIf(image_scale=0.5)])
        layout = whatif_figure(before, after)
        hv.save(layout, tmp_path / f"{galaxy_id}.html")
        assert (tmp_path / f"{galaxy_id}.html").stat().st_size > 10_000

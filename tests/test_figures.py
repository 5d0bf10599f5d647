"""Figure functions: what is drawn, and that live updates draw the same."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pytest
import small_survey as small
from astropy import units as u
from astropy.coordinates import SkyCoord

from galam_explorer.app.live import LiveFigure
from galam_explorer.evaluate.figures import projection as proj
from galam_explorer.evaluate.figures import sky
from galam_explorer.evaluate.figures.cutout import cutout_figure, cutout_sources
from galam_explorer.evaluate.figures.preprocess import (
    STEPS,
    fate_figure,
    filmstrip_figure,
    histogram_figure,
    histogram_sources,
    stage_figure,
    stage_sources,
)
from galam_explorer.evaluate.figures.spectrum import (
    ABSORPTION,
    EMISSION,
    bad_runs,
    flux_limits,
    spectrum_figure,
    spectrum_layers,
)
from galam_explorer.evaluate.figures.style import DARK, LIGHT
from galam_explorer.preprocess.images import prepare_cutout
from galam_explorer.records import CutoutStages, Ellipse, Spectrum

RNG = np.random.default_rng(11)


def positions(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    return RNG.uniform(0, 360, n), np.degrees(np.arcsin(RNG.uniform(-1, 1, n)))


def drawn(overlay: hv.Overlay) -> list[dict[str, Any]]:
    """Columns of the Bokeh sources of each layer."""
    plot = hv.renderer("bokeh").get_plot(overlay)
    return [layer.handles["source"].data for layer in plot.subplots.values()]


def assert_same(sources: list[dict[str, Any]], overlay: hv.Overlay) -> None:
    """Live columns equal what HoloViews draws, by name and value."""
    for mine, theirs in zip(sources, drawn(overlay), strict=True):
        assert set(mine) == set(theirs)
        for name in mine:
            one, other = np.asarray(mine[name]), np.asarray(theirs[name])
            if one.dtype.kind in "fiu":
                np.testing.assert_allclose(one, other, atol=1e-6)
            else:
                assert one.tolist() == other.tolist()


# -- projections -------------------------------------------------------------------


@pytest.mark.parametrize("centre", [0.0, 180.0, 300.0])
def test_hammer_there_and_back(centre: float) -> None:
    ra, dec = positions()
    back = proj.hammer_inverse(*proj.hammer(ra, dec, centre), centre)
    assert proj.separation(*back, 0, 0) == pytest.approx(proj.separation(ra, dec, 0, 0), abs=1e-6)
    np.testing.assert_allclose(back[1], dec, atol=1e-6)


def test_hammer_is_equal_area() -> None:
    # Square degrees at the equator and at 60° must map to areas in proportion to the sky's.
    def area(dec: float) -> float:
        ra = np.array([200, 201, 201, 200, 200.0])
        x, y = proj.hammer(ra, np.array([dec, dec, dec + 1, dec + 1, dec]))
        return abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2

    def sphere(dec: float) -> float:
        return np.sin(np.radians(dec + 1)) - np.sin(np.radians(dec))

    assert area(60) / area(0) == pytest.approx(sphere(60) / sphere(0), rel=1e-3)


def test_outside_the_map_is_nan() -> None:
    ra, _ = proj.hammer_inverse(np.array([2.83, 0.0]), np.array([0.1, 1.42]))
    assert np.isnan(ra).all()


def test_tangent_there_and_back_and_east_is_left() -> None:
    ra, dec = 150 + RNG.uniform(-5, 5, 50), 30 + RNG.uniform(-5, 5, 50)
    x, y = proj.tangent(ra, dec, 150.0, 30.0)
    back = proj.tangent_inverse(x, y, 150.0, 30.0)
    np.testing.assert_allclose(back[0], ra, atol=1e-9)
    np.testing.assert_allclose(back[1], dec, atol=1e-9)
    assert proj.tangent(np.array([151.0]), np.array([30.0]), 150.0, 30.0)[0][0] < 0
    assert proj.hammer(np.array([190.0]), np.array([0.0]), 180.0)[0][0] < 0


def test_tangent_across_zero_hours() -> None:
    x, _ = proj.tangent(np.array([359.9, 0.1]), np.array([0.0, 0.0]), 0.0, 0.0)
    np.testing.assert_allclose(x, [0.1, -0.1], atol=1e-6)


def test_far_side_is_not_drawn() -> None:
    assert np.isnan(proj.tangent(np.array([0.0]), np.array([0.0]), 180.0, 0.0)[0][0])


def test_galactic_plane_has_latitude_zero() -> None:
    ra, dec = proj.galactic_plane()
    latitude = SkyCoord(ra * u.deg, dec * u.deg).galactic.b.deg
    assert np.abs(latitude).max() < 0.01


def test_separation_agrees_with_astropy() -> None:
    ra, dec = positions(50)
    theirs = SkyCoord(ra * u.deg, dec * u.deg).separation(SkyCoord(10 * u.deg, -20 * u.deg)).deg
    np.testing.assert_allclose(proj.separation(ra, dec, 10.0, -20.0), theirs, atol=1e-9)


# -- sky ---------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", ["all-sky", "tangent"])
@pytest.mark.parametrize("colour", ["number", "category", "none"])
def test_sky_figure_draws(dark: bool, kind: str, colour: str) -> None:
    ra, dec = positions(60)
    ra[3] = np.nan
    values = {"number": dec, "category": np.where(dec > 0, "north", "south"), "none": None}[colour]
    figure = sky.sky_figure(
        ra, dec, values, "label", view=sky.SkyView(kind), current=5, cohort=[1, 2], dark=dark
    )
    sources = drawn(figure)
    assert len(sources) == 8
    assert len(sources[5]["x"]) == 60
    inside = np.isfinite(sky.SkyView(kind).project(ra, dec)[0])
    assert len(sources[6]["x"]) == inside[[1, 2]].sum()
    assert len(sources[7]["x"]) == inside[5]


def test_sky_without_any_position_or_values() -> None:
    nothing = np.full(4, np.nan)
    drawn(sky.sky_figure(nothing, nothing, nothing, "z"))
    drawn(sky.sky_figure(np.array([]), np.array([]), np.array([]), "z"))


def test_many_galaxies_are_shaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sky, "POINT_LIMIT", 100)
    ra, dec = positions(500)
    sources = drawn(sky.sky_figure(ra, dec, dec, "dec"))
    assert (np.asarray(sources[4]["image"][0]).view(np.uint8).reshape(-1, 4)[:, 3] > 0).any()
    assert len(sources[5]["x"]) <= 1


def test_shading_puts_pixels_where_the_galaxies_are() -> None:
    pixels = sky.shade(
        np.array([0.25, 0.75]), np.array([0.25, 0.75]), np.array(["a", "b"]), (0, 1, 0, 1), (10, 10)
    )
    rows, columns = np.nonzero(pixels[..., 3])
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(2, 2), (7, 7)]
    assert pixels[2, 2, :3].tolist() != pixels[7, 7, :3].tolist()


def test_shaded_galaxies_without_a_value_look_like_none_with_one() -> None:
    x = y = np.array([0.25, 0.75])
    values = np.concatenate([[np.nan], [0.3]])
    pixels = sky.shade(x, y, values, (0, 1, 0, 1), (10, 10), centred=True)
    assert "#{:02x}{:02x}{:02x}".format(*pixels[2, 2, :3]) == LIGHT.unknown
    assert pixels[2, 2, 3] < pixels[7, 7, 3]
    signs = np.array([-0.3, 0.3])
    blue, red = sky.shade(x, y, signs, (0, 1, 0, 1), (10, 10), centred=True)[[2, 7], [2, 7], :3]
    assert blue[2] > blue[0]
    assert red[0] > red[2]


# -- cutout ------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.396, float("nan")])
def test_cutout_live_columns_are_what_is_drawn(scale: float) -> None:
    image = small.draw(RNG, side=64)
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:40, 20:40] = True
    options = {"note": "SIMULATED", "mask": mask, "ellipse": Ellipse(30, 31, 20, 10, 30)}
    sources, axes = cutout_sources(image, scale, **options)
    assert_same(sources, cutout_figure(image, scale, **options))
    assert axes["limits"] == (-0.5, 63.5, -0.5, 63.5)
    texts = sources[4]["text"]
    assert ("pixel scale unknown" in texts) == (not np.isfinite(scale))


def test_pixels_are_not_changed() -> None:
    image = small.draw(RNG, side=32)
    (rgb, *_), _ = cutout_sources(image, 0.4)
    back = np.asarray(rgb["image"][0]).view(np.uint8).reshape(32, 32, 4)[::-1, :, :3]
    np.testing.assert_array_equal(back, image)


def test_unknown_orientation_has_no_compass() -> None:
    sources, _ = cutout_sources(small.draw(RNG, side=32), 0.4, oriented=False)
    assert "N" not in sources[4]["text"]


# -- spectrum ----------------------------------------------------------------------


def test_spectrum_live_columns_are_what_is_drawn() -> None:
    spectrum = small.flat_spectrum(RNG)
    layers = spectrum_layers(spectrum, 0.05)
    mine, theirs = layers.sources(), drawn(spectrum_figure(spectrum, 0.05))
    # The band's outline is built another way; its corners must be the same points.
    band, other = mine.pop(1), theirs.pop(1)
    for name in ("x", "y"):
        np.testing.assert_allclose(
            np.unique(band[name][np.isfinite(band[name])]),
            np.unique(np.asarray(other[name])[np.isfinite(other[name])]),
        )
    for one, drawn_one in zip(mine, theirs, strict=True):
        assert set(one) == set(drawn_one)
        for name in one:
            if name == "text":
                assert list(one[name]) == list(drawn_one[name])
            else:
                np.testing.assert_allclose(
                    np.asarray(one[name], float), np.asarray(drawn_one[name], float)
                )


def test_every_pixel_is_drawn_and_bad_ones_shaded() -> None:
    spectrum = small.flat_spectrum(RNG)
    layers = spectrum_layers(spectrum, 0.05)
    assert len(layers.wavelength) == len(spectrum)
    assert len(layers.spans) == 1
    left, right = layers.spans[0]
    assert left < spectrum.wavelength[2000] < spectrum.wavelength[2009] < right


def test_flux_range_is_not_driven_by_bad_pixels_but_keeps_lines() -> None:
    spectrum = small.flat_spectrum(RNG)
    low, high = flux_limits(spectrum)
    assert high < 300
    assert high > 60
    assert low <= 0


def test_lines_follow_the_frame() -> None:
    spectrum, z = small.flat_spectrum(RNG), 0.05
    observed, rest = spectrum_layers(spectrum, z), spectrum_layers(spectrum, z, rest_frame=True)
    assert EMISSION["Hα"] * (1 + z) == pytest.approx(
        min(observed.emission, key=lambda w: abs(w - 6892)), abs=1e-6
    )
    assert EMISSION["Hα"] in rest.emission
    assert ABSORPTION["Mg b"] in rest.absorption
    np.testing.assert_allclose(rest.wavelength * (1 + z), observed.wavelength)
    # The peak of the line stands at its label in both frames.
    at = int(np.argmax(np.where(spectrum.good, spectrum.flux, 0)))
    assert rest.wavelength[at] == pytest.approx(EMISSION["Hα"], abs=3)


def test_error_band_is_ivar_to_the_minus_half() -> None:
    spectrum = Spectrum(np.ones(5, np.float32), np.full(5, 4.0, np.float32), 3.6)
    band = spectrum_layers(spectrum).band()["y"]
    assert np.nanmax(band) == pytest.approx(1.5)
    assert np.nanmin(band) == pytest.approx(0.5)


def test_unknown_redshift_draws_no_lines() -> None:
    layers = spectrum_layers(small.flat_spectrum(RNG), float("nan"), rest_frame=True)
    assert not layers.marks
    assert layers.xlabel.startswith("Observed")


def test_spectrum_of_bad_pixels_only() -> None:
    dead = Spectrum(np.full(9, np.nan, np.float32), np.zeros(9, np.float32), 3.6)
    assert flux_limits(dead) == (0.0, 1.0)
    drawn(spectrum_figure(dead, 0.1))


def test_bad_runs() -> None:
    assert bad_runs(np.array([1, 0, 1, 1, 0, 1], bool)).tolist() == [[0, 1], [2, 4], [5, 6]]
    assert bad_runs(np.zeros(3, bool)).shape == (0, 2)


# -- preprocessing -----------------------------------------------------------------


@pytest.fixture(scope="module", params=["reached", "stopped", "nothing"])
def stages(request: pytest.FixtureRequest) -> CutoutStages:
    if request.param == "reached":
        return prepare_cutout(small.draw(np.random.default_rng(1)))
    if request.param == "stopped":
        return prepare_cutout(np.zeros((64, 64, 3), np.uint8))
    return CutoutStages("no_cutout", "none")


@pytest.mark.parametrize("step", [step for step in STEPS if step.key != "threshold"])
def test_stage_live_columns_are_what_is_drawn(stages: CutoutStages, step: Any) -> None:
    sources, _ = stage_sources(stages, step.key)
    assert_same(sources, stage_figure(stages, step.key))


def test_histogram_live_columns_are_what_is_drawn(stages: CutoutStages) -> None:
    sources, _ = histogram_sources(stages)
    assert_same(sources, histogram_figure(stages))
    assert len(sources[1]["x"]) + len(sources[2]["x"]) == len(stages.thresholds)


def test_filmstrip_says_what_was_not_reached() -> None:
    stages = prepare_cutout(np.zeros((64, 64, 3), np.uint8))
    layout = filmstrip_figure(stages)
    assert len(layout) == len(STEPS)
    titles = [hv.Store.lookup_options("bokeh", one, "plot").kwargs["title"] for one in layout]
    assert titles[-1] == "Network input: not reached"
    hv.render(layout)


def test_fate_figure_counts() -> None:
    hv.render(fate_figure({"ok": 90, "blended": 10}))
    hv.render(fate_figure({}))


# -- live figure and style ---------------------------------------------------------


def test_live_figure_swaps_data_and_limits() -> None:
    one, two = small.flat_spectrum(RNG), small.flat_spectrum(RNG)
    live = LiveFigure(spectrum_figure(one, 0.05), "test")
    before = live.figure
    layers = spectrum_layers(two, 0.1, rest_frame=True)
    live.update(layers.sources(), layers.axes())
    assert live.figure is before
    assert live.figure.x_range.start == pytest.approx(layers.xlim[0])
    assert live.figure.xaxis[0].axis_label == layers.xlabel


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("style", [LIGHT, DARK])
def test_text_has_enough_contrast(style: Any) -> None:
    for colour in (style.text, style.muted):
        assert contrast(colour, style.background) >= 4.5
        assert contrast(colour, style.sky) >= 4.5
    for colour in (style.flux, style.emission, style.absorption, style.current):
        assert contrast(colour, style.background) >= 3.0

"""Figures of full-spectrum fits: what they draw, and that new data can replace old."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from galam_explorer.evaluate.figures.fit import (
    fit_figure,
    fit_sources,
    population_figure,
    residual_figure,
    residual_sources,
)
from galam_explorer.evaluate.figures.fit_grid import (
    cell_edges,
    covariance_ellipse,
    draws_figure,
    draws_sources,
    weights_figure,
    weights_sources,
)
from galam_explorer.evaluate.figures.labels_population import dispersion_by_sn
from galam_explorer.labels.dispersion import dispersion_by_sn as table_by_sn
from galam_explorer.records import StellarPopulation

AGES, METALS = np.array([8.0, 9.0, 9.6, 10.0]), np.array([-1.7, 0.0, 0.2])
NOTHING = StellarPopulation("fit_failed", "for a test")


def fitted(n: int = 400) -> StellarPopulation:
    rng = np.random.default_rng(2)
    wavelength = 10 ** (3.6 + 1e-4 * np.arange(n))
    model = 1 + 0.2 * np.sin(np.arange(n) / 30)
    good = np.ones(n, dtype=bool)
    good[100:120] = False
    flux = model + rng.normal(0, 0.05, n)
    flux[110] = 900.0
    weights = np.zeros((4, 3))
    weights[1, 1], weights[3, 2] = 0.75, 0.25
    draws = rng.multivariate_normal([9.25, 0.05], [[0.01, -0.006], [-0.006, 0.01]], 80)
    draws[3] = np.nan
    return StellarPopulation(
        "ok", log_age=9.25, m_h=0.05, weights=weights, draws=draws,
        wavelength=wavelength, flux=flux, best_fit=model, good=good,
    )  # fmt: skip


def columns(overlay: hv.Overlay) -> list[dict[str, Any]]:
    plot = hv.renderer("bokeh").get_plot(overlay)
    return [dict(layer.handles["source"].data) for layer in plot.subplots.values()]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("fit", [fitted(), NOTHING], ids=["fit", "nothing"])
def test_new_columns_fit_the_drawn_layers(fit: StellarPopulation, dark: bool) -> None:
    error = None if fit.flux is None else np.full(len(fit.flux), 0.05)
    label = (fit.log_age, fit.m_h)
    grid = (fit.weights, AGES, METALS, label, (9.5, -0.2))
    pairs = [
        (fit_figure(fit, dark=dark), fit_sources(fit)),
        (residual_figure(fit, error, dark=dark), residual_sources(fit, error)),
        (weights_figure(*grid, dark=dark), weights_sources(*grid, dark)),
        (draws_figure(fit.draws, label, None, dark=dark), draws_sources(fit.draws, label, None)),
    ]
    for figure, (sources, axes) in pairs:
        drawn = columns(figure)
        assert [set(one) for one in drawn] == [set(one) for one in sources]
        for one in sources:
            assert len({len(column) for column in one.values()}) == 1
        assert np.isfinite([*axes["xlim"], *axes["ylim"]]).all()
        assert axes["xlim"][0] < axes["xlim"][1]


def test_what_was_left_out_is_shaded_and_does_not_set_the_scale() -> None:
    fit = fitted()
    (spans, data, shown, model), axes = fit_sources(fit)
    assert len(spans["x0"]) == 1
    assert spans["x0"][0] < fit.wavelength[100] < fit.wavelength[119] < spans["x1"][0]
    assert axes["ylim"][1] < 2
    assert np.isnan(shown["y"][110])
    np.testing.assert_allclose(data["residual"], fit.flux - fit.best_fit)
    np.testing.assert_array_equal(model["y"], fit.best_fit)
    (_, band, residual, _), axes = residual_sources(fit, np.full(400, 0.05))
    assert np.nanmax(band["y"]) == pytest.approx(0.05)
    assert axes["ylim"][1] < 0.5
    assert np.nanstd(residual["y"]) == pytest.approx(0.05, rel=0.2)


def test_ellipse_holds_its_share_of_the_draws() -> None:
    rng = np.random.default_rng(1)
    covariance = np.array([[0.04, -0.02], [-0.02, 0.02]])
    points = rng.multivariate_normal([9, 0], covariance, 20_000)
    inverse = np.linalg.inv(covariance)
    for share in (0.683, 0.954):
        track = covariance_ellipse(np.array([9.0, 0.0]), covariance, share) - [9, 0]
        radius = np.einsum("ni,ij,nj->n", track, inverse, track)
        assert np.ptp(radius) < 1e-9
        offset = points - [9, 0]
        inside = np.einsum("ni,ij,nj->n", offset, inverse, offset) < radius[0]
        assert inside.mean() == pytest.approx(share, abs=0.01)


def test_cells_cover_the_grid_and_numbers_are_percentages() -> None:
    edges = cell_edges(AGES)
    assert (edges[:-1] < AGES).all()
    assert (edges[1:] > AGES).all()
    assert cell_edges(np.array([9.0])).tolist() == [8.5, 9.5]
    fit = fitted()
    (cells, text, label, truth), axes = weights_sources(fit.weights, AGES, METALS, (9.25, 0.05))
    assert sorted(text["text"]) == ["25", "75"]
    assert cells["share"].sum() == pytest.approx(1)
    area = (cells["right"] - cells["left"]) * (cells["top"] - cells["bottom"])
    x, y = cell_edges(AGES), cell_edges(METALS)
    assert area.sum() == pytest.approx((x[-1] - x[0]) * (y[-1] - y[0]))
    # With room around for numbers at the edge.
    assert axes["xlim"][0] < x[0] < x[-1] < axes["xlim"][1]
    assert axes["ylim"][0] < y[0] < y[-1] < axes["ylim"][1]
    assert label["x"].tolist() == [9.25]
    assert truth["x"].tolist() == []


def test_truth_is_named_and_only_where_there_is_one() -> None:
    fit = fitted()
    for truth, names in (((9.0, 0.3), ["label", "simulated truth"]), (None, ["label"])):
        (points, inner, outer, _, _, text), axes = draws_sources(fit.draws, (9.25, 0.05), truth)
        assert text["text"].tolist() == names
        assert len(points["x"]) == 79
        assert np.ptp(outer["x"]) > np.ptp(inner["x"])
        assert axes["xlim"][0] < points["x"].min()
    lonely = draws_sources(np.array([[9.0, 0.0]]), None, None)[0]
    assert np.isnan(lonely[1]["x"]).all()


def test_the_figures_of_a_fit_make_one_page() -> None:
    layout = population_figure(fitted(), AGES, METALS, truth=(9.0, 0.1))
    assert len(layout) == 4
    hv.render(layout, backend="bokeh")


def test_dispersion_falls_with_signal_to_noise() -> None:
    rng = np.random.default_rng(3)
    sn = rng.uniform(5, 60, 300)
    table = pd.DataFrame(
        {
            "status": ["ok"] * 299 + ["no_spectrum"],
            "log_age_std": 0.8 / sn,
            "m_h_std": 1.2 / sn,
            "covariance": -0.1 / sn**2,
        }
    )
    by_sn = table_by_sn(table, sn)
    age, metal = dispersion_by_sn(by_sn, sn, table, dark=True)
    points, line, _ = columns(age)
    assert len(points["x"]) == 299
    assert line["x"].tolist() == [7.5, 12.5, 17.5, 22.5, 27.5, 35.0]
    np.testing.assert_allclose(line["y"], by_sn["log_age_std"])
    np.testing.assert_allclose(columns(metal)[1]["y"], by_sn["m_h_std"])
    assert len(columns(dispersion_by_sn(by_sn).values()[0])[0]["x"]) == 0

"""Figures of samples, predictions, features and training: what is drawn, on screen and paper."""

from __future__ import annotations

import io
from pathlib import Path

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from galam_explorer.evaluate.figures.distributions import (
    distribution_figure,
    feature_figure,
    feature_r2_figure,
    label_figure,
    sample_figure,
)
from galam_explorer.evaluate.figures.population import (
    comparison_figure,
    prediction_figure,
    residual_figure,
    residual_sn_figure,
    rings_source,
)
from galam_explorer.evaluate.figures.population_bins import coverage_figure, sn_scatter_figure
from galam_explorer.evaluate.figures.printing import figure_png, save_png
from galam_explorer.evaluate.figures.training_curves import (
    loss_figure,
    rate_figure,
    training_figure,
)
from galam_explorer.evaluate.figures.workflow import workflow_figure
from galam_explorer.evaluate.metrics import legacy_clip, scatter_by_sn
from galam_explorer.evaluate.metrics_features import feature_metrics
from galam_explorer.evaluate.report_html import Figure, Section, TableBlock, render_page
from galam_explorer.records import CutoutStages

RNG = np.random.default_rng(3)
N = 300
TRUTH = RNG.normal(9.5, 0.3, N)
SAID = TRUTH + RNG.normal(0.02, 0.15, N)
SN = RNG.lognormal(2.8, 0.5, N)


def columns(overlay: hv.Overlay, index: int) -> dict[str, np.ndarray]:
    """Bokeh columns of one layer, as drawn."""
    plot = hv.renderer("bokeh").get_plot(overlay)
    return list(plot.subplots.values())[index].handles["source"].data


def epochs() -> pd.DataFrame:
    rows = [
        {"stage": s, "epoch": e, "train_loss": 1 / e, "val_loss": 1 / e + 0.02 * e, "lr": 1e-3 / e}
        for s in ("m1", "m2", "m3", "m4")
        for e in range(1, 11)
    ]
    return pd.DataFrame(rows)


def test_predictions_are_drawn_where_they_are() -> None:
    said = SAID.copy()
    said[5] = np.nan
    drawn = columns(comparison_figure(TRUTH, said, cohort=[1, 5, 7], current=2), 1)
    keep = np.isfinite(drawn["y"])
    np.testing.assert_allclose(drawn["x"][keep], np.delete(TRUTH, 5))
    np.testing.assert_allclose(drawn["y"][keep], np.delete(SAID, 5))
    rings = columns(comparison_figure(TRUTH, said, cohort=[1, 5, 7]), 2)
    np.testing.assert_allclose(rings["x"], TRUTH[[1, 7]])  # no ring around nothing
    residual = columns(residual_figure(TRUTH, SAID), 1)
    np.testing.assert_allclose(residual["y"], SAID - TRUTH)


def test_the_clip_is_shown_only_when_asked_for() -> None:
    gone = ~legacy_clip(SAID - TRUTH)
    assert gone.sum() > 5
    clipped = columns(comparison_figure(TRUTH, SAID, clipped=True), 1)
    shown = clipped["y"][np.isfinite(clipped["y"])]
    assert len(shown) == N - gone.sum()
    text = columns(comparison_figure(TRUTH, SAID, clipped=True), 4)["text"][0]
    assert "published clip" in text
    plain = columns(comparison_figure(TRUTH, SAID), 4)["text"][0]
    assert f"SD {np.std(SAID - TRUTH):.3f} dex" in plain
    assert "unclipped" in plain


def test_rings_follow_rows() -> None:
    found = rings_source(np.array([1.0, np.nan, 3.0]), np.array([4.0, 5.0, 6.0]), [1, 2])
    assert found["x"].tolist() == [3.0]


def test_scatter_by_sn_is_drawn_with_the_labels_own() -> None:
    table = scatter_by_sn(SAID, TRUTH, SN)
    dispersion = pd.DataFrame(
        {"sn_low": table["sn_low"], "sn_high": table["sn_high"], "log_age_std": 0.05}
    )
    overlay = sn_scatter_figure({"M4": table}, dispersion=dispersion)
    np.testing.assert_allclose(columns(overlay, 0)["y"], table["sd"])
    np.testing.assert_allclose(columns(overlay, 2)["y"], 0.05)


def test_densities_have_an_area_of_one() -> None:
    overlay = distribution_figure({"all": TRUTH, "some": TRUTH[:50]}, "x", span=(8.0, 11.0))
    for index in (0, 1):
        steps = columns(overlay, index)
        assert np.trapezoid(steps["density"], steps["x"]) == pytest.approx(1.0, abs=1e-6)
    # Nothing to draw is drawn as nothing.
    empty = distribution_figure({"none": np.full(3, np.nan)}, "x")
    assert columns(empty, 0)["density"].max() == 0


def test_losses_mark_the_weights_that_are_kept() -> None:
    metrics = epochs()
    ring = columns(loss_figure(metrics, "m3"), 2)
    mine = metrics[metrics["stage"] == "m3"]
    assert ring["epoch"][0] == mine.loc[mine["val_loss"].idxmin(), "epoch"]
    unfinished = mine.head(0)
    assert len(columns(loss_figure(unfinished, "m3"), 2)["epoch"]) == 0


def all_figures() -> dict[str, hv.Dimensioned]:
    catalog = pd.DataFrame({"z": TRUTH / 100, "sn_r": SN, "petro_mag_r": 17 + TRUTH})
    real = RNG.uniform(0, 1, (20, 64))
    simulated = real + RNG.normal(0, 0.05, real.shape)
    names = ["network", "target", "level", "bin", "galaxies", "coverage", "error", "width"]
    rows = [("m4", "log_age", level, one, 50, level - 0.02, 0.03, 0.4)
            for level in (0.68, 0.9) for one in ("all", "S/N 5-10")]  # fmt: skip
    stages = CutoutStages("blended", original=np.full((128, 128, 3), 90, np.uint8))
    return {
        "fig01": sample_figure(catalog, SN > 15),
        "fig03": workflow_figure({"blended": stages}),
        "fig10": label_figure(np.stack([TRUTH, SAID], 1), RNG.choice(["train", "test"], N)),
        "fig11": training_figure(epochs()),
        "rates": rate_figure(epochs()),
        "fig12": prediction_figure(TRUTH, SAID, title="M4"),
        "fig13": feature_figure(real[0], simulated[0], real.mean(0)),
        "fig16": sn_scatter_figure({"M4": scatter_by_sn(SAID, TRUTH, SN)}),
        "residual_sn": residual_sn_figure(SN, SAID - TRUTH, current=4),
        "coverage": coverage_figure(pd.DataFrame(rows, columns=names)),
        "r2": feature_r2_figure(feature_metrics(real, simulated, real.mean(0))),
    }


def test_every_figure_prints(tmp_path: Path) -> None:
    for name, figure in all_figures().items():
        save_png(figure, tmp_path / f"{name}.png", dpi=50)
        with Image.open(tmp_path / f"{name}.png") as image:
            pixels = np.asarray(image.convert("L"))
        assert pixels.std() > 5, name  # something is drawn on the white
        assert pixels.shape[0] > 100
        assert pixels.shape[1] > 150


def test_printing_keeps_ranges_and_screens() -> None:
    """Matplotlib's options leave the Bokeh figure as it was."""
    overlay = comparison_figure(TRUTH, SAID)
    before = hv.render(overlay, backend="bokeh").x_range.start
    with Image.open(io.BytesIO(figure_png(overlay, dpi=50))) as image:
        assert image.format == "PNG"
    assert hv.Store.current_backend == "bokeh"
    assert hv.render(overlay, backend="bokeh").x_range.start == before


def test_a_page_holds_figures_tables_and_no_links() -> None:
    figures = all_figures()
    table = TableBlock(
        "numbers <b>", pd.DataFrame({"a": [1.23456, float("nan")], "b": ["<x>", ""]})
    )
    blocks = [table, Figure("one", "a & b", figures["fig12"]), Figure("r2", "", figures["r2"])]
    page = render_page("Title", "lead", [Section("First", ("text",), tuple(blocks))])
    body = page[page.rindex("<main>") :]
    assert body.count("data-root-id") == 4
    assert "&lt;x&gt;" in body
    assert "1.235" in body
    assert "a &amp; b" in body
    assert "numbers &lt;b&gt;" in body
    for tag in ("<link", "<img", "src="):
        assert tag not in body.split("<script")[0]
    assert render_page("Nothing", "", [Section("Empty")]).count("<script") == 0

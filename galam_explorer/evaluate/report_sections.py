"""What the report says, section by section, from what was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from galam_explorer.evaluate.figures.distributions import (
    feature_figure,
    feature_r2_figure,
    label_figure,
    sample_figure,
)
from galam_explorer.evaluate.figures.population import prediction_figure
from galam_explorer.evaluate.figures.population_bins import coverage_figure, sn_scatter_figure
from galam_explorer.evaluate.figures.training_curves import training_figure
from galam_explorer.evaluate.figures.workflow import workflow_figure
from galam_explorer.evaluate.protocol import MODEL_NAMES, Measured
from galam_explorer.evaluate.report_html import Figure, Section, TableBlock
from galam_explorer.labels.dispersion import dispersion_by_sn
from galam_explorer.records import CutoutStages
from galam_explorer.train.data import TARGETS

__all__ = ["data_section", "feature_section", "models_section", "paper_section",
           "prediction_section", "sn_section", "training_section"]  # fmt: skip

WORDS = {"log_age": "age", "m_h": "[M/H]"}
REFERENCES = {"label": "pPXF-style label", "truth": "simulated truth"}


def with_interval(value: float, low: float, high: float, percent: bool = False) -> str:
    """``0.123 [0.118, 0.129]``."""
    if percent:
        return f"{100 * value:+.1f} % [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _models_block(table: pd.DataFrame, reference: str, quantity: str) -> TableBlock:
    chosen = table[(table["reference"] == reference) & (table["quantity"] == quantity)]
    rows = [
        {
            "model": MODEL_NAMES[one.model],
            "RMSE [95 %]": with_interval(one.rmse, one.rmse_low, one.rmse_high),
            "SD over seeds": "" if np.isnan(one.rmse_seed_sd) else f"{one.rmse_seed_sd:.4f}",
            "SD": f"{one.sd:.4f}", "NMAD": f"{one.nmad:.4f}", "MAE": f"{one.mae:.4f}",
            "bias": f"{one.bias:+.4f}", "R²": f"{one.r2:.3f}",
            "outliers": f"{100 * one.outliers:.1f} %", "legacy SD": f"{one.legacy_sd:.4f}",
            "seeds": one.seeds,
        }
        for one in chosen.itertuples()
    ]  # fmt: skip
    n = int(chosen["n"].iloc[0]) if len(chosen) else 0
    against = REFERENCES[reference]
    return TableBlock(
        f"{WORDS[quantity]} against the {against}, {n} galaxies, dex", pd.DataFrame(rows)
    )


def _differences_block(table: pd.DataFrame, reference: str) -> TableBlock:
    chosen = table[table["reference"] == reference]
    rows = [
        {
            "model": MODEL_NAMES[one.model], "minus": MODEL_NAMES[one.other],
            "quantity": WORDS[one.quantity],
            "difference in RMSE, dex [95 %]": with_interval(one.difference, one.low, one.high),
            "relative [95 %]": with_interval(
                one.relative, one.relative_low, one.relative_high, percent=True
            ),
            "zero outside": "yes" if one.clear else "no",
        }
        for one in chosen.itertuples()
    ]  # fmt: skip
    caption = (
        f"Paired differences against the {REFERENCES[reference]}; negative: the first is better"
    )
    return TableBlock(caption, pd.DataFrame(rows))


def models_section(measured: Measured, models: pd.DataFrame, differences: pd.DataFrame) -> Section:
    """Every model against every reference, and their differences."""
    seeds = ", ".join(str(run["seed"]) for run in measured.runs)
    text = [
        f"{len(measured.ids)} test galaxies that have everything, seeds {seeds}. Nothing is "
        "clipped; legacy SD is after the published clip. Intervals are paired bootstraps over "
        "galaxies and seeds. Baselines are fitted once.",
    ]
    if measured.left_out:
        left = ", ".join(f"{count}: {why}" for why, count in measured.left_out.items())
        text.append(f"Test galaxies left out: {left}.")
    if len(measured.runs) < 3:
        text.append("Fewer than three seeds: differences between networks are not established.")
    blocks = [
        _models_block(models, reference, quantity)
        for reference in measured.references
        for quantity in TARGETS
    ]
    if len(differences):
        blocks += [_differences_block(differences, reference) for reference in measured.references]
    return Section("Models", (*text, *measured.notes), tuple(blocks))


def data_section(measured: Measured, examples: dict[str, CutoutStages]) -> Section:
    """Figs. 1, 3 and 10."""
    table = measured.everyone
    used = np.isin(table["id"].to_numpy(dtype=str), measured.ids)
    blocks = [
        Figure("fig01_sample", "Fig. 1: redshift, S/N and magnitude of the survey, and of the "
               "test galaxies that are compared", sample_figure(table, used)),
    ]  # fmt: skip
    if examples:
        blocks.append(
            Figure("fig03_preprocessing", "Fig. 3: preprocessing of an accepted and of a "
                   "blended galaxy", workflow_figure(examples), 260)
        )  # fmt: skip
    labels = table[list(TARGETS)].to_numpy(float)
    if np.isfinite(labels).any():
        figure = label_figure(labels, table["set"].to_numpy(dtype=str))
        blocks.append(Figure("fig10_labels", "Fig. 10: labels by set", figure))
    return Section("Data", (), tuple(blocks))


def training_section(metrics: pd.DataFrame, name: str) -> Section | None:
    """Fig. 11 of one run; None without its metrics."""
    if not len(metrics):
        return None
    caption = f"Fig. 11: loss of each stage of {name}; the ring marks the weights that are kept"
    return Section(
        "Training", (), (Figure("fig11_training", caption, training_figure(metrics), 250),)
    )


def prediction_section(measured: Measured, reference: str) -> Section:
    """Figs. 12, 14 and 15, of the first run."""
    blocks = []
    for number, model in (("12", "m4"), ("14", "m3"), ("15", "m1")):
        if model not in measured.predictions:
            continue
        for target, quantity in enumerate(TARGETS):
            figure = prediction_figure(
                measured.references[reference][:, target],
                measured.predictions[model][0, :, target],
                quantity,
                against=REFERENCES[reference],
                title=MODEL_NAMES[model],
            )
            caption = f"Fig. {number}: {MODEL_NAMES[model]}, {WORDS[quantity]}, not clipped"
            blocks.append(Figure(f"fig{number}_{model}_{quantity}", caption, figure, 300))
    text = f"Predictions of {measured.runs[0]['name']} against the {REFERENCES[reference]}."
    return Section("Predictions", (text,), tuple(blocks))


def feature_section(measured: Measured, table: pd.DataFrame) -> Section | None:
    """Fig. 13, and what the published R² of features is worth."""
    if not measured.features:
        return None
    example, found = measured.example, measured.features[0].summary()
    text = (
        "The published R² runs over the 1024 features of one galaxy: "
        f"{found['r2_galaxy_mean']:.4f} here on average (paper: 0.9767). The mean vector of the "
        "training galaxies, which knows nothing of the galaxy, reaches "
        f"{found['r2_mean_vector_mean']:.4f}. Of the error that it leaves, M2 removes "
        f"{100 * found['skill_over_mean_vector']:.1f} % on average. Across galaxies a feature's "
        f"R² has a median of {found['r2_feature_median']:.3f}."
    )
    caption = (
        f"Fig. 13: features of {example['id']}, the galaxy with the median R² "
        f"({example['r2']:.4f}; mean vector {example['r2_mean']:.4f}); dashed: ±0.05"
    )
    figure = feature_figure(example["real"], example["simulated"], example["mean"])
    return Section(
        "Simulated features",
        (text,),
        (
            TableBlock("Quality of M2's features by run", table),
            Figure("fig13_features", caption, figure, 240),
            Figure("feature_r2", "R² within galaxies and across galaxies",
                   feature_r2_figure(measured.features[0])),
        ),
    )  # fmt: skip


def _dispersion(measured: Measured) -> pd.DataFrame | None:
    table = measured.everyone[measured.everyone["set"] == "test"]
    if not np.isfinite(table["log_age_std"]).any():
        return None
    made = table.assign(covariance=np.nan, status="ok")
    return dispersion_by_sn(made, table["sn_r"].to_numpy())


def sn_section(measured: Measured, tables: dict[str, pd.DataFrame], reference: str) -> Section:
    """Fig. 16, coverage by bin."""
    dispersion, table = _dispersion(measured), tables[reference]
    blocks = []
    for quantity in TARGETS:
        chosen = table[table["quantity"] == quantity]
        curves = {
            name: chosen[chosen["model"] == name]
            for name in ("m4", "m3", "m1", "photometry")
            if (chosen["model"] == name).any()
        }
        figure = sn_scatter_figure(curves, quantity, dispersion=dispersion)
        caption = f"Fig. 16: scatter of {WORDS[quantity]} by S/N, unclipped, mean over seeds"
        if dispersion is not None:
            caption += "; dotted: dispersion of the label over noise draws"
        blocks.append(Figure(f"fig16_sn_{quantity}", caption, figure))
    if len(measured.coverage):
        first = measured.coverage[measured.coverage["run"] == measured.coverage["run"].iloc[0]]
        for quantity in TARGETS:
            caption = f"Coverage of the intervals of {WORDS[quantity]} on test galaxies"
            blocks.append(Figure(f"coverage_{quantity}", caption, coverage_figure(first, quantity)))
        blocks.append(_coverage_block(measured))
    return Section("Signal-to-noise and intervals", (), tuple(blocks))


def _coverage_block(measured: Measured) -> TableBlock:
    table = measured.coverage[measured.coverage["bin"] == "all"]
    columns = ["run", "network", "target", "level", "galaxies", "coverage", "error", "width"]
    return TableBlock("Coverage over all test galaxies; width is the median, dex", table[columns])


def _two_lines(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `paper_table` with ours below each row of the paper."""
    rows = []
    for one in table.to_dict("records"):
        paper: dict[str, object] = {"row": one["name"], "whose": "paper"}
        ours: dict[str, object] = {"row": "", "whose": f"ours, {one['ours']}"}
        if one["seeds"] == 0:
            ours["whose"] = "not run"
        for quantity, word in WORDS.items():
            for name in ("mse", "mae", "bias"):
                paper[f"{word} {name.upper()}"] = one[f"{quantity}_{name}"]
                ours[f"{word} {name.upper()}"] = one[f"ours_{quantity}_{name}"]
            paper[f"{word} SD"], ours[f"{word} SD"] = float("nan"), one[f"ours_{quantity}_sd"]
            paper[f"{word} SD, clipped"] = one[f"{quantity}_sd"]
            ours[f"{word} SD, clipped"] = one[f"ours_{quantity}_legacy_sd"]
        rows += [paper, ours]
    return pd.DataFrame(rows)


def paper_section(tables: dict[str, pd.DataFrame]) -> Section:
    """The paper's tables with ours beside."""
    blocks = [
        TableBlock(f"Table {number}: the paper's numbers and ours, dex", _two_lines(table))
        for number, table in tables.items()
    ]
    text = (
        "The paper's galaxies are real and ours are simulated, so the levels do not compare; "
        "the order of the models and the effect of the protocol do."
    )
    return Section("The paper's tables", (text,), tuple(blocks))

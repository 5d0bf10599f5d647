"""What the view of attention says in words, and the Python that makes its figures."""

from __future__ import annotations

import numpy as np

from galam_explorer.app.views.base import escape
from galam_explorer.evaluate.explain import AttentionMaps, TokenAblation, rank_correlation
from galam_explorer.evaluate.figures.attention import QUANTITIES, choose_map
from galam_explorer.records import Galaxy

__all__ = ["attention_code", "heading_html", "map_html"]

_RHO = (
    "Spearman's rank correlation between the mean attention weight of the 64 places and how much "
    "the prediction changes without each: attention explains the prediction only as far as it is "
    "near 1"
)


def heading_html(
    maps: AttentionMaps, ablation: TokenAblation, galaxy: Galaxy | None, flag: str = ""
) -> str:
    """Id, a flag, and how far attention and ablation agree."""
    parts = [f"<h2>{escape(galaxy.id) if galaxy is not None else ''}</h2>", flag]
    known = [
        f"{text} <b>{value:+.2f}</b>"
        for value, text in zip(ablation.correlation, QUANTITIES.values(), strict=True)
        if np.isfinite(value)
    ]
    if known:
        parts.append(
            f'<span><abbr title="{escape(_RHO)}">weight ~ effect</abbr>: {", ".join(known)}</span>'
        )
    return (
        f'<div class="g oneline" data-view="attention" data-galaxy="{escape(maps.id)}">'
        f"{''.join(parts)}</div>"
    )


def _which(head: int | None, query: int | None) -> str:
    if head is None and query is None:
        return "mean of heads and feature groups"
    first = "mean of heads" if head is None else f"head {head + 1}"
    second = "mean of feature groups" if query is None else f"feature group {query + 1}"
    return f"{first}, {second}"


def map_html(
    maps: AttentionMaps,
    ablation: TokenAblation,
    target: str,
    head: int | None,
    query: int | None,
) -> dict[str, str]:
    """Captions of the four pictures."""
    heads, queries = maps.weights.shape[:2]
    weights = choose_map(maps, head, query)
    column = list(QUANTITIES).index(target)
    change = ablation.change[..., column]
    top = float(np.abs(np.nan_to_num(change)).max())
    rho = rank_correlation(weights, ablation.change)[column]
    agree = "" if np.isnan(rho) else f"ρ = {rho:+.2f}"
    quantity, which = QUANTITIES[target], _which(head, query)
    most, even = f"{weights.max():.3f}", f"{1 / weights.size:.3f}"
    texts = {
        "map": ("Attention", f"{which}; peak {most}, uniform {even}",
                "the largest weight, and what every place would have if all were alike"),
        "ablation": ("Without each place", f"orange raises, blue lowers {quantity} ≤ {top:.4f} dex",
                     "change of the prediction when this place alone is taken away"),
        "mosaic": ("All maps: click one",
                   f"{heads} heads ↓, {queries} feature groups →; own scales",
                   "groups of neighbouring features; each map is scaled to its largest weight"),
        "trade": ("Weight and effect", f"{which}; {agree}", "a point for each of the places"),
    }  # fmt: skip
    return {name: _caption(*words) for name, words in texts.items()}


def _caption(title: str, text: str, more: str) -> str:
    """One line, however narrow the picture is; all of it under the pointer."""
    said = escape(f"{title}: {text} ({more})")
    return (
        f'<div class="g" title="{said}" style="font-size:12px;white-space:nowrap;overflow:hidden;'
        f'text-overflow:ellipsis"><b>{escape(title)}</b> <span class="soft">{escape(text)}</span>'
        "</div>"
    )


def attention_code(
    source: str,
    galaxy_id: str,
    model: str,
    predictor: str,
    target: str,
    head: int | None,
    query: int | None,
) -> str:
    """Attention over the cutout, the ablation beside it, and their relation."""
    return (
        "import holoviews as hv\n"
        "from galam_explorer.evaluate.explain import ablate_tokens, attention_maps\n"
        "from galam_explorer.evaluate.figures.attention import (\n"
        "    ablation_figure,\n    attention_figure,\n    trade_figure,\n)\n"
        "from galam_explorer.evaluate.figures.attention_mosaic import mosaic_figure\n"
        "from galam_explorer.evaluate.predict import load_model\n"
        "from galam_explorer.survey import load_survey\n\n"
        'hv.extension("bokeh")\n'
        f"galaxy = load_survey({source!r})[{galaxy_id!r}]\n"
        f"model = load_model({model!r})\n"
        f"maps = attention_maps(model, galaxy, {predictor!r})\n"
        f"ablation = ablate_tokens(model, galaxy, {predictor!r})\n"
        "print(maps.note, ablation.correlation)\n"
        "figure = hv.Layout(\n    [\n"
        f"        attention_figure(maps, {head}, {query}, ablation),\n"
        f"        ablation_figure(maps, ablation, {target!r}),\n"
        f"        mosaic_figure(maps, {head}, {query}),\n"
        f"        trade_figure(maps, ablation, {target!r}, {head}, {query}),\n"
        "    ]\n).cols(2).opts(shared_axes=False)\nfigure\n"
    )

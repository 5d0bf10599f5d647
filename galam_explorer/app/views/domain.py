"""Whether a galaxy is like those of the training, in words that stand before any number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from galam_explorer.app.predicting import known_judgement
from galam_explorer.app.views.base import escape
from galam_explorer.evaluate.figures.predictions import domain_warning
from galam_explorer.records import Galaxy, Prediction

__all__ = ["domain_badge", "domain_state", "known_badge"]


def domain_badge(predictions: Mapping[str, Prediction]) -> str:
    """Markup of the flag, the whole warning on hover; empty inside the domain."""
    warning = domain_warning(predictions)
    if not warning:
        return ""
    return f'<span class="badge bad" title="{escape(warning)}">outside the training domain</span>'


def domain_state(predictions: Mapping[str, Prediction]) -> str:
    """``outside``, ``inside``, ``unknown`` (no network could use it) or ``none`` (no model)."""
    if not predictions:
        return "none"
    if domain_warning(predictions):
        return "outside"
    return "inside" if any(one.status == "ok" for one in predictions.values()) else "unknown"


def known_badge(state: Any, galaxy: Galaxy | None) -> str:
    """The flag of a galaxy, if its predictions have been worked out."""
    if galaxy is None or state.data is None:
        return ""
    found = known_judgement(state.data, galaxy.id, state.model)
    return "" if found is None else domain_badge(found.predictions)

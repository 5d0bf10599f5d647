"""Where the parts of the fit view are on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import panel as pn

from galam_explorer.app.views.base import bar, escape, html_pane

__all__ = ["COVERS", "arrange_fit", "cover"]

COVERS = ("card", "no_curve", "no_draws")
"""What lies over all pictures, over the curves, and over the noise draws."""


def cover() -> Any:
    """A pane that lies over a figure and lets the pointer through."""
    return html_pane(styles=_COVER, sizing_mode="stretch_both")


def arrange_fit(
    panes: Mapping[str, Any],
    covers: Mapping[str, Any],
    facts: Any,
    top: Sequence[Any],
    controls: Sequence[Any],
) -> pn.Column:
    """Controls, facts, curves, and below them weights and draws.

    Parameters
    ----------
    panes : mapping of str to pane
        ``spectrum``, ``residual``, ``weights``, ``draws``.
    covers : mapping of str to pane
        By the names of `COVERS`.
    facts : pane
    top, controls : sequence of viewable
        The title row, and what is below it.
    """
    curves = pn.Column(
        pn.Column(panes["spectrum"], sizing_mode="stretch_both", styles=_TALL),
        pn.Column(panes["residual"], sizing_mode="stretch_width", styles=_LOW),
        covers["no_curve"],
        sizing_mode="stretch_both",
        styles={**_SHRINK, "position": "relative"},
    )
    draws = pn.Column(
        panes["draws"], covers["no_draws"], sizing_mode="stretch_both",
        styles={**_SHRINK, "position": "relative"},
    )  # fmt: skip
    grids = pn.Row(
        _titled("Weights of the templates, % of the light", panes["weights"]),
        _titled("Noise draws, 68 % and 95 % ellipse", draws),
        sizing_mode="stretch_width", styles=_GRIDS,
    )  # fmt: skip
    pictures = pn.Column(
        facts, curves, grids, covers["card"], sizing_mode="stretch_both",
        styles={**_SHRINK, "position": "relative", "padding-top": "6px"},
    )  # fmt: skip
    return pn.Column(
        bar(*top), *controls, pictures, sizing_mode="stretch_both",
        styles={**_SHRINK, "padding": "10px 14px 8px"},
    )  # fmt: skip


def _titled(title: str, content: Any) -> pn.Column:
    head = html_pane(
        f'<div class="g" style="font-size:12px;font-weight:600">{escape(title)}</div>',
        styles={"flex": "0 0 auto"},
    )
    return pn.Column(head, content, sizing_mode="stretch_both", styles=_SHRINK)


_COVER = {"position": "absolute", "inset": "0", "z-index": "4", "pointer-events": "none"}
_SHRINK = {"min-width": "0", "min-height": "0"}
_TALL = {"min-width": "0", "min-height": "110px"}
_LOW = {"min-width": "0", "flex": "0 0 auto", "height": "clamp(104px, 14vh, 126px)"}
_GRIDS = {"gap": "14px", **_SHRINK, "flex": "0 0 auto", "height": "clamp(196px, 28vh, 290px)"}

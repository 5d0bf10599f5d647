"""Where the parts of the population view are on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import panel as pn

from galam_explorer.app.views.base import bar

__all__ = ["COVER", "arrange_population", "share_of_row"]

_SHRINK = {"min-height": "0", "min-width": "0"}
_WRAP = {"flex-wrap": "wrap", "row-gap": "6px", "min-width": "0"}
COVER = {"position": "absolute", "inset": "0", "z-index": "4", "padding": "14px",
          "box-sizing": "border-box", "background": "var(--paper)"}  # fmt: skip


def share_of_row(width: int) -> dict[str, Any]:
    """A select of about this many px that takes its share of the row."""
    styles = {"flex": f"{width} 1 0", "min-width": "0", "max-width": f"{1.8 * width:.0f}px"}
    small = {
        "fontSize": "12px",
        "paddingLeft": "10px !important",
        "paddingRight": "24px !important",
    }
    narrow = {"& .MuiInputBase-input": {"@media (max-width: 1300px)": small}}
    return {"sizing_mode": "stretch_width", "styles": styles, "sx": narrow}


def arrange_population(
    panes: Mapping[str, Any],
    choices: Sequence[Any],
    facts: Any,
    buttons: Sequence[Any],
    said: Sequence[Any],
    cover: Any,
) -> pn.Column:
    """Choices, numbers and buttons in rows, and below them four figures.

    Parameters
    ----------
    panes : mapping of str to pane
        ``upper left`` and so on.
    choices, buttons : sequence of viewable
        Two rows, with `facts` between them.
    facts : pane
    said : sequence of viewable
        What stands above the figures.
    cover : pane
        Lies over everything while there is nothing to see.
    """
    grid = [
        pn.Column(
            panes[f"upper {side}"], panes[f"lower {side}"], sizing_mode="stretch_both",
            styles=_SHRINK,
        )
        for side in ("left", "right")
    ]  # fmt: skip
    return pn.Column(
        bar(*choices),
        facts,
        bar(*buttons, styles=_WRAP),
        *said,
        pn.Row(*grid, sizing_mode="stretch_both", styles={**_SHRINK, "gap": "12px"}),
        cover,
        sizing_mode="stretch_both",
        styles={"padding": "10px 14px 8px", "position": "relative", **_SHRINK},
    )

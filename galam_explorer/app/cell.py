"""Our look in a cell of a notebook, where there is no page of ours to give it."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.theme import THEME
from galam_explorer.app.views.base import bar

__all__ = ["in_cell", "top_bar"]

_WHITE = "#ffffff"
_BLUE = "#15324f"
_ON_BLUE: dict[str, Any] = {
    "palette": {
        "default": {"main": _WHITE},
        "primary": {"main": _WHITE, "contrastText": _BLUE},
        "light": {"main": _WHITE},
        "background": {"default": _BLUE, "paper": _BLUE},
        "text": {"primary": _WHITE, "secondary": "#c9d6e4"},
        "action": {"active": _WHITE},
    }
}


def in_cell(layout: pn.viewable.Viewable) -> pmui.Column:
    """The layout with the colours and fonts that a page of ours gives its components."""
    return pmui.Column(layout, theme_config=THEME, sizing_mode="stretch_width", margin=0)


def top_bar(items: list[Any]) -> pmui.Column:
    """The dashboard's top bar as the first line of a cell."""
    row = bar(*items, styles=_BAR)
    theme = {"light": _ON_BLUE, "dark": _ON_BLUE}
    return pmui.Column(row, theme_config=theme, sizing_mode="stretch_width", margin=0)


_BAR = {
    "padding": "0 14px", "height": "52px", "color": _WHITE, "background": _BLUE,
    "border-radius": "8px 8px 0 0",
}  # fmt: skip

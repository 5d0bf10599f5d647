"""Our look in a cell of a notebook, where there is no page of ours to give it."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel_material_ui.base import MaterialComponent

from galam_explorer.app.theme import THEME
from galam_explorer.app.views.base import bar

__all__ = ["in_cell", "paint", "top_bar"]

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
    return pmui.Column(layout, theme_config=THEME["light"], sizing_mode="stretch_width", margin=0)


def paint(cell: pmui.Column, dark: bool) -> None:
    """Give a cell's components one theme: left to the page, some take one, some the other."""
    theme = "dark" if dark else "default"
    if pn.config.theme != theme:
        pn.config.theme = theme
    cell.theme_config = THEME["dark" if dark else "light"]
    for one in cell.select(MaterialComponent):
        one.dark_theme = dark


def top_bar(items: list[Any]) -> pmui.Column:
    """The dashboard's top bar as the first line of a cell."""
    row = bar(*items, styles=_BAR)
    return pmui.Column(row, theme_config=_ON_BLUE, sizing_mode="stretch_width", margin=0)


_BAR = {
    "padding": "0 14px", "height": "52px", "color": _WHITE, "background": _BLUE,
    "border-radius": "8px 8px 0 0",
}  # fmt: skip

"""The row of controls above the sky map, and what it says below."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

from galam_explorer.app.colours import SkyColours, colour_groups
from galam_explorer.app.views.base import bar, escape, html_pane, icon_button
from galam_explorer.evaluate.figures.graticule import SkyView

__all__ = ["SkyControls", "caption_text"]


class SkyControls:
    """Colour, centre, zoom, and a progress bar; they set the state, and follow it.

    Parameters
    ----------
    state : ExplorerState
    menu : pmui.MenuButton
        The view's.
    """

    def __init__(self, state: Any, menu: pmui.MenuButton) -> None:
        self._state = state
        self._colour = pmui.Select(
            label="Colour by", groups=self._groups(), value=state.color_by, size="small",
            margin=0, variant="outlined", sizing_mode="stretch_width", max_width=250,
            styles={"min-width": "84px"},
        )  # fmt: skip
        self._colour.param.watch(self._chosen, "value")
        self._zoom = pmui.RadioButtonGroup(
            options=["All sky", "Zoom"], value="All sky", size="small", margin=0,
            color="primary", variant="outlined",
        )  # fmt: skip
        self._zoom.param.watch(lambda e: state.param.update(zoomed=e.new == "Zoom"), "value")
        self._turn = pmui.Select(
            label="Centre RA", options={f"{r}°": float(r) for r in range(0, 360, 60)},
            value=state.centre, size="small", width=84, margin=0, variant="outlined",
        )  # fmt: skip
        self._turn.param.watch(lambda e: state.param.update(centre=e.new), "value")
        self._clear = icon_button(
            "filter_alt_off", "Clear the chosen set", lambda _e: state.clear_cohort(),
            visible=bool(state.cohort),
        )  # fmt: skip
        self.bar = bar(
            self._colour, self._turn, self._zoom, self._clear, menu,
            styles={"padding": "8px 6px 0 12px"},
        )  # fmt: skip
        self.progress = pmui.LinearProgress(
            variant="indeterminate", visible=False, margin=0, sizing_mode="stretch_width"
        )
        self.caption = html_pane(margin=(0, 8))

    def _groups(self) -> dict[str, dict[str, str]]:
        state = self._state
        if state.data is None:
            return {"Catalogue": {"z": "z"}}
        return colour_groups(state.data, state.model_id, state.model, state.color_by)

    def _chosen(self, event: Any) -> None:
        if event.new:
            self._state.color_by = event.new

    def offer(self) -> None:
        """Choices that have come or gone, and the chosen one."""
        groups = self._groups()
        if groups != self._colour.groups:
            self._colour.groups = groups
        self._colour.value = self._state.color_by

    def follow(self, view: SkyView, colours: SkyColours) -> None:
        """Show what the state says."""
        self._zoom.value = "Zoom" if view.kind == "tangent" else "All sky"
        self._clear.visible = bool(self._state.cohort)
        share = int(100 * colours.done / colours.total) if colours.total else 0
        self.progress.param.update(
            visible=colours.waiting, value=share,
            variant="determinate" if share else "indeterminate",
        )  # fmt: skip
        self.caption.object = (
            '<div class="g soft" data-view="sky" style="font-size:12px;padding:2px 4px 4px">'
            f"{escape(caption_text(self._state, view, colours.note()))}</div>"
        )


def caption_text(state: Any, view: SkyView, note: str = "") -> str:
    """How many galaxies there are, where the chosen one is, and what the colours lack."""
    data, row = state.data, state.row
    if data is None:
        return ""
    located, total = int(data.located.sum()), len(data)
    some = f"{located:,} of {total:,} galaxies have a position"
    parts = [note] if note else [some]
    if note and located < total:
        parts.append(some)
    if row is not None and data.located[row]:
        parts.append(f"chosen: {data.ra[row]:.4f}° {data.dec[row]:+.4f}°")
    elif row is not None:
        parts.append("the chosen galaxy has no position")
    if view.kind == "tangent":
        parts.append(f"field {2 * view.radius:g}° high")
    if state.cohort:
        parts.append(f"set of {len(state.cohort):,}")
    return " · ".join(parts)

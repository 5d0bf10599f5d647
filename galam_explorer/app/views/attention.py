"""View 6: where M4 looks, and what happens when it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap

from galam_explorer.app.background import compute
from galam_explorer.app.live import DRAWING
from galam_explorer.app.views.attention_text import attention_code, heading_html, map_html
from galam_explorer.app.views.base import View, bar, empty_card, html_pane
from galam_explorer.app.views.domain import known_badge
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.explain import (
    AttentionMaps,
    TokenAblation,
    ablate_tokens,
    attention_maps,
)
from galam_explorer.evaluate.figures import attention as fig
from galam_explorer.evaluate.figures.attention_mosaic import (
    mosaic_cell,
    mosaic_figure,
    mosaic_sources,
)
from galam_explorer.records import Galaxy

__all__ = ["AttentionView"]


@dataclass(frozen=True, eq=False)
class _Found:
    maps: AttentionMaps
    ablation: TokenAblation


def _blank() -> _Found:
    image = np.zeros((128, 128, 3), np.uint8)
    weights = np.full((1, 1, 8, 8), 1 / 64, np.float32)
    maps = AttentionMaps("", "m4", weights, image, image, (0, 128, 0, 128))
    change, unknown = np.zeros((8, 8, 2)), np.full(2, np.nan)
    return _Found(maps, TokenAblation("", "m4", change, unknown, weights))


class AttentionView(View):
    """Maps to pick from, the chosen one over the cutout, and the ablation beside it."""

    title = "Attention"
    slug = "attention"
    columns = 2

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._galaxy: Galaxy | None = None
        self.found = _blank()
        self.head: int | None = None
        self.query: int | None = None
        self._predictor = pmui.RadioButtonGroup(
            options={"M4": "m4", "M4 real": "m4_real"}, value="m4", size="small", margin=0,
            color="primary", variant="outlined",
        )  # fmt: skip
        self._target = pmui.RadioButtonGroup(
            options={text: key for key, text in fig.QUANTITIES.items()}, value="log_age",
            size="small", margin=0, color="primary", variant="outlined",
        )  # fmt: skip
        self._mean = pmui.Button(
            label="Mean of all", size="small", variant="outlined", margin=0,
            on_click=lambda _e: self.choose(None, None),
        )  # fmt: skip
        self._figures = {name: self.live(name, self._connect) for name in _NAMES}
        self._head = html_pane(styles={"min-width": "0"})
        self._captions = {name: html_pane(styles={"flex": "0 0 auto"}) for name in _NAMES}
        self._card = html_pane(styles=_COVER, sizing_mode="stretch_both")
        self._predictor.param.watch(lambda _e: self.show(self._galaxy), "value")
        self._target.param.watch(lambda _e: self._display(), "value")
        self._layout = self._arrange()

    def _arrange(self) -> pn.Column:
        cells = {name: self._cell(name) for name in _NAMES}
        upper = pn.Row(
            cells["map"], cells["ablation"], sizing_mode="stretch_both",
            styles={"gap": "12px", **_SHRINK},
        )  # fmt: skip
        lower = pn.Row(
            cells["mosaic"], cells["trade"], sizing_mode="stretch_width",
            styles={"gap": "12px", **_SHRINK, "flex": "0 0 auto",
                    "height": "clamp(210px, 34vh, 330px)"},
        )  # fmt: skip
        body = pn.Column(
            upper, lower, self._card, sizing_mode="stretch_both",
            styles={**_SHRINK, "position": "relative", "padding-top": "6px"},
        )  # fmt: skip
        top = bar(self._head, self._predictor, self._target, self._mean, self.menu())
        return pn.Column(
            top, body, sizing_mode="stretch_both", styles={**_SHRINK, "padding": "10px 14px 8px"}
        )

    def _cell(self, name: str) -> pn.Column:
        return pn.Column(
            self._captions[name], self._figures[name].pane, sizing_mode="stretch_both",
            styles=_SHRINK,
        )  # fmt: skip

    # -- content -------------------------------------------------------------------

    def show(self, galaxy: Galaxy | None) -> None:
        self._galaxy = galaxy
        model = self.state.model
        if galaxy is None or model is None:
            self._refuse(GalamError("no galaxy is chosen"))
            return
        predictor = self._predictor.value

        def work() -> _Found:
            maps = attention_maps(model, galaxy, predictor)
            return _Found(maps, ablate_tokens(model, galaxy, predictor))

        compute(self.state, "attention", work, self._came, self._refuse)

    def _came(self, found: _Found) -> None:
        if self._galaxy is None or found.maps.id != self._galaxy.id:
            return
        if found.maps.weights.shape != self.found.maps.weights.shape:
            self.head = self.query = None
        self.found = found
        self._card.object = ""
        if found.maps.note:
            self._card.object = empty_card("Nothing to see in the weights", found.maps.note)
        self._display()

    def _refuse(self, error: GalamError) -> None:
        self.found = _blank()
        self._display()
        self._card.object = empty_card("No attention to show", error.what)

    def choose(self, head: int | None, query: int | None) -> None:
        """Show one head's map for one group of features; None for means."""
        self.head, self.query = head, query
        self._display()

    def _connect(self, figure: Any) -> None:
        if figure.name == "attention-mosaic":
            figure.on_event(Tap, self._tap)

    def _tap(self, event: Tap) -> None:
        if event.x is None:
            return
        cell = mosaic_cell(self.found.maps, event.x, event.y)
        if cell is not None:
            self.choose(*cell)

    @classmethod
    def blanks(cls, dark: bool) -> dict[str, Callable[[], hv.Overlay]]:
        found, target = _blank(), "log_age"
        maps, ablation = found.maps, found.ablation
        return {
            "map": lambda: fig.attention_figure(maps, None, None, ablation),
            "ablation": lambda: fig.ablation_figure(maps, ablation, target),
            "mosaic": lambda: mosaic_figure(maps, None, None, dark=dark),
            "trade": lambda: fig.trade_figure(maps, ablation, target, None, None, dark=dark),
        }

    def _draw(self, name: str) -> hv.Overlay:
        maps, ablation, dark = self.found.maps, self.found.ablation, self.state.dark
        target = self._target.value
        with DRAWING:
            if name == "map":
                return fig.attention_figure(maps, self.head, self.query, ablation)
            if name == "ablation":
                return fig.ablation_figure(maps, ablation, target)
            if name == "mosaic":
                return mosaic_figure(maps, self.head, self.query, dark=dark)
            return fig.trade_figure(maps, ablation, target, self.head, self.query, dark=dark)

    def _display(self) -> None:
        maps, ablation, target = self.found.maps, self.found.ablation, self._target.value
        chosen = (self.head, self.query)
        figures = self._figures
        figures["map"].update(*fig.attention_sources(maps, *chosen, ablation))
        figures["ablation"].update(*fig.ablation_sources(maps, ablation, target))
        figures["mosaic"].update(*mosaic_sources(maps, *chosen))
        figures["trade"].update(*fig.trade_sources(maps, ablation, target, *chosen))
        flag = known_badge(self.state, self._galaxy)
        self._head.object = heading_html(maps, ablation, self._galaxy, flag)
        for name, text in map_html(maps, ablation, target, *chosen).items():
            self._captions[name].object = text

    def recolour(self) -> None:
        for name, live in self._figures.items():
            live.redraw(self._draw(name))

    # -- export --------------------------------------------------------------------

    def figure_names(self) -> list[str]:
        return [live.name for live in self._figures.values()]

    def element(self) -> hv.Layout:
        with DRAWING:
            return hv.Layout([self._draw(name) for name in _NAMES]).cols(2).opts(shared_axes=False)

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        maps, ablation = self.found.maps, self.found.ablation
        if not maps.id:
            raise GalamError("there is no attention to export", self.state.galaxy_id)
        heads, queries, side, _ = maps.weights.shape
        head, query, row, column = np.indices(maps.weights.shape).reshape(4, -1)
        change = np.broadcast_to(ablation.change, (heads, queries, side, side, 2)).reshape(-1, 2)
        frame = pd.DataFrame(
            {
                "head": head, "group": query, "row": row, "column": column,
                "weight": maps.weights.ravel(), "change_log_age": change[:, 0],
                "change_m_h": change[:, 1],
            }
        )  # fmt: skip
        return frame, {
            "group": ("", "Group of 1024 / groups neighbouring spectral features"),
            "row": ("", "Row of the token, from the top of the network's input"),
            "weight": ("", "Attention weight; sums to 1 over rows and columns"),
            "change_log_age": ("dex", "Change of log age when the token is removed"),
            "change_m_h": ("dex", "Change of [M/H] when the token is removed"),
        }

    def code(self) -> str:
        state = self.state
        return attention_code(
            state.data.source, state.galaxy_id, state.model_source, self._predictor.value,
            self._target.value, self.head, self.query,
        )  # fmt: skip


_NAMES = ("map", "ablation", "mosaic", "trade")
_COVER = {"position": "absolute", "inset": "0", "z-index": "4", "pointer-events": "none"}
_SHRINK = {"min-width": "0", "min-height": "0"}

"""View 2: the galaxy table, a page at a time, with thumbnails and filters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models.widgets.tables import NumberFormatter

from galam_explorer.app.code import table_code
from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.views.base import View, bar, html_pane
from galam_explorer.records import Galaxy

__all__ = ["GalaxyTable", "PlainDesign"]

_NONE = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 26 26'%3E"
    "%3Crect x='1' y='1' width='24' height='24' rx='4' fill='none' stroke='%23888' "
    "stroke-dasharray='3'/%3E%3C/svg%3E"
)
"""Where there is no image: an empty frame."""
_THUMB = 18
"""Side of a thumbnail on the page, px."""
_NUMBERS = ("z", "sn_r", "petro_mag_r", "true_log_age", "true_m_h", "ra", "dec")


class PlainDesign(pn.theme.Design):
    """No design: Panel 1.9's table waits in a busy loop for the design's style sheet."""


class _PagedTable(pn.widgets.Tabulator):
    """A Tabulator whose ``image`` column is made for the rows of one page only."""

    def __init__(self, value: pd.DataFrame, thumbnail: Any, **params: Any) -> None:
        self._thumbnail = thumbnail
        super().__init__(value, **params)

    def _get_data(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        frame, page = super()._get_data()
        if "image" in page:
            page["image"] = np.array([self._thumbnail(str(one)) or _NONE for one in page["id"]])
        # An array is sent as two messages of its own, a list is part of one.
        return frame, {name: np.asarray(values).tolist() for name, values in page.items()}

    def ordered(self) -> pd.DataFrame:
        """All rows that pass the filters, in the order shown."""
        return self._sort_df(self._filter_dataframe(self.value))


class GalaxyTable(View):
    """Every galaxy, or the chosen set."""

    title = "Galaxy table"
    slug = "table"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        self._full = self._frame()
        self._widget = _PagedTable(
            self._full,
            thumbnail=lambda one: state.data.thumbnail(one, _THUMB),
            pagination="remote",
            page_size=8,
            show_index=False,
            disabled=True,
            selectable=1,
            layout="fit_data_fill",
            theme="simple",
            titles=self._titles(),
            header_filters=self._filters(),
            formatters=self._formatters(),
            editors=dict.fromkeys(self._full.columns, None),
            widths={"image": 46, "id": 116},
            # Else each row, and each picture that has come, is measured.
            configuration={"rowHeight": 30},
            header_tooltips=self._tooltips(),
            text_align={"image": "center"},
            sortable={name: name != "image" for name in self._full.columns},
            sizing_mode="stretch_both",
            margin=0,
            design=PlainDesign,
            stylesheets=[_CSS],
        )
        self._widget.on_click(self._clicked)
        for name in ("sorters", "filters"):
            self._widget.param.watch(self._reordered, name)
        self._only = pmui.Switch(
            label="chosen set only", value=True, size="small", margin=0, visible=False
        )
        self._only.param.watch(self._on_cohort, "value")
        self._title = html_pane(sizing_mode="stretch_width")
        top = bar(self._title, self._only, self.menu(), styles={"padding": "2px 10px 0 12px"})
        self._layout = pn.Column(top, self._widget, sizing_mode="stretch_both")
        self.watch(self._on_cohort, "cohort")
        self._entitle()

    # -- content -------------------------------------------------------------------

    def _frame(self) -> pd.DataFrame:
        data = self.state.data
        if data is None:
            return pd.DataFrame({"image": [], "id": []})
        catalog = data.catalog
        frame = pd.DataFrame({"image": "", "id": catalog["id"].astype(object)})
        for name in _NUMBERS:
            if name in catalog and catalog[name].notna().any():
                digits = COLUMNS[name].digits
                frame[name] = catalog[name].astype(float).round(min(digits, 4))
        frame["data"] = data.values("content")[0]
        for index, statuses in enumerate(data.statuses.values()):
            frame["status" if index == 0 else f"status {index + 1}"] = statuses
        return frame

    def _formatters(self) -> dict[str, Any]:
        """A column has as many digits in every row."""
        found: dict[str, Any] = {"image": {"type": "image", "height": "26px", "width": "26px"}}
        for name in _NUMBERS:
            if name in self._full:
                digits = min(COLUMNS[name].digits, 4)
                found[name] = NumberFormatter(
                    format="0." + "0" * digits, nan_format="-", text_align="right"
                )
        return found

    def _titles(self) -> dict[str, str]:
        titles = {name: COLUMNS[name].title for name in _NUMBERS if name in self._full}
        return titles | {"image": "", "id": "id", "data": "has"}

    def _tooltips(self) -> dict[str, str]:
        return {name: COLUMNS[name].definition for name in _NUMBERS if name in self._full}

    def _filters(self) -> dict[str, Any]:
        filters: dict[str, Any] = {
            "id": {"type": "input", "func": "like", "placeholder": "contains…"},
            "data": {"type": "input", "func": "like", "placeholder": "contains…"},
        }
        for name in _NUMBERS:
            if name in self._full:
                filters[name] = {"type": "number", "func": ">=", "placeholder": "≥"}
        for name in self._full:
            if name.startswith("status"):
                filters[name] = {"type": "input", "func": "like", "placeholder": "contains…"}
        return filters

    def _entitle(self) -> None:
        count, total = len(self._widget.ordered()), len(self._full)
        text = f"{count:,} galaxies" if count == total else f"{count:,} of {total:,} galaxies"
        self._title.object = (
            '<div class="g"><h2 style="white-space:nowrap;overflow:hidden;text-overflow:ellipsis">'
            f'Table <span class="soft">{text}</span></h2></div>'
        )

    # -- selection -------------------------------------------------------------------

    def show(self, galaxy: Galaxy | None) -> None:
        row, value = self.state.row, self._widget.value
        if row is None or row not in value.index:
            self._widget.selection = []
            return
        place = np.flatnonzero(self.state.order == row)
        position = int(value.index.get_loc(row))
        if len(place):
            page = int(place[0]) // self._widget.page_size + 1
            if page != self._widget.page:
                self._widget.page = page
        if self._widget.selection != [position]:
            self._widget.selection = [position]

    def beside(self, galaxy_id: str) -> list[str]:
        """Ids on the page of the table that a galaxy is on; empty if none is."""
        order, data = self.state.order, self.state.data
        place = np.flatnonzero(order == data.survey.row(galaxy_id))
        if not len(place):
            return []
        size = self._widget.page_size
        first = int(place[0]) // size * size
        return [str(data.ids[row]) for row in order[first : first + size]]

    def prepare(self, galaxy_ids: Iterable[str]) -> None:
        """Make the thumbnails of galaxies; for background work."""
        for one in galaxy_ids:
            self.state.data.thumbnail(one, _THUMB)

    def reveal(self) -> None:
        """Say page and selection again: a table that is being built forgets its page."""
        page, selection = self._widget.page, list(self._widget.selection)
        if page != 1:
            self._widget.page = 1
            self._widget.page = page
        self._widget.selection = []
        self._widget.selection = selection

    def _clicked(self, event: Any) -> None:
        if 0 <= event.row < len(self._widget.value):
            self.state.select(str(self._widget.value["id"].iat[event.row]))

    def _reordered(self, *_events: Any) -> None:
        ordered = self._widget.ordered()
        self.state.set_order(ordered.index.to_numpy())
        self._entitle()

    def _on_cohort(self, *_events: Any) -> None:
        chosen = bool(self.state.cohort)
        self._only.visible = chosen
        if chosen and self._only.value:
            frame = self._full[self._full["id"].isin(set(self.state.cohort))]
        else:
            frame = self._full
        self._widget.param.update(selection=[], page=1)
        self._widget.value = frame
        self._reordered()
        self.show(None)

    # -- export ----------------------------------------------------------------------

    def file_stem(self) -> str:
        return f"table-{self.state.survey_id}"

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        rows = self._widget.ordered().index
        frame = self.state.data.catalog.loc[rows]
        units = {"ra": "deg", "dec": "deg", "petro_mag_r": "mag", "petro_r90_r": "arcsec"}
        about = {n: (units.get(n, ""), c.definition) for n, c in COLUMNS.items()}
        return frame, about

    def code(self) -> str:
        ordered = self._widget.ordered()
        ids = None if len(ordered) == len(self._full) else ordered["id"].tolist()
        return table_code(self.state.data.source, ids)


_CSS = """
:host .tabulator { font-size: 12px; border: none; background: var(--paper); color: var(--ink); }
:host .tabulator .tabulator-header, :host .tabulator .tabulator-header .tabulator-col,
:host .tabulator .tabulator-footer { background: var(--paper); color: var(--ink);
  border-color: var(--line); }
:host .tabulator .tabulator-header { border-bottom: 1px solid var(--line); }
:host .tabulator .tabulator-tableholder, :host .tabulator .tabulator-table {
  background: var(--paper); color: var(--ink); }
:host .tabulator-row, :host .tabulator-row.tabulator-row-even { min-height: 30px;
  cursor: pointer; background: var(--paper); color: var(--ink);
  border-bottom: 1px solid var(--line); }
:host .tabulator-row.tabulator-selectable:hover { background: var(--ground); color: var(--ink); }
:host .tabulator-row.tabulator-selected, :host .tabulator-row.tabulator-selected:hover {
  background: color-mix(in srgb, var(--accent) 24%, var(--paper)); color: var(--ink);
  box-shadow: inset 3px 0 0 var(--accent); }
:host .tabulator-row .tabulator-cell { padding: 2px 8px; height: 30px !important;
  line-height: 26px; font-variant-numeric: tabular-nums; border-color: transparent; }
:host .tabulator-cell img { border-radius: 4px; display: block; }
:host .tabulator-header-filter input { font-size: 11px; padding: 2px 4px !important;
  min-width: 0; background: var(--ground); color: var(--ink); border: 1px solid var(--line);
  border-radius: 4px; }
:host .tabulator-header-filter input::placeholder { color: var(--soft); opacity: 1; }
:host .tabulator-footer .tabulator-page, :host .tabulator-footer .tabulator-page:disabled {
  background: var(--paper); color: var(--ink); border: 1px solid var(--line);
  border-radius: 5px; }
:host .tabulator-footer .tabulator-page:disabled { color: var(--soft); }
:host .tabulator-footer .tabulator-page.active { background: var(--accent);
  color: var(--paper) !important; }
"""

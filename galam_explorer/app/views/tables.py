"""View 8: the paper's Tables 1, A.1 and A.2 with ours beside them, and our own."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.export import plain_name
from galam_explorer.app.views.base import View, bar, escape, html_pane
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy

__all__ = ["TablesView", "table_html"]

_PAPER = {"Table 1: models": "1", "Table A.1: resolution": "A.1", "Table A.2: bands": "A.2"}
_OURS = {"All models": "models", "Differences": "differences", "Simulated features": "features"}
_REFERENCES = {"pPXF-style label": "label", "simulated truth": "truth"}
_NAMES = {"log_age": "age", "m_h": "[M/H]"}


def table_html(frame: pd.DataFrame) -> str:
    """A table as markup; floats with four decimals.

    Columns of age and of [M/H] come below each other, as tables of their own: side by side
    they are wider than the page.
    """
    parts = {word: [n for n in frame if n.startswith(f"{word} ")] for word in _NAMES.values()}
    if not all(parts.values()):
        return _STYLE + _one_table(frame)
    first = [name for name in frame if not any(name in names for names in parts.values())]
    made = []
    for word, names in parts.items():
        titles = {"row": word, **{name: name.removeprefix(f"{word} ") for name in names}}
        made.append(_one_table(frame[[*first, *names]].rename(columns=titles)))
    return _STYLE + "".join(made)


def _one_table(frame: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in frame.columns)
    lines = []
    for row in frame.itertuples(index=False, name=None):
        cells = "".join(f"<td>{_text(value)}</td>" for value in row)
        # A line without a name goes with the one above.
        lines.append(f"<tr{' class=more' if row[0] == '' else ''}>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        # So that a column's points stand below each other; what is tiny keeps its digits.
        return f"{value:.4f}" if value == 0 or abs(value) >= 5e-4 else f"{value:.2g}"
    # Where a cell must be broken: before an interval, and inside the longest name.
    text = re.sub(r"(\[[^]]*\d\])", r"<span>\1</span>", escape(value))
    return text.replace("GalAMwith", "GalAM<wbr>with")


def _interval(one: dict[str, Any], name: str, sign: str = "") -> str:
    return (
        f"{one[name]:{sign}.4f} [{one[f'{name}_low']:{sign}.4f}, {one[f'{name}_high']:{sign}.4f}]"
    )


class TablesView(View):
    """What was measured of the chosen model, over its seeds, beside the paper."""

    title = "Tables"
    slug = "tables"

    def __init__(self, state: Any, bridge: Any = None) -> None:
        super().__init__(state, bridge)
        small = {"size": "small", "margin": 0}
        self._which = pmui.Select(
            label="Table", options=[*_PAPER, *_OURS], value=next(iter(_PAPER)), width=190, **small
        )
        self._against = pmui.Select(
            label="Against", options=_REFERENCES, value="label", width=160, **small
        )
        for widget in (self._which, self._against):
            widget.param.watch(lambda _e: self._draw(), "value")
        self._about = html_pane(styles={"flex": "0 0 auto", "padding": "4px 0"})
        self._table = html_pane(sizing_mode="stretch_both", styles={"overflow": "auto"})
        title = html_pane('<div class="g"><h2>Tables</h2></div>', width=60, sizing_mode=None)
        self._layout = pn.Column(
            bar(
                title,
                self._which,
                self._against,
                pn.Spacer(sizing_mode="stretch_width"),
                self.menu(),
            ),
            self._about,
            self._table,
            sizing_mode="stretch_both",
            styles={"padding": "10px 14px 8px", "min-height": "0"},
        )
        self._draw()

    def show(self, galaxy: Galaxy | None) -> None:
        """Tables do not depend on the galaxy, but on the model."""
        self._draw()

    def _evaluation(self) -> dict[str, Any] | None:
        from galam_explorer.evaluate.tables_saved import saved_evaluation

        model = self.state.model
        return None if model is None else saved_evaluation(model.info, model.path)

    def frame(self) -> pd.DataFrame:
        """The chosen table; empty where nothing was measured."""
        evaluation, which = self._evaluation(), self._which.value
        if which in _PAPER:
            from galam_explorer.evaluate.tables_saved import paper_beside

            model = self.state.model
            network = {"bands": "", "resolution": 0} if model is None else model.info["network"]
            return paper_beside(_PAPER[which], evaluation, network, self._against.value)
        records = (evaluation or {}).get(_OURS[which], [])
        if which == "Simulated features":
            return pd.DataFrame(records)
        chosen = [one for one in records if one["reference"] == self._against.value]
        make = _model_row if which == "All models" else _difference_row
        return pd.DataFrame([make(one) for one in chosen])

    def _draw(self) -> None:
        frame, evaluation = self.frame(), self._evaluation()
        if evaluation is None:
            text = (
                "The chosen model was not evaluated: <code>galam evaluate RUN</code> measures it "
                "and writes what this table shows."
            )
        else:
            seeds = max((one["seeds"] for one in evaluation["models"]), default=0)
            n = max((one["n"] for one in evaluation["models"]), default=0)
            text = (
                f"{n:,} test galaxies, {seeds} seeds; nothing is clipped unless it says so; "
                "intervals are paired bootstraps over galaxies and seeds, 95 %. The paper's "
                "galaxies are real, ours are simulated: compare the order of the models, not "
                "the levels."
            )
        if self._which.value == "Table 1: models":
            text += (
                " MMLforGalAM is M4; MMLforGalAMwithReal is M4 with the real features of the "
                "spectrum in place of M2's."
            )
        self._against.visible = self._which.value != "Simulated features"
        self._about.object = f'<div class="g soft" data-view="tables">{text}</div>'
        empty = '<div class="g">Nothing was measured.</div>'
        self._table.object = f'<div class="g">{table_html(frame)}</div>' if len(frame) else empty

    # -- export --------------------------------------------------------------------

    def table(self) -> tuple[pd.DataFrame, dict[str, tuple[str, str]]]:
        frame = self.frame()
        if not len(frame):
            raise GalamError("there is nothing in this table", "tables", "run galam evaluate")
        # Headings are for people; files of other programs want plain names.
        names = {str(one): plain_name(str(one)) for one in frame.columns}
        return frame.rename(columns=names), {new: ("", old) for old, new in names.items()}

    def file_stem(self) -> str:
        return f"table-{self._which.value.split(':')[0].replace(' ', '-').lower()}"

    def code(self) -> str:
        number = _PAPER.get(self._which.value)
        if number:
            network, against = "model.info['network']", self._against.value
            show = f"paper_beside({number!r}, evaluation, {network}, {against!r})"
        else:
            show = f"pd.DataFrame((evaluation or {{}}).get({_OURS[self._which.value]!r}, []))"
        return (
            "import pandas as pd\n"
            "from galam_explorer.evaluate.predict import load_model\n"
            "from galam_explorer.evaluate.tables_saved import paper_beside, saved_evaluation\n\n"
            f"model = load_model({self.state.model_source!r})\n"
            "evaluation = saved_evaluation(model.info, model.path)\n"
            f"table = {show}\ntable\n"
        )


def _model_row(one: dict[str, Any]) -> dict[str, Any]:
    from galam_explorer.evaluate.protocol import MODEL_NAMES

    return {
        "model": MODEL_NAMES.get(one["model"], one["model"]),
        "quantity": _NAMES[one["quantity"]],
        "RMSE, dex [95 %]": _interval(one, "rmse"),
        "SD over seeds": one["rmse_seed_sd"], "SD": one["sd"], "NMAD": one["nmad"],
        "bias": one["bias"], "R²": one["r2"], "SD, clipped": one["legacy_sd"],
    }  # fmt: skip


def _difference_row(one: dict[str, Any]) -> dict[str, Any]:
    from galam_explorer.evaluate.protocol import MODEL_NAMES

    low, high = 100 * one["relative_low"], 100 * one["relative_high"]
    span = f"[{one['low']:+.4f}, {one['high']:+.4f}]"
    return {
        "model": MODEL_NAMES.get(one["model"], one["model"]),
        "minus": MODEL_NAMES.get(one["other"], one["other"]),
        "quantity": _NAMES[one["quantity"]],
        "difference in RMSE, dex": f"{one['difference']:+.4f} {span}",
        "relative": f"{100 * one['relative']:+.1f} % [{low:+.1f}, {high:+.1f}]",
        "zero outside": "yes" if one["clear"] else "no",
    }


_STYLE = """<style>
table { border-collapse: separate; border-spacing: 0; font-size: 13px; margin-bottom: 14px;
  font-variant-numeric: tabular-nums }
th, td { padding: 4px 8px; text-align: right; vertical-align: top }
td { border-top: 1px solid var(--line) }
td:nth-child(2) { white-space: nowrap }
.more td { border-top: none; padding-top: 0 }
td span { white-space: nowrap }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; line-height: 1.2 }
th:first-child, td:first-child { text-align: left; padding-left: 2px }
th:first-child { color: var(--ink) }
@media (max-width: 1300px) { table { font-size: 12px } th, td { padding: 3px 5px } }
</style>"""

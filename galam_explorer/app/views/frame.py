"""The top bar, the status line, and the dialogs."""

from __future__ import annotations

import html
import math
from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.bridge import Bridge
from galam_explorer.app.state import ExplorerState
from galam_explorer.app.views.base import escape, html_pane, icon_button

__all__ = ["Dialogs", "StatusLine", "TopBar"]

_ON_DARK = {
    "& .MuiInputBase-root": {"color": "#ffffff"},
    "& .MuiInputBase-input::placeholder": {"color": "#c9d6e4", "opacity": 1},
    "& .MuiOutlinedInput-notchedOutline": {"borderColor": "#6d87a3"},
    "& .MuiSvgIcon-root": {"color": "#ffffff"},
}
"""Fields of the top bar, which is dark in both themes."""
_NO_MODEL = "no model"
_KINDS = {"simulated": "simulated", "sdss": "SDSS", "local": "your data"}
_HELP = """
<div class="g"><table class="keys">
<tr><td><kbd>j</kbd> <kbd>k</kbd></td><td>next and previous galaxy, in the table's order</td></tr>
<tr><td><kbd>space</kbd></td><td>blink the mask on and off</td></tr>
<tr><td><kbd>/</kbd></td><td>search: an id, part of one, a name (NGC 3073, IC 10, M 31), or a
position (146.714 −1.041, or 09:46:51.4 −01:02:28, or J094651.4−010228)</td></tr>
<tr><td><kbd>m</kbd> <kbd>n</kbd></td><td>mark the galaxy for review, and write a note on it;
the queue is saved at once and exports as a table</td></tr>
<tr><td><kbd>?</kbd></td><td>this help</td></tr></table>
<p><b>Choose</b> a galaxy by a click on the map or in the table; every view follows.
<b>Brush</b> a set with the box or the lasso of the map; the table shows it.</p>
<p><b>Which galaxies does the model get wrong, and why?</b> <i>Population</i> shows every residual;
<i>Take the worst</i> chooses the largest and says what sets those galaxies apart.</p>
<p><b>Honest numbers.</b> Hover over a dotted name for its definition. What a simulation put in is
marked as simulated truth and never as an observation. The error band of a spectrum is
ivar<sup>−½</sup>; shaded pixels carry no information or were flagged by SDSS.</p>
<p>The link in the address bar leads back to this galaxy, tab, survey and colour.
<b>Export</b> in each view saves the figure or its table, and gives the Python that makes it.</p>
</div>
"""


class TopBar:
    """Survey and model with their badges, search, steps, link, help.

    Parameters
    ----------
    state : ExplorerState
    bridge : Bridge
    """

    def __init__(self, state: ExplorerState, bridge: Bridge) -> None:
        self.state, self._bridge = state, bridge
        self._badge = html_pane(sizing_mode=None, align="center")
        self._search = pmui.TextInput(
            placeholder="Search: id, name, position ( / )", size="small", width=220, margin=0,
            css_classes=["galam-search"], variant="outlined", label="", sx=_ON_DARK,
        )  # fmt: skip
        self._search.param.watch(self._searched, "enter_pressed")
        step = {"color": "light"}
        self.items: list[Any] = [
            _caption("Survey"),
            *self._survey_items(),
            self._badge,
            _caption("Model"),
            *self._model_items(),
            pn.Spacer(sizing_mode="stretch_width"),
            self._search,
            icon_button("chevron_left", "Previous galaxy (k)", lambda _e: state.previous(), **step),
            icon_button("chevron_right", "Next galaxy (j)", lambda _e: state.next(), **step),
            icon_button("casino", "Any galaxy", lambda _e: state.random(), **step),
            icon_button(
                "link", "Copy the link to this view", lambda _e: bridge.copy("Link copied"), **step
            ),
            icon_button(
                "bookmark_border",
                "Review queue (n)",
                lambda _e: bridge.handlers["note"]({}),
                **step,
            ),
            icon_button("help_outline", "Help (?)", self._ask("help"), **step),
        ]
        state.param.watch(self._rebadge, ["data", "survey_id"])
        self._rebadge()

    def _ask(self, kind: str) -> Any:
        """A button's way to what the key of the same name does."""
        return lambda _event: self._bridge.handlers[kind]({})

    def _survey_items(self) -> list[Any]:
        """The survey's name, and a picker in its place once there is a choice."""
        self._name = html_pane(sizing_mode=None, align="center")
        self._picker = _picker(list(self.state.sources), self.state.survey_id or None, "Survey")
        self._picker.param.watch(self._picked, "value")
        return [self._name, self._picker]

    def _picked(self, event: Any) -> None:
        if event.new and event.new != self.state.survey_id and not self.state.open(event.new):
            self._picker.value = self.state.survey_id

    def _rebadge(self, *_events: Any) -> None:
        data = self.state.data
        if data is None:
            return
        kind = data.survey.kind
        sources = list(self.state.sources)
        self._name.object = _name_html(data.survey.name)
        self._name.visible = len(sources) < 2
        # A survey can come while the page is open: a user's own galaxies.
        self._picker.param.update(
            options=sources, value=self.state.survey_id, visible=len(sources) > 1
        )
        self._badge.object = _badge_html(kind, _KINDS.get(kind, kind))

    def _model_items(self) -> list[Any]:
        state = self.state
        self._models = _picker([], None, "Model")
        self._model_badge = html_pane(sizing_mode=None, align="center")
        self._models.param.watch(self._picked_model, "value")
        state.param.watch(self._remodel, ["models", "model_id", "model_state"])
        self._remodel()
        return [self._models, self._model_badge]

    def _picked_model(self, event: Any) -> None:
        state = self.state
        wanted = "" if event.new == _NO_MODEL else event.new
        if event.new is not None and wanted != state.model_id and not state.open_model(wanted):
            self._models.value = state.model_id or _NO_MODEL

    def _remodel(self, *_events: Any) -> None:
        state = self.state
        self._models.param.update(
            options=[_NO_MODEL, *state.models],
            value=state.model_id or _NO_MODEL,
            visible=bool(state.models),
        )
        kind, text, about = {
            "none": ("waits", "no model", "Start with `galam serve --model NAME`, or train one"),
            "waiting": ("waits", "model", "It is loaded when a view needs it"),
            "loading": ("waits", "loading…", "The model is being loaded"),
            "failed": ("bad", "not usable", state.model_problem),
            "ready": ("model", _preset(state.model), "The network's preset"),
        }[state.model_state]
        self._model_badge.object = _badge_html(kind, text, about)

    def _searched(self, *_events: Any) -> None:
        self.state.search(self._search.value_input or self._search.value or "")


def _picker(options: list[str], value: str | None, about: str) -> Any:
    return pmui.Select(
        options=options, value=value, size="small", width=150, margin=0, label="",
        variant="outlined", sx=_ON_DARK, description=about,
    )  # fmt: skip


def _caption(text: str) -> Any:
    """What the next item of the bar names, where there is room to say it."""
    return html_pane(
        f'<div class="g narrow-hides" style="color:#ffffff;font-size:12px">{escape(text)}</div>'
        "<style>@media (max-width: 1250px) { .narrow-hides { display: none } }</style>",
        sizing_mode=None, align="center",
    )  # fmt: skip


def _name_html(text: str) -> str:
    return (
        '<div class="g" style="color:#ffffff;font-weight:600;white-space:nowrap">'
        f"{escape(text)}</div>"
    )


def _badge_html(kind: str, text: str, about: str = "") -> str:
    return (
        f'<div class="g"><span class="badge {escape(kind)}" title="{escape(about)}">'
        f"{escape(text)}</span></div>"
    )


def _preset(model: Any) -> str:
    """What kind of network it is."""
    return str(getattr(getattr(model, "network", None), "preset", "") or "model")


class StatusLine:
    """What was computed, and how long the last selection took in this browser."""

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.pane = html_pane(
            styles={"padding": "3px 14px 4px", "border-top": "1px solid var(--line)"}
        )
        state.param.watch(self._update, ["status", "latency_ms", "cohort", "data", "model_state"])
        self._update()

    def _update(self, *_events: Any) -> None:
        state = self.state
        parts = []
        if state.data is not None:
            parts.append(f"<span><b>{len(state.data):,}</b> galaxies</span>")
        if state.cohort:
            parts.append(f"<span>set of <b>{len(state.cohort):,}</b></span>")
        parts.append(f"<span>{escape(state.status)}</span>")
        if state.model_state == "loading":
            parts.append(f"<span>loading the model {escape(state.model_id)}…</span>")
        if math.isfinite(state.latency_ms):
            parts.append(
                '<span title="From your key or click to all visible views painted, measured in '
                f'this browser">last selection <b>{state.latency_ms:.0f} ms</b></span>'
            )
        self.pane.object = f'<div class="g status">{"".join(parts)}</div>'


class Dialogs:
    """Help, and the Python of a figure."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._text = ""
        self._code = html_pane()
        copy = pmui.Button(
            label="Copy", icon="content_copy", size="small", variant="outlined",
            on_click=lambda _e: bridge.copy("Code copied", self._text),
        )  # fmt: skip
        self.help = pmui.Dialog(
            html_pane(_HELP), title="GalAM Explorer", show_close_button=True, close_on_click=True,
            width_option="sm",
        )  # fmt: skip
        self.code = pmui.Dialog(
            self._code, copy, title="Python", show_close_button=True, close_on_click=True,
            width_option="md",
        )  # fmt: skip
        bridge.handlers["help"] = self._show_help
        bridge.handlers["code"] = self._show_code

    def _show_help(self, _message: dict[str, Any]) -> None:
        self.help.open = True

    def _show_code(self, message: dict[str, Any]) -> None:
        self._text = message["text"]
        self._code.object = (
            '<pre class="g" style="font:12.5px/1.5 ui-monospace,monospace;overflow:auto;margin:0;'
            f'max-height:60vh" id="code-text">{html.escape(self._text)}</pre>'
        )
        self.code.param.update(title=f"Python: {message['title']}", open=True)

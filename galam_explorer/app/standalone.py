"""A single view in a notebook: its state, and what the page would do for it."""

from __future__ import annotations

import threading
from typing import Any

import panel as pn

from galam_explorer.app.cell import in_cell, paint
from galam_explorer.app.preload import preload_soon
from galam_explorer.app.sources import model_sources, named_sources, survey_sources
from galam_explorer.app.state import ExplorerState
from galam_explorer.app.surroundings import follow_page, kernel_schedule
from galam_explorer.app.theme import variables
from galam_explorer.errors import GalamError

__all__ = ["chosen_galaxy", "make_state", "stand_alone"]


def make_state(survey: Any, galaxy: str = "", model: Any = None, **params: Any) -> ExplorerState:
    """A state with a survey, a model and a galaxy.

    Parameters
    ----------
    survey : Survey, str or Path
    galaxy : str
    model : str, Path or Model, optional
        A name or folder (loaded when a view needs it), or a loaded model; by
        default the released one, if it is there.

    Raises
    ------
    GalamError
        If one of them is not there.
    """
    preload_soon()
    named = isinstance(model, str) or hasattr(model, "__fspath__")
    models = named_sources(str(model)) if named else model_sources()
    state = ExplorerState(
        survey_sources(str(getattr(survey, "path", survey))), models=models, **params
    )
    state.schedule = kernel_schedule()
    state.restore({"galaxy": galaxy} if galaxy else {})
    if state.data is None or (galaxy and state.galaxy_id != galaxy):
        raise GalamError(state.message.text if state.message else "nothing to show")
    if model is not None and not named:
        state.use_model(model)
    return state


def chosen_galaxy(state: ExplorerState) -> Any:
    """The chosen galaxy; None, and a message, if it cannot be read."""
    if state.data is None or not state.galaxy_id:
        return None
    try:
        return state.data.galaxy(state.galaxy_id)
    except (GalamError, OSError) as error:
        state.notify("error", error)
        return None


def stand_alone(view: Any, layout: pn.viewable.Viewable) -> pn.viewable.Viewable:
    """The view's layout with messages, dialogs and colours; it follows its state from now on."""
    from galam_explorer.app.views.base import escape, html_pane
    from galam_explorer.app.views.frame import Dialogs

    state, bridge = view.state, view.bridge
    said = html_pane()
    dialogs = Dialogs(bridge)
    bridge.handlers["failed"] = lambda m: state.notify("error", m.get("text", "Failed"))
    bridge.handlers["copied"] = lambda m: state.notify("success", m.get("text", "Copied"))

    def tell(*_events: Any) -> None:
        said.object = f'<div class="g soft">{escape(state.message.text)}</div>'

    # Without a server a model arrives in another thread: it must not bring back the
    # galaxy that was chosen when it read the state.
    in_turn = threading.RLock()

    def follow(*_events: Any) -> None:
        with in_turn:
            view.show(chosen_galaxy(state))

    def recolour(*_events: Any) -> None:
        paint(cell, state.dark)
        column.stylesheets = [variables(state.dark)]
        view.recolour()

    column = pn.Column(
        layout, said, bridge, dialogs.code, follow_page(state), height=640,
        sizing_mode="stretch_width", stylesheets=[variables(state.dark)],
        styles={"background": "var(--paper)"},
    )  # fmt: skip
    cell = in_cell(column)
    view.watch(tell, "message")
    view.watch(recolour, "theme")
    view.watch(follow, "galaxy_id", "model", *view.follows)
    state.want_model()
    follow()
    return cell

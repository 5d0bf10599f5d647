"""HTML on the page whose change does not lay the whole page out again.

Panel's own HTML pane asks Bokeh for a new layout of everything at each change
(200 ms per selection, measured); this one only sets its content.
"""

from __future__ import annotations

from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

__all__ = ["Markup", "QuickComponent"]


class QuickComponent(JSComponent):
    """A component whose own parameters reach the page without Panel's detours."""

    def _update_model(
        self, events: Any, msg: dict[str, Any], root: Any, model: Any, doc: Any, comm: Any
    ) -> None:
        # Panel first asks the wrong model for these names, and Bokeh, before it says that
        # there are none, searches for similar ones: 1 ms for each change.
        if not msg or not self._own.issuperset(msg):
            super()._update_model(events, msg, root, model, doc, comm)
            return
        echoed = self._in_process__events.get(doc, {})
        fresh = {name: value for name, value in msg.items() if echoed.get(name, self) != value}
        with pn.io.hold(doc):
            self._set_on_model(fresh, root, model.data)

    _own: ClassVar[frozenset[str]] = frozenset()
    """Names of parameters that only the component's script knows."""


class Markup(QuickComponent):
    """A piece of trusted HTML; everything from outside must be escaped by the caller."""

    _own: ClassVar[frozenset[str]] = frozenset({"object"})

    object = param.String(default="", doc="The markup.")

    _esm: ClassVar[str] = """
    export function render({model, view}) {
      // Bokeh lays the whole page out again (16 ms) when an element's size changes. Only
      // figures need that, and they watch their own; the rest is the style sheets' work.
      if (view?.parent) { view._after_resize = () => {} }
      const box = document.createElement("div")
      box.className = "markup"
      const fill = () => { box.innerHTML = model.object }
      model.on("object", fill)
      fill()
      return box
    }
    """
    _stylesheets: ClassVar[list[str]] = [".markup { height: 100%; }"]

    def _update_properties(self, *events: param.parameterized.Event, doc: Any) -> dict[str, Any]:
        # Panel works out the page's design anew at each change, even if only the content
        # changes: 2 ms each, and a galaxy changes six of these.
        if all(event.name == "object" for event in events):
            return {event.name: event.new for event in events}
        return super()._update_properties(*events, doc=doc)

"""A figure that is drawn once and then only gets new data.

HoloViews' own DynamicMap works everything out again on each change (about
60 ms for a spectrum here); swapping the data of the drawn glyphs takes a tenth
of that, and there is no stream or callback that could keep a session alive.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn
from bokeh.plotting import figure as BokehFigure

from galam_explorer.app.drawing import DRAWING, Drawn, draw, draw_like

__all__ = ["DRAWING", "LiveFigure", "hold", "when_locked"]

_LONG = 500
_SHORT = 40
_HELD = threading.local()


def when_locked(change: Callable[[], None]) -> None:
    """Change Bokeh models when the session's document is ours to change.

    Panel handles some events (buttons, for example) without the document's
    lock, others in threads; Bokeh refuses changes then. Inside such a change,
    further ones happen at once.
    """
    doc = pn.state.curdoc
    session = getattr(getattr(doc, "session_context", None), "session", None)
    if session is None or getattr(_HELD, "now", False):
        change()
    else:
        doc.add_next_tick_callback(lambda: hold(change))


def hold(change: Callable[[], None]) -> None:
    """Run `change` where the lock is known to be held (a timeout's callback).

    All that it changes goes to the browser as one message. That is not only
    quicker: Panel sends what it changes at once, Bokeh sends its own changes
    after the callback, so a browser could see the second before the first.
    """
    before = getattr(_HELD, "now", False)
    _HELD.now = True
    try:
        with pn.io.hold():
            change()
    finally:
        _HELD.now = before


def _lean(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as they cost least on the wire.

    Long ones go in single precision: a screen shows no more. Short ones go as lists: each
    array is sent as two messages of its own, a list is part of one.
    """
    return {name: _lean_values(values) for name, values in columns.items()}


def _lean_values(values: Any) -> Any:
    if not isinstance(values, np.ndarray) or values.ndim != 1:
        return values
    if values.size <= _SHORT and values.dtype.kind in "fiu":
        return values.tolist()
    if values.size > _LONG and values.dtype == np.float64:
        return values.astype(np.float32)
    return values


def _drawn(overlay: hv.Overlay | Callable[[], hv.Overlay], like: Hashable) -> Drawn:
    make = overlay if callable(overlay) else lambda: overlay
    with DRAWING:
        return draw(make()) if like is None else draw_like(like, make)


class _Pane(pn.pane.Bokeh):
    """A pane whose figure still hears when its tab is shown again.

    Panel takes a figure's handlers away when a tab is left, and shows the same figure,
    deaf, when the tab is opened again.
    """

    def __init__(self, live: LiveFigure, **params: Any) -> None:
        self._live = live
        super().__init__(live.figure, **params)

    def _get_model(self, *args: Any, **options: Any) -> Any:
        handlers = {name: list(found) for name, found in self._live.handlers.items()}
        self.object._event_callbacks = defaultdict(list, handlers)
        return super()._get_model(*args, **options)


class LiveFigure:
    """A HoloViews overlay on the page whose layers can be replaced.

    Parameters
    ----------
    overlay : hv.Overlay or callable
        From one of the figure functions, or what makes it (called with `DRAWING` held); later
        ones must have the same layers.
    name : str
        Name of the Bokeh figure, by which the browser finds it (export, tests).
    prepare : callable, optional
        Called with every new Bokeh figure, before it is on the page: Bokeh never delivers
        an event whose handler a figure got after that.
    like : hashable, optional
        Names all that the overlay depends on: figures of the same name are drawn once.
    **pane
        Parameters of the pane (sizes, styles).
    """

    def __init__(
        self,
        overlay: hv.Overlay | Callable[[], hv.Overlay],
        name: str,
        prepare: Callable[[BokehFigure], None] | None = None,
        like: Hashable = None,
        **pane: Any,
    ) -> None:
        self.name = name
        self._prepare = prepare
        self._turns = 0
        self._take(_drawn(overlay, like))
        pane.setdefault("sizing_mode", "stretch_both")
        pane.setdefault("margin", 0)
        self.pane = _Pane(self, **pane)

    def _take(self, drawn: Drawn) -> None:
        self._sources = drawn.sources
        self._done: dict[Any, int] = {}
        self._first = self._turn()
        self.figure: BokehFigure = drawn.figure
        self.figure.name = self.name
        if self._prepare is not None:
            self._prepare(self.figure)
        self.handlers = {name: list(found) for name, found in self.figure._event_callbacks.items()}

    def _turn(self) -> int:
        self._turns += 1
        return self._turns

    def _is_news(self, part: Any, turn: int) -> bool:
        """Whether a part of the figure was not changed since by a later call.

        What is asked for outside a locked document waits for its turn, and may come
        after what was asked for later, inside one: another galaxy's data, say.
        """
        if turn < max(self._first, self._done.get(part, 0)):
            return False
        self._done[part] = turn
        return True

    def redraw(self, overlay: hv.Overlay | Callable[[], hv.Overlay], like: Hashable = None) -> None:
        """Draw anew: other colours or another kind of layers; parameters as of the class."""
        old = self.figure
        self._take(_drawn(overlay, like))

        def swap() -> None:
            # The browser looks figures up by their name: in one message, so that
            # it never knows two of the same.
            with pn.io.hold():
                old.name = None
                self.pane.object = self.figure

        when_locked(swap)

    def update(self, sources: Sequence[Mapping[str, Any] | None], axes: Mapping[str, Any]) -> None:
        """Give the layers new columns (None leaves one alone), and the axes new limits.

        Parameters
        ----------
        sources : sequence of mapping
            Bokeh columns by layer, as the figure's ``..._sources`` function gives them.
        axes : mapping
            ``xlim``, ``ylim``, ``xlabel``, or ``limits`` for figures of equal scale.
        """

        turn = self._turn()

        def update() -> None:
            with pn.io.hold():
                self._update(sources, axes, turn)

        when_locked(update)

    def _update(
        self, sources: Sequence[Mapping[str, Any] | None], axes: Mapping[str, Any], turn: int
    ) -> None:
        if turn < self._first:
            return  # Of the figure before this one, which had other layers perhaps.
        for index, (source, columns) in enumerate(zip(self._sources, sources, strict=True)):
            if columns is not None and self._is_news(index, turn):
                source.data = _lean(columns)
        figure = self.figure
        axes = {key: value for key, value in axes.items() if self._is_news(key, turn)}
        if (limits := axes.get("limits")) and figure.tags != [list(limits)]:
            figure.tags = [list(limits)]
        for key, axis in (("xlim", figure.x_range), ("ylim", figure.y_range)):
            if span := axes.get(key):
                low, high = (float(v) for v in span)
                axis.update(start=low, end=high, reset_start=low, reset_end=high)
        if "xlabel" in axes:
            figure.xaxis[0].axis_label = axes["xlabel"]
        self.push()

    def update_layer(self, index: int, columns: Mapping[str, Any]) -> None:
        """Give one layer new columns."""
        source, turn = self._sources[index], self._turn()

        def update() -> None:
            if self._is_news(index, turn):
                source.data = _lean(columns)

        when_locked(update)
        self.push()

    def push(self) -> None:
        """Send changes where there is no server that does it (notebooks)."""
        pn.io.push_notebook(self.pane)

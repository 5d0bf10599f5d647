"""Figures that are drawn once for all sessions.

To draw an overlay takes HoloViews some half a second on a slow machine, to copy the Bokeh
figure that came of it a quarter of that or less; a page has five of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import holoviews as hv
from bokeh.core.serialization import Buffer, Deserializer, Serialized, Serializer
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure as BokehFigure
from bokeh.util.serialization import make_id

from galam_explorer.app.data import Cache

__all__ = ["DRAWING", "KEPT", "Drawn", "draw", "draw_like"]

DRAWING = threading.RLock()
"""Held while HoloViews elements are made or drawn: its option store is shared by threads."""

KEPT = 60_000
"""Figures of more galaxies are not worth the memory in which they would be kept."""
_PATTERNS = Cache(64)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A Bokeh figure, and the sources of its layers in the overlay's order."""

    figure: BokehFigure
    sources: list[ColumnDataSource]


@dataclass(frozen=True, eq=False)
class _Pattern:
    """A figure as it would be sent, with the ids of its layers' sources."""

    content: Any
    buffers: list[Buffer]
    sources: list[str]


def draw(overlay: hv.Overlay) -> Drawn:
    """Draw an overlay."""
    with DRAWING:
        plot = hv.renderer("bokeh").get_plot(overlay)
        # Else the session keeps every plot that was ever drawn until it ends.
        plot.document = None
    return Drawn(plot.state, [layer.handles["source"] for layer in plot.subplots.values()])


def draw_like(key: Hashable, make: Callable[[], hv.Overlay]) -> Drawn:
    """A figure of its own, equal to what was drawn under this key before.

    Parameters
    ----------
    key : hashable
        Must name everything that the overlay depends on.
    make : callable
        Makes the overlay, if none was drawn yet.
    """
    return _copy(_PATTERNS.get(key, lambda: _pattern_of(draw(make()))))


def _pattern_of(drawn: Drawn) -> _Pattern:
    found = Serializer(deferred=True).serialize(drawn.figure)
    return _Pattern(found.content, found.buffers or [], [one.id for one in drawn.sources])


def _copy(pattern: _Pattern) -> Drawn:
    fresh: dict[str, str] = {}
    content = _renamed(pattern.content, fresh)
    figure = Deserializer().deserialize(Serialized(content, pattern.buffers))
    models = {model.id: model for model in figure.references()}
    return Drawn(figure, [models[fresh[name]] for name in pattern.sources])


def _renamed(content: Any, fresh: dict[str, str]) -> Any:
    """What was serialised, with new ids: two models of one page must not share one."""
    if isinstance(content, dict):
        return {
            key: _new_id(value, fresh)
            if key == "id" and isinstance(value, str)
            else _renamed(value, fresh)
            for key, value in content.items()
        }
    if isinstance(content, list | tuple):
        return [_renamed(value, fresh) for value in content]
    return content


def _new_id(old: str, fresh: dict[str, str]) -> str:
    if old not in fresh:
        fresh[old] = make_id()
    return fresh[old]

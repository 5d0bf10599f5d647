"""Bokeh finds the models of a page sooner.

Bokeh walks through all models of a page several times before it is sent, and again at
each change of its structure. Each time it works out the default of every property that
was never set, which took almost half of the time to make a page; but a plain default (a number, a
text, None) refers to no model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.model import util

__all__ = ["quicken_models"]

_visit_value = util.visit_value_and_its_immediate_references


@cache
def _plain_defaults(kind: type[HasProps]) -> frozenset[str]:
    """Properties whose default is the same plain value for every instance of a class."""
    overridden = kind.__overridden_defaults__
    found = []
    for name, prop in kind.properties_with_refs().items():
        own = isinstance(kind.lookup(name), PropertyDescriptor)
        made = prop._may_have_unstable_default() or PropertyDescriptor.is_unstable(
            overridden.get(name)
        )
        if own and not made:
            found.append(name)
    return frozenset(found)


def _visit(value: Any, visitor: Callable[[Any], None]) -> None:
    """As `bokeh.model.util.visit_immediate_value_references`."""
    if not isinstance(value, HasProps):
        _visit_value(value, visitor)
        return
    plain, themed = _plain_defaults(type(value)), value.themed_values() or ()
    given, made = value._property_values, value._unstable_default_values
    for name in value.properties_with_refs():
        if name in given:
            child = given[name]
        elif name in themed or not (name in made or name in plain):
            child = getattr(value, name)
        elif name in made:
            child = made[name]
        else:
            continue
        if child is not None:
            _visit_value(child, visitor)


def quicken_models() -> None:
    """Let Bokeh use the quicker way in this process; for a server."""
    util.visit_immediate_value_references = _visit

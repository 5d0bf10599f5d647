"""The dashboard: one state, thin views that watch it."""

from __future__ import annotations

from typing import Any

__all__ = ["Explorer", "build_app"]


def __getattr__(name: str) -> Any:
    # Panel is heavy; state and data can be used without it.
    if name in __all__:
        from galam_explorer.app import layout

        return getattr(layout, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Figures at a fixed size, for a page that does not give them one."""

from __future__ import annotations

import holoviews as hv

__all__ = ["PAGE_WIDTH", "sized"]

PAGE_WIDTH = 960
"""Width of a notebook's page, px."""


def sized(
    figure: hv.Overlay | hv.Layout, height: int = 300, width: int | None = None
) -> hv.Overlay | hv.Layout:
    """A figure of this package for a notebook cell.

    The figures fill whatever a dashboard gives them; a cell gives no height. Panels of a
    layout keep their own axes.

    Parameters
    ----------
    figure : hv.Overlay or hv.Layout
    height : int
        Of a panel, px.
    width : int, optional
        Of a panel, px; by default a row of panels fills the page.

    Returns
    -------
    hv.Overlay or hv.Layout
        The same figure.
    """
    columns = 1
    if isinstance(figure, hv.Layout):
        columns = max(1, min(figure._max_cols, len(figure)))
        figure = figure.opts(hv.opts.Layout(shared_axes=False))
    fixed = {"responsive": False, "width": width or PAGE_WIDTH // columns, "height": height}
    return figure.opts(hv.opts.Overlay(**fixed))

"""Figures on paper: the HoloViews elements of this package drawn by Matplotlib.

The figures carry options for Bokeh; here they are translated, so that a PNG
needs neither a browser nor a display.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import holoviews as hv

from galam_explorer.survey.atomic import atomic_path

__all__ = ["figure_png", "save_png"]

_DASH = {"solid": "-", "dashed": "--", "dotted": ":", "dotdash": "-."}
_BASELINE = {"middle": "center", "alphabetic": "baseline"}
_KEPT = ("xlim", "ylim", "xlabel", "ylabel", "title", "logx", "logy", "show_grid", "xticks",
         "show_legend", "legend_position", "legend_cols", "xrotation")  # fmt: skip


def _line(style: dict[str, Any]) -> dict[str, Any]:
    return {
        "color": style.get("line_color") or style.get("color", "black"),
        "linewidth": 0.75 * style.get("line_width", 1.5),
        "linestyle": _DASH.get(style.get("line_dash", "solid"), "-"),
        "alpha": style.get("alpha", 1.0),
    }


def _points(style: dict[str, Any]) -> dict[str, Any]:
    size = (0.75 * style.get("size", 5.0)) ** 2
    if "fill_color" in style and style["fill_color"] is None:
        return {
            "s": size, "facecolors": "none", "edgecolors": style.get("line_color", "black"),
            "linewidth": 0.75 * style.get("line_width", 1.0),
        }  # fmt: skip
    return {
        "s": size, "facecolors": style.get("color", "black"), "edgecolors": "none",
        "alpha": style.get("alpha", 1.0),
    }  # fmt: skip


def _text(style: dict[str, Any]) -> dict[str, Any]:
    baseline = style.get("text_baseline", "middle")
    return {
        "color": style.get("text_color", "black"),
        "size": 0.75 * float(str(style.get("text_font_size", "12px")).rstrip("ptx")),
        "horizontalalignment": style.get("text_align", "center"),
        "verticalalignment": _BASELINE.get(baseline, baseline),
    }


def _error(style: dict[str, Any]) -> dict[str, Any]:
    return {"ecolor": style.get("color", "black"), "elinewidth": 0.75 * style.get("line_width", 1)}


_STYLES = {"Curve": _line, "Points": _points, "Labels": _text, "ErrorBars": _error}


def _options(element: hv.Dimensioned, group: str) -> dict[str, Any]:
    return dict(hv.Store.lookup_options("bokeh", element, group).kwargs)


def _printed(element: hv.Element) -> hv.Element:
    """An element with Matplotlib options that look like its Bokeh ones."""
    translate = _STYLES.get(type(element).__name__)
    style = translate(_options(element, "style")) if translate else {}
    return element.clone().opts(backend="matplotlib", **style)


def _panel(overlay: hv.Overlay, inches: float) -> hv.Overlay:
    given = _options(overlay, "plot")
    plot = {k: v for k, v in given.items() if k in _KEPT and v is not None}
    bare = given.get("xaxis", "") is None
    if bare:  # pixels
        plot |= {"xaxis": None, "yaxis": None}
    layers = [_printed(layer) for layer in overlay]
    sizes = {"labels": 10, "ticks": 8, "legend": 8, "title": 10}
    return hv.Overlay(layers).opts(
        hv.opts.Overlay(
            backend="matplotlib",
            fontsize=sizes,
            fig_inches=inches,
            aspect=1.0 if bare else 1.45,
            **plot,
        )
    )


def figure_png(figure: hv.Overlay | hv.Layout, inches: float = 5.0, dpi: int = 160) -> bytes:
    """A figure of this package as a PNG image.

    Parameters
    ----------
    figure : hv.Overlay or hv.Layout
    inches : float
        Width of a panel.
    dpi : int

    Returns
    -------
    bytes
    """
    import holoviews.plotting.mpl  # noqa: F401  (registers the backend)

    if isinstance(figure, hv.Layout):
        panels = [_panel(panel, inches) for panel in figure]
        drawn = hv.Layout(panels).cols(figure._max_cols)
        drawn = drawn.opts(
            hv.opts.Layout(
                backend="matplotlib", sublabel_format="", hspace=0.35, vspace=0.45,
                fig_inches=inches, tight=True,
            )
        )  # fmt: skip
    else:
        drawn = _panel(figure, inches)
    buffer = io.BytesIO()
    hv.save(drawn, buffer, fmt="png", backend="matplotlib", dpi=dpi)
    return buffer.getvalue()


def save_png(figure: hv.Overlay | hv.Layout, path: Path, **options: Any) -> None:
    """Write a figure to a PNG file atomically; options as for `figure_png`."""
    image = figure_png(figure, **options)
    with atomic_path(path) as temporary:
        temporary.write_bytes(image)

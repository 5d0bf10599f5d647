"""The image of a galaxy, with its scale and its orientation."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np

from galam_explorer.evaluate.figures.style import equal_aspect, font_sizes, toolbox
from galam_explorer.records import Ellipse

__all__ = [
    "cutout_figure",
    "cutout_sources",
    "ellipse_track",
    "grey_source",
    "image_options",
    "rgb_layer",
    "rgb_source",
]

_TEXT = {
    "text_font_style": "bold",
    "text_font_size": "12px",
    "text_align": "left",
    "xoffset": 0,
    "yoffset": 0,
}
_WORDS = ("x", "y", "text", "align", "baseline")
_BARS = (120.0, 60.0, 30.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2)


def ellipse_track(ellipse: Ellipse, height: int, points: int = 97) -> np.ndarray:
    """The outline of an ellipse in plot coordinates (y up), shape (points, 2)."""
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    turn = np.radians(ellipse.angle)
    a, b = 0.5 * ellipse.width * np.cos(angle), 0.5 * ellipse.height * np.sin(angle)
    x = ellipse.x + a * np.cos(turn) - b * np.sin(turn)
    y = ellipse.y + a * np.sin(turn) + b * np.cos(turn)
    return np.column_stack([x, height - 1 - y])


def rgb_layer(image: np.ndarray) -> hv.RGB:
    """A uint8 image, shape (h, w, 3); pixel centres at integers, row 0 at the top."""
    height, width = image.shape[:2]
    bounds = (-0.5, -0.5, width - 0.5, height - 0.5)
    return hv.RGB(image, bounds=bounds).opts(default_tools=[])


def _placed(pixels: np.ndarray) -> dict[str, Any]:
    height, width = pixels.shape[:2]
    # Bokeh's first row is the lowest.
    turned = np.ascontiguousarray(pixels[::-1])
    return {"image": [turned], "x": [-0.5], "y": [-0.5], "dw": [width], "dh": [height]}


def rgb_source(image: np.ndarray) -> dict[str, Any]:
    """Columns of the Bokeh source of `rgb_layer`."""
    height, width = image.shape[:2]
    packed = np.full((height, width, 4), 255, dtype=np.uint8)
    packed[..., :3] = image
    return _placed(packed.view(np.uint32)[..., 0])


def grey_source(image: np.ndarray) -> dict[str, Any]:
    """Columns of the Bokeh source of an `hv.Image` of the same pixels."""
    return _placed(image)


def _bleed(plot: Any, _element: hv.Element) -> None:
    """No margin: the pixels fill the figure."""
    borders = {f"min_border_{side}": 0 for side in ("left", "right", "top", "bottom")}
    plot.state.update(min_border=0, outline_line_color=None, **borders)


def _anchored(plot: Any, element: hv.Element) -> None:
    """Every word hangs on its own corner."""
    for name in ("align", "baseline"):
        plot.handles["source"].data[name] = list(element.dimension_values(name))
    plot.handles["glyph"].update(text_align={"field": "align"}, text_baseline={"field": "baseline"})


def image_options(shape: tuple[int, int]) -> dict[str, Any]:
    """Overlay options of every figure that shows pixels: no axes, equal scales."""
    height, width = shape
    limits = (-0.5, width - 0.5, -0.5, height - 0.5)
    return {
        "xlim": limits[:2],
        "ylim": limits[2:],
        "xaxis": None,
        "yaxis": None,
        "responsive": True,
        "min_height": 80,
        "min_width": 80,
        "toolbar": None,
        "fontsize": font_sizes(),
        "hooks": [
            equal_aspect(limits),
            toolbox("pan", "wheel", "reset", drag="pan", scroll="wheel"),
            _bleed,
        ],
    }


def _scale_bar(shape: tuple[int, int], scale: float) -> tuple[list[tuple], list[tuple]]:
    """Segments ``(x0, y0, x1, y1)`` and texts ``(x, y, text, align, baseline)``."""
    height, width = shape
    if not np.isfinite(scale) or scale <= 0:
        return [], [(0.04 * width, 0.04 * height, "pixel scale unknown", "left", "bottom")]
    length = next((b for b in _BARS if b <= 0.3 * width * scale), _BARS[-1])
    x, y = 0.05 * width, 0.06 * height
    return [(x, y, x + length / scale, y)], [
        (x, y + 0.015 * height, f"{length:g}″", "left", "bottom")
    ]


def _compass(shape: tuple[int, int]) -> tuple[list[tuple], list[tuple]]:
    """North up, east left: the orientation of SDSS and simulated cutouts."""
    height, width = shape
    arm, head = 0.1 * min(shape), 0.024 * min(shape)
    x, y = 0.93 * width, 0.07 * height
    lines = [(x, y, x, y + arm), (x, y, x - arm, y)]
    lines += [(x, y + arm, x + side, y + arm - head) for side in (-head, head)]
    lines += [(x - arm, y, x - arm + head, y + side) for side in (-head, head)]
    # Letters are as large in small pictures: each begins at the tip of its arrow.
    return lines, [
        (x, y + arm, "N", "center", "bottom"),
        (x - arm - 0.5 * head, y, "E", "right", "middle"),
    ]


def _marks(
    shape: tuple[int, int], scale: float, oriented: bool, note: str
) -> tuple[dict[str, list], dict[str, list], dict[str, list]]:
    """Columns of the segments, of the white texts and of the note."""
    bar, texts = _scale_bar(shape, scale)
    arrows, letters = _compass(shape) if oriented else ([], [])
    corner = [(0.04 * shape[1], 0.97 * shape[0], note)] if note else []
    segments, white = bar + arrows, texts + letters
    return (
        {name: [one[i] for one in segments] for i, name in enumerate(("x0", "y0", "x1", "y1"))},
        {name: [one[i] for one in white] for i, name in enumerate(_WORDS)},
        {name: [one[i] for one in corner] for i, name in enumerate(("x", "y", "text"))},
    )


def _shown(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return image if mask is None else np.where(mask[..., None], image, image // 5)


def cutout_sources(
    image: np.ndarray,
    scale: float = float("nan"),
    *,
    note: str = "",
    oriented: bool = True,
    mask: np.ndarray | None = None,
    ellipse: Ellipse | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Columns of the Bokeh sources of `cutout_figure`, and its axes; same parameters."""
    shape = image.shape[:2]
    track = np.empty((0, 2)) if ellipse is None else ellipse_track(ellipse, shape[0])
    segments, white, corner = _marks(shape, scale, oriented, note)
    outline = {"x": track[:, 0], "y": track[:, 1]}
    sources = [rgb_source(_shown(image, mask)), outline, segments, segments, white, corner]
    return sources, image_axes(shape)


def image_axes(shape: tuple[int, int]) -> dict[str, Any]:
    """Limits that show every pixel."""
    height, width = shape
    return {"limits": (-0.5, width - 0.5, -0.5, height - 0.5)}


def cutout_figure(
    image: np.ndarray,
    scale: float = float("nan"),
    *,
    note: str = "",
    oriented: bool = True,
    mask: np.ndarray | None = None,
    ellipse: Ellipse | None = None,
) -> hv.Overlay:
    """A cutout as it came, every pixel a square, with scale bar and compass.

    Parameters
    ----------
    image : ndarray, uint8 (h, w, 3)
    scale : float
        Arcsec per pixel; NaN draws no bar and says so.
    note : str
        Written in the upper left corner, for example "simulated".
    oriented : bool
        Draw N and E arrows (north up, east left).
    mask : ndarray, bool (h, w), optional
        Pixels outside it are darkened.
    ellipse : Ellipse, optional
        Outline to draw, in pixels of `image`.

    Returns
    -------
    hv.Overlay
    """
    shape = image.shape[:2]
    segments, white, corner = _marks(shape, scale, oriented, note)
    ends = tuple(segments.values())
    track = np.empty((0, 2)) if ellipse is None else ellipse_track(ellipse, shape[0])
    layers = [
        rgb_layer(_shown(image, mask)),
        hv.Curve(track).opts(color="#ffb000", line_width=1.6),
        hv.Segments(ends).opts(color="#000000", line_width=4.5, alpha=0.55),
        hv.Segments(ends).opts(color="#ffffff", line_width=2),
        hv.Labels(tuple(white.values()), ["x", "y"], list(_WORDS[2:])).opts(
            text_color="#ffffff", text_baseline="bottom", hooks=[_anchored], **_TEXT
        ),
        hv.Labels(tuple(corner.values()), ["x", "y"], "text").opts(
            text_color="#ffc857", text_baseline="top", **_TEXT
        ),
    ]
    return hv.Overlay(layers).opts(hv.opts.Overlay(**image_options(shape)))

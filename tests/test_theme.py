"""The colours of the page: text is readable, figures are safe for the colour-blind."""

from __future__ import annotations

import re

import numpy as np
import pytest

from galam_explorer.app.theme import CSS, THEME, variables
from galam_explorer.evaluate.figures.shading import colour_limits
from galam_explorer.evaluate.figures.style import Style, style_for

TEXT, GRAPHICS = 4.5, 3.0
"""Least contrasts of WCAG 2.1 (AA), for text and for what must be seen in figures."""


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    parts = rgb(colour)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_pairs() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_of_the_page_is_readable(dark: bool) -> None:
    known = dict(re.findall(r"--(\w+): (#\w{6})", variables(dark)))
    palette = THEME["dark" if dark else "light"]["palette"]
    for ground in ("paper", "ground"):
        for ink in ("ink", "soft", "accent"):
            assert contrast(known[ink], known[ground]) >= TEXT, (ink, ground)
    for ground in palette["background"].values():
        for ink in (*palette["text"].values(), palette["primary"]["main"]):
            assert contrast(ink, ground) >= TEXT, (ink, ground)
    # Filled buttons.
    primary = palette["primary"]
    assert contrast(primary.get("contrastText", "#ffffff"), primary["main"]) >= TEXT


def test_badges_are_readable() -> None:
    badges = re.findall(r"\.g \.(\w+) \{ color: (#\w{6}); background: (#\w{6})", CSS)
    assert {"simulated", "sdss", "good", "bad", "waits"} <= {name for name, *_ in badges}
    for name, ink, ground in badges:
        assert contrast(ink, ground) >= TEXT, name


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_figures_are_readable(dark: bool) -> None:
    style = style_for(dark)
    for ground in (style.background, style.sky):
        for name in ("text", "muted", "emission", "absorption"):
            assert contrast(getattr(style, name), ground) >= TEXT, name
        for name in ("flux", "current", "cohort"):
            assert contrast(getattr(style, name), ground) >= GRAPHICS, name
        for colour in style.categories:
            assert contrast(colour, ground) >= GRAPHICS, colour


def seen_by(colour: str, kind: str) -> np.ndarray:
    """Linear RGB as people without one kind of cone see it (Viénot et al. 1999)."""
    parts = rgb(colour)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714],
                       [0.0299566, 0.184309, 1.46709]])  # fmt: skip
    lms = to_lms @ linear
    if kind == "protan":
        lms[0] = 2.02344 * lms[1] - 2.52581 * lms[2]
    else:
        lms[1] = 0.494207 * lms[0] + 1.24827 * lms[2]
    return np.linalg.solve(to_lms, lms)


@pytest.mark.parametrize("kind", ["protan", "deutan"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_signs_of_residuals_differ_for_the_colour_blind(dark: bool, kind: str) -> None:
    style: Style = style_for(dark)
    low, middle, high = (style.diverging[i] for i in (0, 128, -1))
    assert len(style.diverging) == 256
    ends = [seen_by(one, kind) for one in (low, middle, high)]
    blue_minus_red = [one[2] - one[0] for one in ends]
    # The negative end stays bluer, the positive one redder than the middle.
    assert blue_minus_red[0] > blue_minus_red[1] + 0.1 > blue_minus_red[2] + 0.2


def test_scales_of_residuals_have_0_in_the_middle() -> None:
    values = np.array([-0.1, 0.3, np.nan, 0.2, -0.05])
    low, high = colour_limits(values, centred=True)
    assert low == -high
    assert 0.2 < high <= 0.3
    assert colour_limits(np.full(3, np.nan), centred=True) == (-1.0, 1.0)
    assert colour_limits(np.zeros(3), centred=True) == (-1.0, 1.0)

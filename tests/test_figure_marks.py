"""Words and marks in figures: inside the frame, not on each other, and of the right sign."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from galam_explorer.app.columns import COLUMNS
from galam_explorer.app.views.base import empty_card
from galam_explorer.app.views.tables import table_html
from galam_explorer.evaluate.explain import AttentionMaps, TokenAblation, WavelengthGradient
from galam_explorer.evaluate.figures import attention
from galam_explorer.evaluate.figures.cutout import cutout_sources
from galam_explorer.evaluate.figures.features_gradient import gradient_sources
from galam_explorer.evaluate.figures.predictions import StripRow
from galam_explorer.evaluate.figures.run_curves import curves_sources


def colours(picture: dict) -> np.ndarray:
    """RGB of a packed image, first row at the top."""
    packed = np.ascontiguousarray(picture["image"][0])
    return packed.view(np.uint8).reshape(*packed.shape, 4)[::-1, :, :3].astype(int)


def test_removal_that_raises_is_orange_and_one_that_lowers_is_blue() -> None:
    image = np.full((64, 64, 3), 40, np.uint8)
    maps = AttentionMaps("a", "m4", np.full((1, 1, 8, 8), 1 / 64), image, image, (0, 64, 0, 64))
    change = np.zeros((8, 8, 2))
    change[1, 2, 0], change[5, 6, 0] = 0.02, -0.02
    ablation = TokenAblation("a", "m4", change, np.full(2, np.nan), maps.weights)
    (picture, _), _ = attention.ablation_sources(maps, ablation, "log_age")
    shown = colours(picture)
    side = len(shown) // 8
    cells = shown.reshape(8, side, 8, side, 3).mean(axis=(1, 3))
    red, _, blue = np.moveaxis(cells, -1, 0)
    assert red[1, 2] > blue[1, 2] + 60
    assert blue[5, 6] > red[5, 6] + 60
    # What changes nothing is the picture as it is.
    assert cells[0, 0] == pytest.approx(shown[0, 0])
    assert red[0, 0] == blue[0, 0]


@pytest.mark.parametrize("z", [0.0, 0.03, 0.1, 0.25])
def test_names_of_lines_stand_inside_the_frame_in_rows(z: float) -> None:
    wave = np.arange(3830.0, 8001.0)
    gradient = WavelengthGradient(
        "a", "log_age", wave, np.ones(len(wave)), np.zeros(len(wave)), 9.0
    )
    sources, axes = gradient_sources(gradient, z)
    names = sources[-1]
    assert len(names["x"]) >= 5
    half = np.array([46.0 * len(one) for one in names["text"]])
    assert (names["x"] - half >= axes["xlim"][0] - 1e-6).all()
    assert (names["x"] + half <= axes["xlim"][1] + 1e-6).all()
    for row in set(names["down"]):
        mine = names["down"] == row
        left, right = (names["x"] - half)[mine], (names["x"] + half)[mine]
        order = np.argsort(left)
        assert (left[order][1:] >= right[order][:-1] - 1e-6).all()


def test_letters_of_the_compass_begin_at_the_tips_of_its_arrows() -> None:
    sources, _ = cutout_sources(np.zeros((64, 64, 3), np.uint8), 0.4, note="SIMULATED")
    segments, words, corner = sources[2], sources[4], sources[5]
    place = dict(zip(words["text"], zip(words["x"], words["y"], strict=True), strict=True))
    kind = dict(zip(words["text"], words["align"], strict=True))
    assert place["N"][1] == pytest.approx(max(segments["y1"]))
    assert place["E"][0] < min(segments["x1"][1:])
    assert (kind["N"], kind["E"]) == ("center", "right")
    assert corner["text"] == ["SIMULATED"]


def test_the_ring_is_at_the_epoch_whose_weights_are_kept() -> None:
    metrics = [
        {"stage": "m3", "epoch": epoch, "train_loss": 0.0, "val_loss": loss,
         "val_rmse_log_age": rmse}
        for epoch, (loss, rmse) in enumerate([(3.0, 0.3), (2.0, 0.1), (1.0, 0.2)], 1)
    ]  # fmt: skip
    for measure, value in (("loss", 1.0), ("skill", 0.2)):
        ring = curves_sources(metrics, (), "m3", measure)[4]
        assert ring["epoch"].tolist() == [3]
        assert ring["value"].tolist() == [value]
    assert len(curves_sources([], (), "m3")[4]["epoch"]) == 0


def test_numbers_have_no_negative_zero() -> None:
    assert StripRow("", "", -0.001, -0.101, 0.099).text == "0.00 ± 0.10"
    assert COLUMNS["true_m_h"].text(-0.001).startswith("0.00")


def test_tables_have_their_points_below_each_other() -> None:
    text = table_html(pd.DataFrame({"a": [0.158, -0.013724, 0.0, 2.5e-5, float("nan")]}))
    cells = [one.split("</td>")[0] for one in text.split("<td>")[1:]]
    assert cells == ["0.1580", "-0.0137", "0.0000", "2.5e-05", ""]


def test_cards_show_commands_as_such_and_nothing_else_as_markup() -> None:
    card = empty_card("None", "Try `galam train <SURVEY>`.")
    assert "<code>galam train &lt;SURVEY&gt;</code>" in card
    assert "<b>None</b>" in card

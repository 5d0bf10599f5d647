"""The tool that compares simulated with real cutouts."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from galam_explorer.survey.simulation.model import LightComponent
from galam_explorer.survey.simulation.render import render_cutout

ROOT = Path(__file__).parents[1]
BULGE = LightComponent("bulge", (17.4, 16.5, 16.1), 1.0, 4.0, 0.8, 30.0, 0.0)
DISC = LightComponent("disc", (16.9, 16.4, 16.1), 3.5, 1.0, 0.5, 30.0, 0.3)
ALONE = {"z": 0.05, "blend_probability": 0.0, "neighbour_density": 0.0}


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg))).astype(float)


def disc(**changes: float) -> LightComponent:
    return LightComponent(**(dict(vars(DISC)) | changes))


def comparison():
    path = ROOT / "tools" / "compare_cutouts.py"
    spec = importlib.util.spec_from_file_location("compare_cutouts", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_comparison_measures_what_was_drawn() -> None:
    tool = comparison()
    options = {"size": tool.SIZE, "scale": 0.15, **ALONE}
    edge_on = disc(axis_ratio=0.25, mags=(17.4, 16.4, 15.9), young_fraction=0.0)
    face_on = disc(axis_ratio=1.0, mags=(16.6, 16.4, 16.3), young_fraction=0.0)
    red, blue = (
        tool.measure(pixels(render_cutout([part], rng(), **options).jpeg).astype(np.uint8))
        for part in (edge_on, face_on)
    )
    assert red["colour G/B"] > blue["colour G/B"] + 0.1
    assert red["axis ratio"] < 0.5 < 0.8 < blue["axis ratio"]
    assert red["other sources"] <= 1
    assert tool.measure(np.zeros((tool.SIZE, tool.SIZE, 3), np.uint8)) is None


def test_comparison_is_zero_for_equal_samples_and_grows_with_a_shift() -> None:
    tool = comparison()
    table = {name: rng().normal(size=50) for name in tool.QUANTITIES}
    assert all(row["ks"] == row["wasserstein_sd"] == 0 for row in tool.compare(table, table))
    shifted = {name: values + 3 * values.std() for name, values in table.items()}
    for row in tool.compare(table, shifted):
        assert row["ks"] > 0.8
        assert row["wasserstein_sd"] == pytest.approx(3.0)


def test_comparison_runs_from_files_to_figure(tmp_path: Path, capsys, monkeypatch) -> None:
    tool = comparison()
    folder = tmp_path / "real"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no image")
    for number in range(3):
        drawn = render_cutout([BULGE, DISC], rng(number), z=0.05, size=tool.SIZE, scale=0.15)
        (folder / f"{number}.jpg").write_bytes(drawn.jpeg)
    figure = tmp_path / "figure.png"
    arguments = ["compare", str(folder), "--n", "3", "--figure", str(figure)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert tool.main() == 0
    said = capsys.readouterr()
    assert "broken.jpg: skipped" in said.err
    assert "background rms G" in said.out
    with Image.open(figure) as image:
        assert image.size[0] > 800


def test_comparison_names_an_empty_folder(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path), "--n", "2"])
    assert comparison().main() == 1
    assert "no JPEG files" in capsys.readouterr().err

"""`galam predict`: files, folders and surveys in; tables of every format out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from predict_setup import finished_model, prepared_survey
from small_survey import draw, jpeg
from typer.testing import CliRunner

from galam_explorer.cli.main import app
from galam_explorer.errors import GalamError
from galam_explorer.evaluate.predict import load_model
from galam_explorer.evaluate.predict_files import FORMATS, predict_files, write_predictions
from galam_explorer.survey import Survey
from galam_explorer.survey.demo import ppxf_spectra
from galam_explorer.survey.sdss_files import read_spectrum_file


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return prepared_survey(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def folder(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_model(tmp_path_factory.mktemp("models"), survey)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A real spectrum with an image that bears its id, an image alone, and two bad files."""
    where = tmp_path / "mine"
    where.mkdir()
    shutil.copy(ppxf_spectra()[0], where / "mine.fits")
    rng = np.random.default_rng(0)
    name = read_spectrum_file(ppxf_spectra()[0]).id
    (where / f"image-{name}.jpg").write_bytes(jpeg(draw(rng)))
    (where / "alone.jpg").write_bytes(jpeg(draw(rng)))
    (where / "broken.fits").write_bytes(b"nonsense")
    (where / "notes.txt").write_text("not a galaxy")
    return where


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_folder_of_files(folder: Path, files: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.parquet"
    code, text, log = run(folder, files, "--out", out, "--workers", 1, "--json")
    assert code == 0, log
    summary = json.loads(text.splitlines()[-1])
    table = pd.read_parquet(out)
    assert summary["galaxies"] == len(table) == 2
    assert any("broken.fits" in line for line in summary["problems"])
    assert any("notes.txt" in line for line in summary["problems"])
    assert "broken.fits" in log
    image = table.set_index("id").loc["alone"]
    assert image["m1_status"] == "no_spectrum"
    assert np.isfinite(image[["m4_log_age", "m4_log_age_lo90"]].astype(float)).all()
    both = table[table["id"] != "alone"].iloc[0]
    assert both["m1_status"] == "ok"
    assert both["source"] == str(files)


def test_single_files_give_the_same_as_their_folder(
    folder: Path, files: Path, tmp_path: Path
) -> None:
    model = load_model(folder)
    whole = predict_files(model, [files], workers=1).table.set_index("id")
    good = [path for path in files.iterdir() if path.suffix in (".jpg", ".fits")]
    single = predict_files(model, good, workers=1)
    assert len(single.problems) == 1
    assert "broken.fits" in single.problems[0]
    again = single.table.set_index("id").loc[whole.index]
    assert again["source"].eq("files").all()
    for name in ("m1_log_age", "m4_m_h_hi68", "m3_domain"):
        np.testing.assert_array_equal(again[name], whole[name])


def test_domain_warning_comes_before_the_numbers(
    folder: Path, survey: Survey, tmp_path: Path
) -> None:
    # Noise is nothing like the drawn galaxies that the tiny model knows.
    odd = tmp_path / "odd"
    odd.mkdir()
    grey = np.full((128, 128, 3), 20, np.uint8)
    grey[30:98, 30:98] = (250, 20, 120)
    grey[50:70, 20:110] = (10, 240, 10)
    (odd / "odd.jpg").write_bytes(jpeg(grey))
    code, _, log = run(folder, odd, "--out", tmp_path / "odd.csv", "--workers", 1)
    assert code == 0, log
    table = pd.read_csv(tmp_path / "odd.csv")
    assert table["m3_status"].tolist() == ["ok"]
    assert table["m3_domain"][0] > 0.99
    assert log.index("Outside the training domain") < log.index("galaxy, tiny")


@pytest.mark.parametrize("suffix", list(FORMATS))
def test_every_format_reads_back(folder: Path, survey: Survey, tmp_path: Path, suffix: str) -> None:
    table = load_model(folder).predict(survey).head(20)
    path = tmp_path / f"table{suffix}"
    write_predictions(table, path, {"model": "tiny", "hash": "0123"})
    if suffix == ".parquet":
        back = pd.read_parquet(path)
    elif suffix == ".csv":
        back = pd.read_csv(path)
    else:
        read = Table.read(path, format=FORMATS[suffix])
        assert "68 %" in read["m4_log_age_lo68"].description
        if suffix == ".ecsv":
            assert str(read["m1_m_h"].unit) == "dex"
            assert str(read["m1_log_age"].unit) == "dex(yr)"
        else:
            assert "dex" in read["m1_m_h"].description
        read.convert_bytestring_to_unicode()
        back = read.to_pandas()
    assert list(back.columns) == list(table.columns)
    assert back["id"].tolist() == table["id"].tolist()
    assert back["m1_status"].tolist() == table["m1_status"].tolist()
    numbers = table["m4_log_age"].to_numpy()
    np.testing.assert_allclose(back["m4_log_age"].to_numpy(float), numbers, rtol=1e-12)


def test_a_survey_by_its_folder(folder: Path, survey: Survey, tmp_path: Path) -> None:
    out = tmp_path / "survey.ecsv"
    code, text, log = run(folder, survey.path, "--out", out, "--json")
    assert code == 0, log
    assert json.loads(text.splitlines()[-1])["galaxies"] == 180
    meta = Table.read(out).meta
    assert meta["hash"] == load_model(folder).hash


def test_bad_input_is_one_line_and_writes_nothing(
    folder: Path, files: Path, tmp_path: Path
) -> None:
    cases = [
        ((folder, files, "--out", tmp_path / "t.xlsx"), "unknown table format"),
        ((folder, tmp_path / "gone.fits", "--out", tmp_path / "t.csv"), "no such file"),
        ((tmp_path / "nomodel", files, "--out", tmp_path / "t.csv"), "no such model"),
        ((folder, files / "broken.fits", "--out", tmp_path / "t.csv"), "nothing to predict"),
    ]
    for arguments, message in cases:
        code, _, log = run(*arguments)
        assert code == 1
        assert message in log
        assert "Traceback" not in log
    assert not list(tmp_path.glob("t.*"))
    with pytest.raises(GalamError, match="no input"):
        predict_files(load_model(folder), [])

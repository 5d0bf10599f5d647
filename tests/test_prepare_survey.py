"""Preparing whole surveys: rows, statuses, resuming, growing, failing."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from galam_explorer.config import PreprocessConfig
from galam_explorer.errors import GalamError
from galam_explorer.preprocess import (
    load_prepared,
    prepare_cutout,
    prepare_spectrum,
    prepare_survey,
)
from galam_explorer.preprocess import work as work_module
from galam_explorer.records import Cutout, Galaxy, Spectrum
from galam_explorer.survey import Survey, SurveyWriter, load_survey


def make_galaxy(number: int, spectrum: bool = True, cutout: bool = True) -> Galaxy:
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:64, :64]
    light = 200 * np.exp(-np.hypot(columns - 31.5, (rows - 31.5) * rng.uniform(1, 2)) / 4)
    pixels = np.clip(light[..., None] + rng.normal(6, 3, (64, 64, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    n = 3850
    flux = (10 + rng.normal(0, 1, n)).astype(np.float32)
    return Galaxy(
        id=f"g-{number:05d}",
        origin="simulated",
        spectrum=Spectrum(flux, np.ones(n, np.float32), 3.5797) if spectrum else None,
        cutout=Cutout(buffer.getvalue(), 0.4) if cutout else None,
    )


def write_survey(path: Path, sizes: list[int]) -> Survey:
    writer = SurveyWriter(path, "test", "simulated", {})
    first = 0
    for index, size in enumerate(sizes):
        galaxies = [make_galaxy(n, n % 3 > 0, n % 7 > 0) for n in range(first, first + size)]
        writer.write_shard(index, galaxies)
        first += size
    return load_survey(path)


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    return write_survey(tmp_path / "s", [40, 25, 5])


def test_rows_are_the_catalogue_s_and_hold_what_single_calls_give(survey: Survey) -> None:
    seen = []
    sample = prepare_survey(survey, workers=1, progress=lambda *now: seen.append(now))
    assert sample.ids == survey.ids
    assert sample.images.shape == (70, 128, 128, 3)
    assert sample.spectra.shape == (70, 4171)
    assert seen[0] == (0, 70)
    assert seen[-1] == (70, 70)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    for row, galaxy in enumerate(survey):
        spectrum, image = prepare_spectrum(galaxy.spectrum), prepare_cutout(galaxy.cutout)
        status = sample.status.iloc[row]
        assert (status.spectrum_status, status.image_status) == (spectrum.status, image.status)
        first = spectrum if spectrum.status != "ok" else image
        assert (status.status, status.reason) == (first.status, first.reason)
        empty = np.zeros((128, 128, 3))
        np.testing.assert_array_equal(
            sample.images[row], empty if image.cropped is None else image.cropped
        )
        expected = 0 if spectrum.values is None else spectrum.values
        np.testing.assert_array_equal(sample.spectra[row], np.broadcast_to(expected, 4171))


def test_counts_and_rows(survey: Survey) -> None:
    sample = prepare_survey(survey, workers=1)
    assert sum(sample.counts().values()) == 70
    assert sample.counts()["no_spectrum"] == 24
    assert sample.counts("image_status")["no_cutout"] == 10
    rows = sample.rows(spectrum_status="ok", image_status="ok")
    np.testing.assert_array_equal(rows, sample.rows(status="ok"))
    with pytest.raises(GalamError, match="no status column"):
        sample.rows(verdict="ok")


def test_workers_give_the_same_bytes_and_the_second_call_loads(
    survey: Survey, tmp_path: Path
) -> None:
    one = prepare_survey(survey, workers=1)
    copy = write_survey(tmp_path / "copy", [40, 25, 5])
    two = prepare_survey(copy, workers=2)
    for name in ("images.npy", "spectra.npy", "status.parquet", "config.json"):
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes(), name
    stamp = (two.path / "images.npy").stat().st_mtime_ns
    again = prepare_survey(copy, workers=2)
    assert (again.path / "images.npy").stat().st_mtime_ns == stamp
    assert sorted(one.name for one in again.path.iterdir()) == [
        "config.json", "images.npy", "manifest.json", "spectra.npy", "status.parquet",
    ]  # fmt: skip


SCRIPT = """
import sys
from galam_explorer.preprocess import prepare_survey
from galam_explorer.survey import load_survey
if __name__ == "__main__":
    prepare_survey(load_survey(sys.argv[1]), workers=2, progress=lambda a, b: print(a, flush=True))
"""


def test_killed_half_way_and_started_again_gives_the_same_bytes(tmp_path: Path) -> None:
    sizes = [30] * 6
    undisturbed = prepare_survey(write_survey(tmp_path / "a", sizes), workers=1)
    survey = write_survey(tmp_path / "b", sizes)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(survey.path)], stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if int(line) >= 60:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    partial = undisturbed.path.name + ".partial"
    parts = survey.path / "prepared" / partial / "parts"
    done = len(list(parts.glob("part-*.parquet")))
    assert 0 < done < len(sizes), "the kill came too late or too early to test anything"
    with pytest.raises(GalamError, match="not prepared"):
        load_prepared(survey)
    resumed = prepare_survey(survey, workers=1)
    assert "going on" in resumed.notes[0]
    for name in ("images.npy", "spectra.npy", "status.parquet"):
        assert (undisturbed.path / name).read_bytes() == (resumed.path / name).read_bytes(), name
    assert not (survey.path / "prepared" / partial).exists()


def test_a_survey_that_grew_is_prepared_only_where_it_is_new(
    survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_survey(survey, workers=1)
    SurveyWriter(survey.path, "test", "simulated", {}).append(
        [make_galaxy(n) for n in range(500, 510)]
    )
    grown = load_survey(survey.path)
    with pytest.raises(GalamError, match="has changed since"):
        load_prepared(grown)
    calls = []
    original = work_module.prepare_cutout
    monkeypatch.setattr(
        work_module, "prepare_cutout", lambda *a, **k: calls.append(a) or original(*a, **k)
    )
    sample = prepare_survey(grown, workers=1)
    assert len(calls) == 10
    assert "3 of 4 shards are as before" in sample.notes[0]
    fresh = write_survey(tmp_path / "fresh", [40, 25, 5])
    SurveyWriter(fresh.path, "test", "simulated", {}).append(
        [make_galaxy(n) for n in range(500, 510)]
    )
    expected = prepare_survey(load_survey(fresh.path), workers=1)
    np.testing.assert_array_equal(sample.images, expected.images)
    np.testing.assert_array_equal(sample.spectra, expected.spectra)
    assert sample.status.equals(expected.status)


def test_a_replaced_shard_is_prepared_again(survey: Survey) -> None:
    before = prepare_survey(survey, workers=1)
    images = np.array(before.images)
    writer = SurveyWriter(survey.path, "test", "simulated", {})
    writer.write_shard(1, [make_galaxy(n) for n in range(900, 903)])
    after = prepare_survey(load_survey(survey.path), workers=1)
    assert len(after) == 48
    np.testing.assert_array_equal(after.images[:40], images[:40])
    np.testing.assert_array_equal(after.images[43:], images[65:])
    assert after.images[40].any()


def test_extra_galaxies_come_last_and_repeated_ids_once(tmp_path: Path) -> None:
    writer = SurveyWriter(tmp_path / "s", "test", "simulated", {})
    writer.write_shard(0, [make_galaxy(n) for n in (1, 2, 3)])
    writer.write_shard(1, [make_galaxy(n) for n in (2, 4)])
    survey = Survey(tmp_path / "s", extra=[make_galaxy(3), make_galaxy(9, cutout=False)])
    sample = prepare_survey(survey, workers=1)
    assert sample.ids == survey.ids == [f"g-{n:05d}" for n in (1, 2, 3, 4, 9)]
    np.testing.assert_array_equal(sample.images[3], prepare_cutout(make_galaxy(4).cutout).cropped)
    assert sample.status["image_status"].iloc[4] == "no_cutout"
    assert sample.spectra[4].any()


def test_one_bad_galaxy_or_shard_does_not_end_the_run(tmp_path: Path) -> None:
    writer = SurveyWriter(tmp_path / "s", "test", "simulated", {})
    bad = Galaxy(id="bad", origin="local", cutout=Cutout(b"\xff\xd8 broken"))
    writer.write_shard(0, [make_galaxy(1), bad, make_galaxy(2)])
    path = writer.write_shard(1, [make_galaxy(n) for n in range(10, 80)])
    damaged = bytearray(path.read_bytes())
    place = len(damaged) // 2
    damaged[place : place + 200] = b"\x00" * 200
    path.write_bytes(bytes(damaged))
    survey = load_survey(tmp_path / "s")
    assert len(survey) == 73
    sample = prepare_survey(survey, workers=1)
    status = sample.status.set_index("id")
    assert status.loc["bad", "image_status"] == "bad_cutout"
    assert status.loc["g-00002", "status"] == "ok"
    unreadable = status[status["status"] == "unreadable"]
    assert 0 < len(unreadable) < 70
    assert "part-00001" in unreadable["reason"].iloc[0]


def test_other_configurations_have_their_own_folder(survey: Survey) -> None:
    robust = prepare_survey(survey, "robust", workers=1)
    paper = prepare_survey(survey, "paper", workers=1)
    assert robust.path != paper.path
    assert load_prepared(survey, "paper").path == paper.path
    config = PreprocessConfig.from_json((paper.path / "config.json").read_text())
    assert config == PreprocessConfig.paper()


def test_unwritable_places_are_one_line(survey: Survey) -> None:
    lock = survey.path / "prepared" / (PreprocessConfig.robust().hash + ".lock")
    lock.mkdir(parents=True)
    with pytest.raises(GalamError, match="cannot write"):
        prepare_survey(survey, "robust", workers=1)
    with pytest.raises(GalamError, match="at least 1"):
        prepare_survey(survey, "robust", workers=0)


def test_a_full_disk_is_one_line_and_loses_nothing(
    survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = prepare_survey(survey, "paper", workers=1)
    real_open, written = open, []

    class Filling:
        """A file on a disk that fills up after three writes."""

        def __init__(self, stream) -> None:
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *error) -> None:
            self.stream.close()

        def __getattr__(self, name: str):
            return getattr(self.stream, name)

        def write(self, block: bytes) -> None:
            written.append(len(block))
            if len(written) > 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.stream.write(block)

    monkeypatch.setattr(work_module, "open", lambda *a: Filling(real_open(*a)), raising=False)
    with pytest.raises(GalamError, match="disk is full"):
        prepare_survey(survey, "robust", workers=1)
    monkeypatch.undo()
    assert len(load_prepared(survey, "paper")) == len(finished)
    resumed = prepare_survey(survey, "robust", workers=1)
    for row in (0, 1, 39, 69):
        image = prepare_cutout(survey[survey.ids[row]].cutout).cropped
        np.testing.assert_array_equal(resumed.images[row], 0 if image is None else image)


def test_two_at_once_are_refused(survey: Survey) -> None:
    fcntl = pytest.importorskip("fcntl")
    lock = survey.path / "prepared" / (PreprocessConfig.robust().hash + ".lock")
    lock.parent.mkdir()
    with open(lock, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(GalamError, match="another process"):
            prepare_survey(survey, workers=1)


def test_a_damaged_sample_is_reported(survey: Survey) -> None:
    sample = prepare_survey(survey, workers=1)
    (sample.path / "status.parquet").write_bytes(b"nothing")
    with pytest.raises(GalamError, match="damaged"):
        load_prepared(survey)


def test_an_interrupted_pool_stops_and_resumes(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "s", [30] * 6)

    def interrupt(done: int, total: int) -> None:
        if done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_survey(survey, workers=2, progress=interrupt)
    assert not [one for one in multiprocessing.active_children() if one.is_alive()]
    assert len(prepare_survey(survey, workers=1)) == 180


def test_command_line(survey: Survey) -> None:
    import typer
    from typer.testing import CliRunner

    from galam_explorer.cli.prepare import prepare_command

    app = typer.Typer()
    app.command()(prepare_command)
    run = CliRunner().invoke(
        app, [str(survey.path), "--preprocess", "paper", "--workers", "1", "--json"]
    )
    assert run.exit_code == 0, run.output
    summary = json.loads(run.stdout.strip().splitlines()[-1])
    assert summary["galaxies"] == 70
    assert summary["counts"]["image_status"]["no_cutout"] == 10
    assert CliRunner().invoke(app, [str(survey.path), "--preprocess", "best"]).exit_code == 1
    assert CliRunner().invoke(app, ["nowhere"]).exit_code == 1

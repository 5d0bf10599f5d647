"""The simulated survey as a whole: reproducible, resumable, consistent."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from galam_explorer.config import SimulationConfig
from galam_explorer.errors import GalamError
from galam_explorer.survey import Survey, load_survey
from galam_explorer.survey.images import decode_cutout
from galam_explorer.survey.simulation.footprint import clustered_position, in_footprint
from galam_explorer.survey.simulation.run import simulate_galaxy, simulate_survey

SMALL = SimulationConfig(n=48, seed=7, spectrum_fraction=0.5, shard_size=12)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return simulate_survey(SMALL, tmp_path_factory.mktemp("sim") / "s", workers=1)


def shard_bytes(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((path / "shards").glob("*.parquet"))}


def test_the_number_of_workers_does_not_matter(survey: Survey, tmp_path: Path) -> None:
    other = simulate_survey(SMALL, tmp_path / "s", workers=2)
    assert shard_bytes(other.path) == shard_bytes(survey.path)


def test_killed_half_way_and_started_again(survey: Survey, tmp_path: Path) -> None:
    out = tmp_path / "s"
    code = (
        "from galam_explorer.config import SimulationConfig as C;"
        "from galam_explorer.survey.simulation.run import simulate_survey;"
        f"simulate_survey(C.from_json({SMALL.to_json()!r}), {str(out)!r}, workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 120
    while not (out / "shards" / "part-00001.parquet").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = shard_bytes(out)
    assert 2 <= len(there) < 4, "killed too late to show anything"
    times = {file.name: file.stat().st_mtime_ns for file in (out / "shards").glob("*.parquet")}
    again = simulate_survey(SMALL, out, workers=1)
    assert shard_bytes(again.path) == shard_bytes(survey.path)
    for name, written in times.items():
        assert (out / "shards" / name).stat().st_mtime_ns == written, "made twice"


def test_a_galaxy_does_not_depend_on_its_survey(survey: Survey) -> None:
    alone = simulate_galaxy(SMALL.replace(n=1000), 13)
    stored = survey["sim-7-000013"]
    assert alone.truth == stored.truth
    assert alone.cutout.encoded == stored.cutout.encoded
    assert simulate_galaxy(SMALL.replace(seed=8), 13).truth != stored.truth


def test_the_papers_selection_and_what_an_image_only_galaxy_knows(survey: Survey) -> None:
    catalog = survey.catalog
    assert (catalog["origin"] == "simulated").all()
    assert catalog["true_z"].between(0.002, 0.3).all()
    observed = catalog[catalog["has_spectrum"]]
    assert 10 < len(observed) < 40
    assert (observed["sn_r"] >= 5).all()
    np.testing.assert_array_equal(observed["z"], observed["true_z"])
    alone = catalog[~catalog["has_spectrum"]]
    assert alone["z"].isna().all()
    assert alone["sn_r"].isna().all()
    assert catalog["has_cutout"].all()
    assert catalog["true_log_age"].between(7.5, 10.2).all()
    assert catalog["true_m_h"].between(-2, 0.4).all()
    assert in_footprint(catalog["ra"], catalog["dec"]).all()


def test_arrays_are_what_the_records_promise(survey: Survey) -> None:
    galaxy = survey[survey.select(has_spectrum=True)[0]]
    spectrum = galaxy.spectrum
    assert len(spectrum.flux) == len(spectrum.ivar) == len(spectrum.wdisp) == len(spectrum.and_mask)
    assert spectrum.wavelength[0] < 3830
    assert spectrum.wavelength[-1] > 8000
    assert np.isfinite(spectrum.flux).all()
    assert decode_cutout(galaxy.cutout).shape == (128, 128, 3)


def test_colour_and_spectrum_tell_one_story(survey: Survey) -> None:
    """Red images belong to red spectra: both are drawn from the same stars."""
    reds, slopes = [], []
    for galaxy in survey:
        if galaxy.spectrum is None:
            continue
        centre = decode_cutout(galaxy.cutout)[54:74, 54:74].astype(float)
        reds.append(centre[..., 0].mean() / centre[..., 2].mean())
        spectrum = galaxy.spectrum
        wave = spectrum.wavelength / (1 + galaxy.z)
        blue = np.median(spectrum.flux[(wave > 4000) & (wave < 4500)])
        slopes.append(np.median(spectrum.flux[(wave > 5800) & (wave < 6300)]) / blue)
    assert np.corrcoef(reds, slopes)[0, 1] > 0.5


def test_positions_cluster() -> None:
    def close_pairs(places: np.ndarray) -> int:
        vectors = np.radians(places)
        ra, dec = vectors.T
        points = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
        near = points @ points.T > np.cos(np.radians(0.3))
        return int(near.sum() - len(points)) // 2

    places = [clustered_position(3, 0.08, np.random.default_rng([1, i])) for i in range(1500)]
    even = [
        clustered_position(3, 0.002 + 0.0002 * i, np.random.default_rng([2, i]))
        for i in range(1500)
    ]
    assert close_pairs(np.array(places)) > 2 * close_pairs(np.array(even))


def test_another_survey_in_the_folder_is_not_overwritten(survey: Survey) -> None:
    before = shard_bytes(survey.path)
    with pytest.raises(GalamError, match="another provenance"):
        simulate_survey(SMALL.replace(seed=8), survey.path, workers=1)
    assert shard_bytes(survey.path) == before


@pytest.mark.parametrize(
    ("field", "value"), [("n", 0), ("n", 1.5), ("seed", -1), ("spectrum_fraction", 1.5)]
)
def test_impossible_choices_are_named(field: str, value: float) -> None:
    with pytest.raises(GalamError, match=f"SimulationConfig.{field}"):
        SimulationConfig(**{field: value})


def test_config_travels_as_json() -> None:
    assert SimulationConfig.from_json(SMALL.to_json()) == SMALL
    assert SMALL.hash != SMALL.replace(n=49).hash
    with pytest.raises(GalamError, match="unknown field 'nn'"):
        SimulationConfig.from_json('{"nn": 3}')


def test_demo_is_as_promised() -> None:
    demo = load_survey("demo")
    catalog = demo.catalog
    simulated = catalog[catalog["origin"] == "simulated"]
    assert len(simulated) >= 2000
    assert simulated["has_spectrum"].sum() >= 600
    assert catalog[catalog["origin"] == "sdss"]["has_spectrum"].sum() == 2
    assert demo.problems == []
    assert demo.provenance["simulation"]["seed"] == 0
    assert sum(f.stat().st_size for f in demo.path.rglob("*") if f.is_file()) < 25e6
    # The demo is what today's code makes of its recorded configuration.
    config = SimulationConfig.from_dict(demo.provenance["simulation"])
    for number in (0, 1234):
        stored = demo[f"sim-{number:06d}"]
        assert simulate_galaxy(config, number).truth == pytest.approx(stored.truth, rel=1e-6)

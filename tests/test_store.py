"""The survey store through its public interface."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from galam_explorer.errors import GalamError
from galam_explorer.records import Cutout, Galaxy, Spectrum
from galam_explorer.survey import Survey, SurveyWriter, load_survey
from galam_explorer.survey.store import iter_shard


def make_galaxy(number: int, spectrum: bool = True, cutout: bool = True, **fields) -> Galaxy:
    rng = np.random.default_rng(number)
    arrays = Spectrum(
        flux=rng.normal(10, 1, 100 + number % 7).astype(np.float32),
        ivar=rng.uniform(0, 2, 100 + number % 7).astype(np.float32),
        loglam0=3.58,
        and_mask=rng.integers(0, 2, 100 + number % 7, dtype=np.int32),
        wdisp=None if number % 2 else np.ones(100 + number % 7, np.float32),
    )
    values = {"id": f"sim-{number:06d}", "origin": "simulated", "ra": 10.0 + number, "dec": -1.0}
    values |= {"z": 0.01 * number, "sn_r": float(number), "truth": {"true_log_age": 9.0 + number}}
    values |= fields
    return Galaxy(
        **values,
        spectrum=arrays if spectrum else None,
        cutout=Cutout(bytes([number % 256]) * 50, 0.396) if cutout else None,
    )


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    writer = SurveyWriter(tmp_path / "s", "small", "simulated", {"seed": 1})
    writer.write_shard(0, [make_galaxy(n, spectrum=n % 3 > 0) for n in range(70)])
    writer.write_shard(1, [make_galaxy(n, cutout=n % 5 > 0) for n in range(70, 100)])
    return load_survey(tmp_path / "s")


def assert_same(left: Galaxy, right: Galaxy) -> None:
    assert (left.id, left.origin, left.ra, left.z) == (right.id, right.origin, right.ra, right.z)
    assert left.truth == right.truth
    assert (left.spectrum is None) == (right.spectrum is None)
    assert (left.cutout is None) == (right.cutout is None)
    if left.cutout is not None:
        assert left.cutout.encoded == right.cutout.encoded
        assert left.cutout.scale == pytest.approx(right.cutout.scale)
    if left.spectrum is not None:
        for name in ("flux", "ivar", "and_mask", "wdisp"):
            a, b = getattr(left.spectrum, name), getattr(right.spectrum, name)
            assert (a is None) == (b is None)
            if a is not None:
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


def test_every_galaxy_comes_back_as_it_went_in(survey: Survey) -> None:
    assert len(survey) == 100
    for number in (0, 31, 32, 63, 64, 69, 70, 99):
        expected = make_galaxy(
            number,
            spectrum=number >= 70 or number % 3 > 0,
            cutout=number < 70 or number % 5 > 0,
        )
        assert_same(survey[f"sim-{number:06d}"], expected)


def test_catalogue_and_selection(survey: Survey) -> None:
    assert survey.kind == "simulated"
    assert survey.provenance == {"seed": 1}
    assert survey.ids[:2] == ["sim-000000", "sim-000001"]
    assert "flux" not in survey.catalog
    assert survey.column("has_spectrum").sum() == 76
    assert survey.select(z=(0.1, 0.2), sn_r=(15, None)) == [f"sim-{n:06d}" for n in range(15, 21)]
    assert len(survey.select(has_cutout=False)) == 6
    with pytest.raises(GalamError, match="no column 'nonsense'"):
        survey.column("nonsense")


def test_batches_cover_everything_once(survey: Survey) -> None:
    batches = list(survey.iter_batches(batch_size=33))
    assert [len(batch) for batch in batches] == [33, 33, 33, 1]
    assert [galaxy.id for batch in batches for galaxy in batch] == survey.ids
    assert sum(len(batch) for batch in iter_shard(survey.shards[0].path)) == 70


def test_unknown_id_and_path(survey: Survey, tmp_path: Path) -> None:
    for wrong in ("sim-x", "", 7, None):
        with pytest.raises(GalamError, match="no galaxy"):
            survey[wrong]
        assert wrong not in survey
    with pytest.raises(GalamError, match="no survey here"):
        load_survey(tmp_path / "nowhere")


def test_a_shard_cut_short_is_reported_and_the_rest_stays(survey: Survey) -> None:
    path = survey.shards[0].path
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(GalamError, match="open the survey again"):
        survey["sim-000069"]
    again = load_survey(survey.path)
    assert len(again) == 30
    assert len(again.problems) == 1
    assert "part-00000" in again.problems[0]
    writer = SurveyWriter(survey.path, "small", "simulated", {"seed": 1})
    assert not writer.has_shard(0)
    assert writer.has_shard(1)


def test_a_flipped_byte_inside_a_shard_is_noticed(survey: Survey) -> None:
    path = survey.shards[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    fresh = load_survey(survey.path)
    failures = 0
    for galaxy_id in [f"sim-{n:06d}" for n in range(70)]:
        try:
            if galaxy_id in fresh:
                number = int(galaxy_id[-6:])
                assert_same(fresh[galaxy_id], make_galaxy(number, spectrum=number % 3 > 0))
        except GalamError:
            failures += 1
    assert failures or fresh.problems, "neither the reader nor the opening noticed"


def test_leftovers_of_a_crash_are_ignored(survey: Survey) -> None:
    (survey.path / "shards" / ".part-00002.parquet.123.tmp").write_bytes(b"half")
    assert len(load_survey(survey.path)) == 100


def test_duplicate_ids(survey: Survey) -> None:
    writer = SurveyWriter(survey.path, "small", "simulated", {"seed": 1})
    with pytest.raises(GalamError, match="twice"):
        writer.write_shard(2, [make_galaxy(1), make_galaxy(1)])
    assert not writer.has_shard(2)
    writer.write_shard(2, [make_galaxy(5, ra=99.0), make_galaxy(200)])
    again = load_survey(survey.path)
    assert len(again) == 101
    assert again["sim-000005"].ra == 15.0
    assert again["sim-000200"].ra == 210.0
    assert any("sim-000005" in problem for problem in again.problems)


def test_append_goes_on_where_it_was(survey: Survey) -> None:
    writer = SurveyWriter(survey.path, "small", "simulated", {"seed": 1})
    before = load_survey(survey.path).fingerprint
    assert writer.append(make_galaxy(n) for n in range(300, 305)) == 5
    again = load_survey(survey.path)
    assert again.ids[-5:] == [f"sim-{n:06d}" for n in range(300, 305)]
    assert again.fingerprint != before


def test_writer_refuses_what_it_would_damage(survey: Survey, tmp_path: Path) -> None:
    with pytest.raises(GalamError, match="another provenance"):
        SurveyWriter(survey.path, "small", "simulated", {"seed": 2})
    with pytest.raises(GalamError, match="kind must be"):
        SurveyWriter(tmp_path / "t", "t", "imagined")
    (tmp_path / "file").write_text("x")
    with pytest.raises(GalamError, match="a file, not a folder"):
        SurveyWriter(tmp_path / "file", "t", "local")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(GalamError, match="not empty"):
        SurveyWriter(tmp_path / "full", "t", "local")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(GalamError, match="cannot write here"):
        SurveyWriter(tmp_path / "s", "t", "local")


def test_full_disk(survey: Survey) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    from galam_explorer.survey.atomic import atomic_path

    target = survey.path / "shards" / "part-00009.parquet"
    with pytest.raises(GalamError, match="disk is full"), atomic_path(target):
        full.write_bytes(b"x" * 100_000)
    assert not target.exists()
    assert len(load_survey(survey.path)) == 100


def test_broken_header(survey: Survey) -> None:
    file = survey.path / "survey.json"
    header = json.loads(file.read_text())
    file.write_text(json.dumps(header | {"schema_version": 99}))
    with pytest.raises(GalamError, match="newer version"):
        load_survey(survey.path)
    file.write_text("{")
    with pytest.raises(GalamError, match="not a survey description"):
        load_survey(survey.path)


def test_extra_galaxies_follow_the_shards(survey: Survey) -> None:
    extra = [make_galaxy(400, origin="sdss", truth={}), make_galaxy(3)]
    both = Survey(survey.path, extra=extra)
    assert len(both) == 101
    assert both["sim-000400"].origin == "sdss"
    assert both["sim-000400"].truth == {}
    assert any("sim-000003" in problem for problem in both.problems)


def test_truth_columns_may_differ_between_shards(survey: Survey) -> None:
    SurveyWriter(survey.path, "small", "simulated", {"seed": 1}).append(
        [make_galaxy(500, truth={"true_m_h": -0.3})]
    )
    again = load_survey(survey.path)
    assert again["sim-000500"].truth == {"true_m_h": -0.3}
    assert np.isnan(again.column("true_m_h")[0])

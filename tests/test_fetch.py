"""`galam fetch` as a library, against a server on this machine that misbehaves."""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sdss_standin import FAULTS, Entry, StandIn, entries, random_faults, simulated_entry

from galam_explorer.errors import GalamError
from galam_explorer.survey import Survey
from galam_explorer.survey.images import decode_cutout
from galam_explorer.survey.sdss_counts import load_counts
from galam_explorer.survey.sdss_fetch import FetchReport, fetch_survey, selection_histogram
from galam_explorer.survey.sdss_files import read_spectrum_file
from galam_explorer.survey.sdss_folder import FetchFolder
from galam_explorer.survey.sdss_queries import histogram_sql, sample_key
from galam_explorer.survey.sdss_retry import ServiceError
from galam_explorer.survey.writer import SurveyWriter


@pytest.fixture(scope="module")
def galaxies() -> list[Entry]:
    return entries(24)


def selected(galaxies: list[Entry], n: int, seed: int = 1) -> list[str]:
    """The sample as it must be, worked out without the client."""
    match = [one for one in galaxies if one.spec_class == "GALAXY" and one.sn_r >= 5]
    return [
        one.id
        for one in sorted(match, key=lambda one: sample_key(one.plate, one.mjd, one.fiber, seed))
    ][:n]


def keys_of(things: list[Any], items: set[tuple[str, str]] | None = None) -> set[str]:
    """Keys of requests, or of the items of galaxies, as the stand-in logs them."""
    if items is None:
        return {one.key for one in things}
    keys = {(one.id, "spectrum"): f"spec-{one.id}.fits" for one in things}
    keys |= {(one.id, "cutout"): f"{one.ra:.6f} {one.dec:.6f}" for one in things}
    return {keys[item] for item in items}


def fetch(server: StandIn, out: Path, n: int = 12, **changes: object) -> FetchReport:
    return fetch_survey(server.config(n=n, **changes), out, counts=False)


def test_a_sample_is_what_the_services_have(galaxies: list[Entry], tmp_path: Path) -> None:
    by_id = {one.id: one for one in galaxies}
    seen = []
    with StandIn(galaxies) as server:
        report = fetch_survey(
            server.config(n=25), tmp_path / "s", progress=lambda *a: seen.append(a)
        )
    survey = Survey(tmp_path / "s")
    assert report.complete
    assert report.available == 25  # NGC 3073 is a STAR for SDSS
    assert sorted(survey.ids) == sorted(selected(galaxies, 25))
    assert survey.kind == "sdss"
    assert survey.provenance["release"] == "dr17"
    assert seen[0] == (0, 25)
    assert seen[-1] == (25, 25)
    for galaxy in survey:
        entry = by_id[galaxy.id]
        path = tmp_path / f"spec-{galaxy.id}.fits"
        path.write_bytes(entry.spectrum())
        direct = read_spectrum_file(path)
        np.testing.assert_array_equal(galaxy.spectrum.flux, direct.spectrum.flux)
        np.testing.assert_array_equal(galaxy.spectrum.ivar, direct.spectrum.ivar)
        assert galaxy.cutout.encoded == entry.cutout(128)
        assert galaxy.cutout.scale == pytest.approx(0.396127)
        assert (galaxy.origin, galaxy.spec_class, galaxy.z_warning) == ("sdss", "GALAXY", 0)
        assert (galaxy.ra, galaxy.dec) == (entry.ra, entry.dec)
        assert galaxy.z == pytest.approx(entry.z)
        assert galaxy.sn_r == pytest.approx(entry.sn_r, rel=1e-6)
        if entry.mag_r > 0:
            assert galaxy.petro_mag_r == pytest.approx(entry.mag_r, rel=1e-6)
            assert galaxy.petro_r90_r == pytest.approx(entry.r90, rel=1e-6)
        else:
            assert np.isnan(galaxy.petro_mag_r)
    assert not any((tmp_path / "s" / "fetch" / "spectra").iterdir())
    assert not any((tmp_path / "s" / "fetch" / "cutouts").iterdir())


def test_requests_are_those_of_the_live_services(tmp_path: Path) -> None:
    one = simulated_entry(0)
    with StandIn([one]) as server:
        fetch_survey(server.config(n=1, release="dr17"), tmp_path / "s")
        targets = [request.target for request in server.log]
    page = "/dr17/en/tools/search/x_results.aspx?cmd=+"
    assert targets[0] == (
        f"{page}SELECT+COUNT%28%2A%29+AS+n+FROM+SpecObj+AS+s+WHERE+s.class+%3D+%27GALAXY%27+AND+"
        "s.z+BETWEEN+0.002+AND+0.3+AND+s.zWarning+%3D+0+AND+s.snMedian_r+%3E%3D+5"
        "&format=csv&searchtool=SQL"
    )
    assert all(target.startswith(page) for target in targets[:5])
    assert set(targets[5:]) == {
        "/sas/dr17/sdss/spectro/redux/26/spectra/lite/3100/spec-3100-55000-0001.fits",
        f"/dr17/SkyServerWS/ImgCutout/getjpeg?ra={one.ra:.6f}&dec={one.dec:.6f}"
        "&scale=0.396127&width=128&height=128",
    }


def test_astroquery_has_the_addresses_we_state() -> None:
    from astroquery.sdss import SDSS, conf

    from galam_explorer.config.fetch import ARCHIVE, SKYSERVER

    assert (conf.skyserver_baseurl, conf.sas_baseurl) == (SKYSERVER, ARCHIVE)
    payload = SDSS.query_sql("SELECT 1", data_release=17, get_query_payload=True)
    assert payload == {"cmd": " SELECT 1", "format": "csv", "searchtool": "SQL"}


def test_a_larger_sample_has_the_smaller_one_in_it(galaxies: list[Entry], tmp_path: Path) -> None:
    with StandIn(galaxies) as server:
        fetch(server, tmp_path / "s", 7)
        few = Survey(tmp_path / "s").ids
        report = fetch(server, tmp_path / "s", 19)
        assert (report.galaxies, report.new) == (19, 12)
        assert set(few) == set(selected(galaxies, 7))
        assert set(Survey(tmp_path / "s").ids) == set(selected(galaxies, 19))
        assert max(server.attempts("spectrum").values()) == 1
        assert max(server.attempts("cutout").values()) == 1
        before = len(server.log)
        assert fetch(server, tmp_path / "s", 19).new == 0
        assert len(server.log) == before  # not a single request
        with pytest.raises(GalamError, match="another provenance"):
            fetch(server, tmp_path / "s", 7, seed=2)
        fetch(server, tmp_path / "t", 7, seed=2, chunk_rows=10)
    assert set(Survey(tmp_path / "t").ids) == set(selected(galaxies, 7, seed=2)) != set(few)


def test_queries_in_chunks_give_the_same(galaxies: list[Entry], tmp_path: Path) -> None:
    with StandIn(galaxies) as server:
        fetch(server, tmp_path / "s", 25, chunk_rows=10, spectra=False)
        queries = [key for key in server.attempts("sql") if "BETWEEN 0.002" in key]
    assert len(queries) >= 3
    assert sorted(Survey(tmp_path / "s").ids) == sorted(selected(galaxies, 25))


@pytest.mark.parametrize("fault", [*FAULTS, "short", "lying", "another"])
def test_each_fault_is_got_over(fault: str, tmp_path: Path) -> None:
    """Every first answer of every service is wrong; those after it are right."""
    galaxies = [simulated_entry(number) for number in range(3)]
    tables = ("short", "lying", "another", "garbage")  # no harm to tables, or none that we do

    def wrong(service: str, key: str, attempt: int) -> str | None:
        return fault if attempt == 0 and not (service == "sql" and fault in tables) else None

    quick = {"read_timeout": 2.0, "body_timeout": 2.0} if fault in ("hang", "drip") else {}
    with StandIn(galaxies, wrong, hang=6.0) as server:
        report = fetch(server, tmp_path / "s", 2, **quick)
        counts = server.attempts("spectrum") | server.attempts("cutout")
    assert report.complete
    assert report.missing == {}
    survey = Survey(tmp_path / "s")
    assert sorted(survey.ids) == sorted(selected(galaxies, 2))
    assert survey.column("has_spectrum").all()
    assert survey.column("has_cutout").all()
    assert len(counts) == 4
    # Only an image has a size of its own that "short" changes, and so on.
    expected = {"lying": 1, "another": 1}.get(fault, 2)
    assert min(counts.values()) >= expected


@pytest.mark.parametrize(
    ("fault", "service", "reason"),
    [
        ("garbage", "spectrum", "not a FITS file"),
        ("short", "spectrum", "cut short"),
        ("lying", "spectrum", "spectrum: "),
        ("another", "spectrum", "this is the spectrum of 3100-55000-0003"),
        ("garbage", "cutout", "cannot be decoded"),
        ("short", "cutout", "cannot be decoded"),
        ("footprint", "cutout", "outside the SDSS imaging footprint"),
    ],
)
def test_what_never_comes_right_is_missing(
    fault: str, service: str, reason: str, tmp_path: Path
) -> None:
    galaxies = [simulated_entry(number) for number in range(3)]
    bad = {galaxies[0].id: f"spec-{galaxies[0].id}.fits"}
    bad_keys = {*bad.values(), f"{galaxies[0].ra:.6f} {galaxies[0].dec:.6f}"}
    with StandIn(galaxies, lambda s, k, a: fault if s == service and k in bad_keys else None) as it:
        report = fetch(it, tmp_path / "s", 3)
        again = len(it.log)
        assert fetch(it, tmp_path / "s", 3).new == 0
        assert len(it.log) == again
    assert report.complete
    assert report.galaxies == 3
    assert list(report.missing.values()) == [1]
    assert reason in next(iter(report.missing))
    galaxy = Survey(tmp_path / "s")[galaxies[0].id]
    assert (galaxy.spectrum is None) == (service == "spectrum")
    assert (galaxy.cutout is None) == (service == "cutout")
    lines = report.missing_file.read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(f"{galaxies[0].id},{service},missing,")


def test_files_that_are_not_there(galaxies: list[Entry], tmp_path: Path) -> None:
    chosen = selected(galaxies, 10)
    with StandIn(galaxies, no_spectrum={chosen[1]}, no_image={chosen[2], chosen[1]}) as server:
        report = fetch(server, tmp_path / "s", 10)
        assert server.attempts("spectrum")[f"spec-{chosen[1]}.fits"] == 1
    assert report.missing == {
        "spectrum: the archive has no such file": 1,
        "cutout: outside the SDSS imaging footprint": 2,
    }
    assert (report.galaxies, report.with_spectrum, report.with_cutout) == (10, 9, 8)
    neither = Survey(tmp_path / "s")[chosen[1]]
    assert neither.spectrum is None
    assert neither.cutout is None


@pytest.mark.parametrize("service", ["sql", "spectrum", "cutout"])
@pytest.mark.parametrize("fault", ["500", "html", "closed", "wait"])
def test_a_service_that_is_down(service: str, fault: str, tmp_path: Path) -> None:
    """The run ends with one sentence, keeps what came, and goes on another day."""
    galaxies = [simulated_entry(number) for number in range(12)]
    down = [True]
    with StandIn(galaxies, lambda s, k, a: fault if s == service and down[0] else None) as server:
        with pytest.raises(ServiceError, match=r"services do not answer|no table|status|no conn"):
            fetch(server, tmp_path / "s", 12, retries=1, workers=2)
        down[0] = False
        right = set(FetchFolder(tmp_path / "s").items)
        before = len(server.log)
        report = fetch(server, tmp_path / "s", 12)
        asked = keys_of(server.log[before:])
    assert report.complete
    assert sorted(Survey(tmp_path / "s").ids) == sorted(one.id for one in galaxies)
    assert (len(right) > 0) == (service != "sql")
    assert asked.isdisjoint(keys_of(galaxies, right))


def test_a_little_trouble_is_tried_again_at_the_end(tmp_path: Path) -> None:
    galaxies = [simulated_entry(number) for number in range(6)]
    key = f"spec-{galaxies[2].id}.fits"
    with StandIn(galaxies, lambda s, k, a: "500" if k == key and a < 4 else None) as server:
        report = fetch(server, tmp_path / "s", 6, retries=1)
        assert server.attempts("spectrum")[key] == 5
    assert report.complete
    with StandIn(galaxies, lambda s, k, a: "500" if k == key else None) as server:
        report = fetch(server, tmp_path / "t", 6, retries=1)
    assert not report.complete
    assert report.pending == {"spectrum: status 500 (Internal Server Error)": 1}
    assert report.galaxies == 5
    assert ",not yet," in report.missing_file.read_text()
    with StandIn(galaxies) as server:
        moved = FetchFolder(tmp_path / "t").path / "ledger.jsonl"
        assert len(moved.read_text().splitlines()) == 11
        assert fetch(server, tmp_path / "t", 6).complete
        assert server.attempts("spectrum") == {key: 1}
        assert server.attempts("cutout") == {}


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_no_network_at_all(galaxies: list[Entry], tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{closed_port()}"
    with StandIn(galaxies) as server:
        with pytest.raises(ServiceError, match="no connection") as raised:
            fetch(server, tmp_path / "s", skyserver=nowhere, retries=1)
        assert raised.value.offline
        with pytest.raises(ServiceError, match="do not answer"):
            fetch(server, tmp_path / "s", archive=nowhere, retries=1)
        assert len(server.attempts("cutout")) <= 5  # the first galaxies are enough to know


def test_a_huge_answer_is_not_read(tmp_path: Path) -> None:
    galaxies = [simulated_entry(0)]
    with StandIn(galaxies, lambda s, k, a: "huge" if s != "sql" else None) as server:
        report = fetch(server, tmp_path / "s", 1, retries=0)
    assert set(report.pending) == {
        "spectrum: the answer is larger than 8388608 bytes",
        "cutout: the answer is larger than 16777216 bytes",
    }


def test_a_query_that_is_too_much_is_cut(galaxies: list[Entry], tmp_path: Path) -> None:
    """The service cannot finish a query for many rows, but can for few."""

    def busy(service: str, key: str, attempt: int) -> str | None:
        if service != "sql" or "% 2147483647" in key or "BETWEEN 0.002" not in key:
            return None
        low, _, high = key.rpartition("BETWEEN ")[2].partition(" AND ")
        wide = low.isdecimal() and int(high) - int(low) > 2**31 // 3
        return "html" if wide else None

    with StandIn(galaxies, busy) as server:
        fetch(server, tmp_path / "s", 25, retries=0, spectra=False)
        assert any(not one.good for one in server.log if one.service == "sql")
    assert sorted(Survey(tmp_path / "s").ids) == sorted(selected(galaxies, 25))


def test_a_service_that_answers_another_question(galaxies: list[Entry], tmp_path: Path) -> None:
    with StandIn(galaxies) as server:
        server.query = lambda sql: StandIn.query(server, sql.replace("s.class = 'GALAXY'", "1=1"))
        with pytest.raises(ServiceError, match="was not asked for"):
            fetch(server, tmp_path / "s", 26)
    with StandIn(galaxies) as server:
        server.query = lambda sql: StandIn.query(server, sql.replace("= 'GALAXY'", "= 'QUASAR'"))
        with pytest.raises(GalamError, match="no galaxy in SDSS matches"):
            fetch(server, tmp_path / "t", 26)


def test_ctrl_c_keeps_what_came(galaxies: list[Entry], tmp_path: Path) -> None:
    def press(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with StandIn(galaxies) as server:
        config = server.config(n=20, workers=2)
        with pytest.raises(KeyboardInterrupt):
            fetch_survey(config, tmp_path / "s", counts=False, progress=press)
        kept = Survey(tmp_path / "s").ids
        assert len(kept) == 6
        right, before = set(FetchFolder(tmp_path / "s").items), len(server.log)
        assert fetch(server, tmp_path / "s", 20).complete
        assert keys_of(server.log[before:]).isdisjoint(keys_of(galaxies, right))
    assert sorted(Survey(tmp_path / "s").ids) == sorted(selected(galaxies, 20))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_around_the_writing_of_a_shard(
    moment: str, galaxies: list[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("galam_explorer.survey.sdss_run.SHARD_SIZE", 5)
    where, what = {"before": (SurveyWriter, "append"), "after": (FetchFolder, "discard")}[moment]
    whole = getattr(where, what)
    calls = []

    def crash(self: object, *args: object) -> object:
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("killed")
        return whole(self, *args)

    with StandIn(galaxies) as server:
        with monkeypatch.context() as patch:
            patch.setattr(where, what, crash)
            with pytest.raises(RuntimeError):
                fetch(server, tmp_path / "s", 20)
        report = fetch(server, tmp_path / "s", 20)
        assert set(server.attempts("spectrum").values()) == {1}
        assert set(server.attempts("cutout").values()) == {1}
    survey = Survey(tmp_path / "s")
    assert report.complete
    assert survey.problems == []
    assert sorted(survey.ids) == sorted(selected(galaxies, 20))
    assert not any((tmp_path / "s" / "fetch" / "spectra").iterdir())


def test_a_full_disk(
    galaxies: list[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def full(fd: int) -> None:
        calls.append(fd)
        if len(calls) > 15:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with StandIn(galaxies) as server:
        with monkeypatch.context() as patch:
            patch.setattr("galam_explorer.survey.atomic.os.fsync", full)
            with pytest.raises(GalamError, match="the disk is full"):
                fetch(server, tmp_path / "s", 20)
        kept = len(FetchFolder(tmp_path / "s").items)
        assert 5 < kept < 15
        report = fetch(server, tmp_path / "s", 20)
    assert report.complete
    assert sorted(Survey(tmp_path / "s").ids) == sorted(selected(galaxies, 20))


def test_one_fetch_at_a_time(galaxies: list[Entry], tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with StandIn(galaxies) as server:
        fetch(server, tmp_path / "s", 3)
        with (
            FetchFolder(tmp_path / "s").lock(),
            pytest.raises(GalamError, match="another fetch is at work"),
        ):
            fetch(server, tmp_path / "s", 4)
        assert fetch(server, tmp_path / "s", 4).complete


def test_leftovers_of_a_crash_are_swept_up(galaxies: list[Entry], tmp_path: Path) -> None:
    """A ledger cut in the middle of a line, half-written files, files that went bad."""
    with StandIn(galaxies) as server:
        fetch(server, tmp_path / "s", 4)
        chosen = selected(galaxies, 8)
        folder = FetchFolder(tmp_path / "s")
        with open(folder.path / "ledger.jsonl", "a", encoding="utf-8") as stream:
            stream.write('{"id": "3100-55000-0001", "ki')
        (folder.path / "spectra" / ".spec-1.fits.77.tmp").write_bytes(b"half")
        (tmp_path / "s" / "shards" / ".part-00001.parquet.77.tmp").write_bytes(b"half")
        folder.file(chosen[5], "spectrum").write_bytes(b"SIMPLE  = nonsense")
        assert fetch(server, tmp_path / "s", 8).complete
        lines = (folder.path / "ledger.jsonl").read_text().splitlines()
        assert sum(not line.endswith("}") for line in lines) == 1
        assert len([json.loads(line) for line in lines if line.endswith("}")]) == 16
        assert set(server.attempts("spectrum").values()) == {1}
    assert sorted(Survey(tmp_path / "s").ids) == sorted(chosen)
    assert not list(tmp_path.rglob("*.tmp"))


def test_bulk_transfer(galaxies: list[Entry], tmp_path: Path) -> None:
    """The lists name each spectrum; files that were brought by other means are used."""
    by_id = {one.id: one for one in galaxies}
    with StandIn(galaxies) as server:
        config = server.config(n=10)
        report = fetch_survey(config, tmp_path / "s", counts=False, manifest=True)
        assert server.attempts("spectrum") == {}
        folder = FetchFolder(tmp_path / "s")
        chosen = selected(galaxies, 10)
        paths = (folder.path / "spectra.rsync").read_text().split()
        assert sorted(path.rpartition("/")[2] for path in paths) == sorted(
            f"spec-{one}.fits" for one in chosen
        )
        assert all(
            path.startswith(("sdss/spectro/redux/", "eboss/spectro/redux/")) for path in paths
        )
        links = (folder.path / "spectra.aria2").read_text().splitlines()
        assert links[0].startswith(f"{server.url}/sas/dr17/")
        assert links[1] == f"  out={links[0].rpartition('/')[2]}"
        assert report.commands[0].startswith("rsync -tLv --no-relative --files-from=")
        assert (
            f" rsync://dtn.sdss.org/dr17/ {folder.path.absolute()}/spectra/" in report.commands[0]
        )
        for galaxy_id in chosen[:-1]:
            folder.file(galaxy_id, "spectrum").write_bytes(by_id[galaxy_id].spectrum())
        assert fetch(server, tmp_path / "s", 10).complete
        assert server.attempts("spectrum") == {f"spec-{chosen[-1]}.fits": 1}
    assert Survey(tmp_path / "s").column("has_spectrum").all()


def test_cutouts_scaled_by_the_galaxys_size(galaxies: list[Entry], tmp_path: Path) -> None:
    with StandIn(galaxies) as server:
        fetch(server, tmp_path / "s", 25, spectra=False, cutout_r90=8.0, cutout_size=64)
    for galaxy in Survey(tmp_path / "s"):
        r90 = galaxy.petro_r90_r
        expected = 8.0 * r90 / 64 if r90 > 0 else 0.396127
        assert galaxy.cutout.scale == pytest.approx(expected, rel=1e-4)
        assert decode_cutout(galaxy.cutout).shape == (64, 64, 3)
        assert galaxy.spectrum is None


def test_counts_of_the_full_selection(galaxies: list[Entry], tmp_path: Path) -> None:
    chosen = [one for one in galaxies if one.spec_class == "GALAXY"]
    with StandIn(galaxies) as server:
        config = server.config(n=5)
        for column, values, width in (
            ("z", [one.z for one in chosen], 0.01),
            ("sn_r", [one.sn_r for one in chosen], 1.0),
            ("petro_mag_r", [one.mag_r for one in chosen if one.mag_r > 0], 0.2),
        ):
            found = selection_histogram(column, config)
            counts, _ = np.histogram(
                np.floor(np.array(values) / width) * width + width / 2, found.edges
            )
            np.testing.assert_array_equal(found.counts, counts)
            assert found.total == len(values)
        with pytest.raises(GalamError, match="no counts of 'colour'"):
            selection_histogram("colour", config)
        fetch_survey(config, tmp_path / "s")
        assert server.attempts("sql")[" " + histogram_sql(config, "z")] == 2
    kept = load_counts(tmp_path / "s")
    assert set(kept) == {"z", "sn_r", "petro_mag_r"}
    assert kept["z"].total == len(chosen)
    assert kept["z"].sql == histogram_sql(config, "z")
    assert load_counts(tmp_path) == {}


def test_counts_that_fail_do_no_harm(galaxies: list[Entry], tmp_path: Path) -> None:
    with StandIn(galaxies, lambda s, k, a: "html" if "GROUP BY" in k else None) as server:
        report = fetch_survey(server.config(n=3, retries=0), tmp_path / "s")
    assert report.complete
    assert len([note for note in report.notes if note.startswith("no counts of")]) == 3


def test_the_stated_rate_holds_for_all_threads(galaxies: list[Entry], tmp_path: Path) -> None:
    with StandIn(galaxies) as server:
        report = fetch(server, tmp_path / "s", 25, spectra=False, rate=10.0, workers=8)
        sent = len(server.log)
    assert report.requests == {"skyserver": sent, "archive": 0}
    assert sent == 27
    # Slots are a tenth of a second apart, so that 27 of them take 2.6 s at least.
    assert report.seconds >= (sent - 1) / 10.0 - 0.01


def test_many_random_faults(galaxies: list[Entry], tmp_path: Path) -> None:
    kinds = ("429", "500", "503", "truncated", "html", "type", "garbage", "closed")
    with StandIn(galaxies, random_faults(0.4, 3, kinds)) as server:
        report = fetch(server, tmp_path / "s", 25, chunk_rows=10, retries=12)
        wrong = [one for one in server.log if not one.good]
    assert len(wrong) > 20
    assert report.complete
    assert report.galaxies == 25

"""One galaxy from SDSS by any of its names, against the stand-in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sdss_standin import Entry, StandIn, entries, real_entry, simulated_entry
from test_fetch import closed_port
from typer.testing import CliRunner

from galam_explorer.cli.main import app
from galam_explorer.config.fetch import MIRRORS, SKYSERVER
from galam_explorer.errors import GalamError
from galam_explorer.records import Galaxy
from galam_explorer.survey import Survey
from galam_explorer.survey.sdss_fetch import fetch_galaxy, find_spectra, single_config
from galam_explorer.survey.sdss_retry import FetchStoppedError, ServiceError
from galam_explorer.survey.sdss_targets import PICK_RADIUS, SeveralCandidatesError

NGC3522 = "2488-54149-0001"
LONELY = 5
"""A simulated galaxy whose spectrum the stand-in hides."""


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    galaxies = entries(6)
    place = galaxies[3]
    near = {"ra": place.ra, "dec": place.dec + 3 / 3600}
    pair = [
        simulated_entry(40, ra=200.0, dec=30.0),
        simulated_entry(41, ra=200.0, dec=30.0 + 4 / 3600),
        simulated_entry(42, spec_class="STAR", **near),
    ]
    with StandIn(galaxies + pair) as one:
        one.names |= {"NGC 3522": (166.6686, 20.0856), "M 31": (10.6847, 41.2688)}
        yield one


def get(server: StandIn, target: str, **options: object) -> tuple[Galaxy, list[str]]:
    notes: list[str] = []
    radius = options.pop("radius", 5.0)
    return fetch_galaxy(target, server.config(**options), radius, notes.append), notes


@pytest.mark.parametrize(
    "target",
    [NGC3522, "2488-54149-1", "166.66859 20.085556", "11:06:40.46 +20:05:08.0", "NGC 3522"],
)
def test_a_galaxy_by_each_of_its_names(target: str, server: StandIn) -> None:
    galaxy, notes = get(server, target)
    real = next(one for one in server.galaxies if one.id == NGC3522)
    assert (galaxy.id, galaxy.origin, galaxy.spec_class) == (NGC3522, "sdss", "GALAXY")
    assert galaxy.z == pytest.approx(0.004018, abs=1e-6)
    assert len(galaxy.spectrum) == 3815
    assert galaxy.cutout.encoded == real.cutout(128)
    assert np.isnan(galaxy.petro_r90_r)
    assert notes == (
        ["NGC 3522 is at RA 166.66860°, Dec +20.08560° (Sesame)"] if target[0] == "N" else []
    )


def test_what_sdss_calls_a_star_is_said(server: StandIn) -> None:
    galaxy, notes = get(server, "0945-52652-0470")  # NGC 3073, a STAR in its own file
    assert galaxy.spec_class == "STAR"
    assert notes == ["SDSS says that 0945-52652-0470 is a STAR, not a galaxy"]


def test_several_candidates(server: StandIn) -> None:
    assert get(server, "200.0 30.0")[0].id == simulated_entry(40).id  # the one on the spot
    with pytest.raises(
        SeveralCandidatesError, match=r"2 spectra are near: 3100-55000-00"
    ) as raised:
        get(server, f"200.0 {30 + 1.9 / 3600:.6f}")
    assert [one.row.id for one in raised.value.candidates] == ["3100-55000-0041", "3100-55000-0042"]
    assert [one.distance for one in raised.value.candidates] == pytest.approx([1.9, 2.1], abs=0.02)
    found = find_spectra("200.0 30.0", server.config(), radius=5.0)
    assert [(one.row.id, round(one.distance, 2)) for one in found] == [
        ("3100-55000-0041", 0.0),
        ("3100-55000-0042", 4.0),
    ]
    one = server.galaxies[3]  # with a star 3 arcsec north of it
    aside = one.ra + 2 / 3600 / np.cos(np.radians(one.dec))
    assert len(find_spectra(f"{aside} {one.dec}", server.config(), radius=5.0)) == 2
    assert get(server, f"{aside} {one.dec}")[0].id == one.id


def hide_spectra(server: StandIn, galaxies: list[Entry]) -> None:
    """Leave these galaxies in the images only."""
    for one in galaxies:
        server._database.execute(
            f"UPDATE SpecObjAll SET sciencePrimary = 0 WHERE plate = {one.plate} "
            f"AND fiberID = {one.fiber}"
        )


def test_galaxies_of_the_images_are_candidates_too() -> None:
    north, south = (30 + offset / 3600 for offset in (4, -4))
    pair = [simulated_entry(40, ra=200.0, dec=north), simulated_entry(41, ra=200.0, dec=south)]
    alone = [
        simulated_entry(42, ra=200.001, dec=30.0, mag_r=18.5),
        simulated_entry(43, ra=210.0, dec=40.0),
        simulated_entry(44, ra=210.0, dec=40.0 + 4 / 3600),
    ]
    with StandIn([*pair, *alone]) as server:
        hide_spectra(server, alone)
        with pytest.raises(
            SeveralCandidatesError, match="3 objects are near: SDSS-J1320"
        ) as raised:
            get(server, "200.0 30.0")
        found = raised.value.candidates
        assert [one.has_spectrum for one in found] == [False, True, True]
        assert found[0].distance == pytest.approx(3.6 * np.cos(np.radians(30)), abs=0.01)
        assert "no spectrum, r = 18.5, 3.1″ away" in str(found[0])
        for one in found:  # each can be had by what it says
            galaxy, _ = get(server, one.target, radius=PICK_RADIUS)
            assert galaxy.id == one.id
            assert (galaxy.spectrum is not None) is one.has_spectrum
        with pytest.raises(SeveralCandidatesError, match="2 objects are near"):
            get(server, f"210.0 {40 + 2 / 3600}", radius=5.0)
        assert get(server, "210.0 40.0")[0].ra == 210.0  # the one on the spot
        # Those with a spectrum are a choice even if the images do not answer.
        server.fault = lambda service, key, attempt: "500" if "PhotoPrimary" in key else None
        with pytest.raises(SeveralCandidatesError, match="2 spectra are near"):
            get(server, "200.0 30.0", retries=0)


def test_the_environment_names_other_addresses(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert single_config().skyserver == SKYSERVER
    config = server.config()
    for field, name in MIRRORS.items():
        monkeypatch.setenv(name, getattr(config, field))
    assert fetch_galaxy(NGC3522).id == NGC3522
    monkeypatch.setenv("GALAM_SKYSERVER", "no address")
    with pytest.raises(GalamError, match=r"FetchConfig\.skyserver"):
        fetch_galaxy(NGC3522)


def test_a_quota_is_said_and_not_waited_for(server: StandIn) -> None:
    fault, server.fault = server.fault, lambda service, key, attempt: "quota"
    try:
        with pytest.raises(ServiceError, match=r"too many queries in a minute\. Wait a minute"):
            get(server, NGC3522, max_wait=single_config().max_wait, retries=5)
    finally:
        server.fault = fault


def test_somebody_who_waits_can_stop(server: StandIn) -> None:
    stop = threading.Event()
    stop.set()
    before = len(server.log)
    with pytest.raises(FetchStoppedError):
        fetch_galaxy(NGC3522, server.config(), stop=stop)
    assert len(server.log) == before


def test_no_spectrum_there(server: StandIn) -> None:
    one = server.galaxies[LONELY]
    hidden = f"UPDATE SpecObjAll SET sciencePrimary = 0 WHERE ra = {one.ra}"
    server._database.execute(hidden)
    try:
        galaxy, notes = get(server, f"{one.ra} {one.dec + 1 / 3600}")
    finally:
        server._database.execute(hidden.replace("= 0", "= 1"))
    assert galaxy.spectrum is None
    assert galaxy.id.startswith("SDSS-J")
    assert (galaxy.ra, galaxy.dec) == (one.ra, one.dec)  # the photometric object's
    assert galaxy.petro_r90_r == pytest.approx(one.r90)
    assert galaxy.cutout is not None
    assert notes == ["SDSS has no spectrum within 5″"]


def test_nothing_there(server: StandIn) -> None:
    with pytest.raises(GalamError, match="neither a spectrum nor an image"):
        get(server, "M 31")
    with pytest.raises(GalamError, match="DR17 has no such spectrum"):
        get(server, "9999-59999-0001")
    with pytest.raises(GalamError, match="neither SIMBAD, NED nor VizieR knows"):
        get(server, "../../etc/passwd")
    with pytest.raises(GalamError, match="radius must be"):
        get(server, "10 10", radius=1e6)


def test_a_spectrum_without_an_image_and_the_other_way_round() -> None:
    one = simulated_entry(1)
    with StandIn([one], no_image={one.id}) as server:
        galaxy, notes = get(server, one.id)
        assert galaxy.spectrum is not None
        assert galaxy.cutout is None
        assert notes == ["no image: outside the SDSS imaging footprint"]
    with StandIn([one], no_spectrum={one.id}) as server:
        galaxy, notes = get(server, one.id)
        assert galaxy.spectrum is None
        assert galaxy.cutout is not None
        assert notes == [f"no spectrum of {one.id}: the archive has no such file"]
    with (
        StandIn([one], no_spectrum={one.id}, no_image={one.id}) as server,
        pytest.raises(GalamError, match="neither a spectrum nor an image"),
    ):
        get(server, one.id)


def test_offline_is_said_at_once(server: StandIn) -> None:
    nowhere = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(ServiceError, match="no connection") as raised:
        # Waiting for another try would take longer than anybody has.
        get(server, NGC3522, skyserver=nowhere, retries=5, backoff=5000.0, max_wait=5000.0)
    assert raised.value.offline
    with pytest.raises(ServiceError, match="Sesame does not answer"):
        get(server, "NGC 3522", sesame=nowhere)


def test_the_command(server: StandIn, tmp_path: Path) -> None:
    config = server.config()
    where = ["--skyserver", server.url, "--archive", config.archive, "--sesame", config.sesame]
    where += ["--rate", "100", "--archive-rate", "100", "--out", str(tmp_path / "s"), "--json"]
    run = CliRunner().invoke(app, ["fetch", "--galaxy", "NGC 3522", *where])
    assert run.exit_code == 0, run.output
    said = json.loads(run.stdout.splitlines()[-1])
    assert (said["id"], said["spectrum"], said["cutout"]) == (NGC3522, True, True)
    again = CliRunner().invoke(app, ["fetch", "--galaxy", NGC3522, *where])
    assert "was in the survey already" in again.output
    other = server.galaxies[4]
    assert CliRunner().invoke(app, ["fetch", "--galaxy", other.id, *where]).exit_code == 0
    assert Survey(tmp_path / "s").ids == [NGC3522, other.id]
    wrong = CliRunner().invoke(app, ["fetch", "--galaxy", "NGC 9999", *where])
    assert wrong.exit_code == 1
    assert "Error NGC 9999: neither SIMBAD" in wrong.output
    assert "Traceback" not in wrong.output


def test_real_pairs(shared_data: Path) -> None:
    folder = shared_data / "sdss" / "pairs"
    paths = sorted(folder.glob("spec-*.fits"))
    assert len(paths) == 4
    pairs = [
        real_entry(path, folder / f"image-{path.stem.removeprefix('spec-')}.jpg") for path in paths
    ]
    with StandIn(pairs) as server:
        for one in pairs:
            galaxy, _ = get(server, f"{one.ra:.5f} {one.dec:.5f}")
            assert galaxy.id == one.id
            assert galaxy.cutout.encoded == one.cutout(128)
            assert len(galaxy.spectrum) > 3800

"""The view for a galaxy of yours: forms, choices, errors, and that every view shows the result."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ppxf
import pytest
from sdss_standin import StandIn, entries, simulated_entry
from test_fetch import closed_port
from test_fetch_galaxy import hide_spectra

from galam_explorer.app.arrivals import arrivals_of, leave
from galam_explorer.app.inbox import inbox_of
from galam_explorer.app.standalone import make_state
from galam_explorer.app.views.dropper import Dropper
from galam_explorer.app.views.yours import YoursView
from galam_explorer.config.fetch import MIRRORS
from galam_explorer.survey import load_survey

SPECTRUM = Path(ppxf.__file__).parent / "spectra" / "NGC3522_SDSS_DR18.fits"
NGC3522 = "2488-54149-0001"
PAIR = (200.0, 30.0)
"""Two spectra 4″ apart north and south, and between them on the east a galaxy without one."""
BETWEEN = f"200.0 {30 + 2 / 3600:.6f}"


@pytest.fixture
def view() -> Iterator[YoursView]:
    made = YoursView(make_state("demo"))
    yield made
    leave(made.state)
    made.close()


@pytest.fixture(scope="module")
def sdss() -> Iterator[StandIn]:
    ra, dec = PAIR
    group = [
        simulated_entry(40, ra=ra, dec=dec),
        simulated_entry(41, ra=ra, dec=dec + 4 / 3600),
        simulated_entry(42, ra=ra + 0.0009, dec=dec + 2 / 3600, mag_r=18.25),
        simulated_entry(43, ra=210.0, dec=40.0),
    ]
    with StandIn(entries(2) + group, names={"NGC 3522": (166.6686, 20.0856)}) as one:
        hide_spectra(one, group[2:])
        yield one


@pytest.fixture
def online(sdss: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """SDSS is where the environment says."""
    config = sdss.config()
    for field, name in MIRRORS.items():
        monkeypatch.setenv(name, getattr(config, field))
    sdss.fault = lambda service, key, attempt: None
    return sdss


def wait(view: YoursView) -> None:
    end = time.monotonic() + 120
    while view.arrivals.busy or view._working.visible:
        assert time.monotonic() < end
        time.sleep(0.05)


def fetch(view: YoursView, target: str) -> None:
    view.sdss.target.value = target
    view.sdss.fetch()
    wait(view)


def test_a_dropped_spectrum_becomes_the_open_galaxy(view: YoursView) -> None:
    view.files.dropper.value = {"spec-0000.fits": SPECTRUM.read_bytes()}
    view.files.add()
    assert view._working.visible
    wait(view)
    state = view.state
    assert not view._working.visible
    assert state.survey_id == "yours"
    assert state.galaxy_id in state.data.survey
    assert state.data.survey[state.galaxy_id].spectrum is not None
    assert "every tab shows it" in state.message.text
    frame, meanings = view.table()
    assert list(frame["has_spectrum"]) == [True]
    assert meanings["sn_r"][1].startswith("Median")
    view.show(state.data.survey[state.galaxy_id])
    assert 'data-yours="1"' in view._list.object


def test_nothing_dropped_bad_redshift_and_bad_file_are_told(view: YoursView) -> None:
    form = view.files
    form.add()
    assert "drop a spectrum" in view.state.message.text
    form.dropper.value = {"notes.fits": b"no FITS"}
    form.redshift.value = "far"
    form.add()
    assert "not a redshift" in view.state.message.text
    form.redshift.value = ""
    form.position.value = "somewhere"
    form.add()
    assert "not a position" in view.state.message.text
    form.position.value = ""
    form.add()
    wait(view)
    assert view.state.message.kind == "error"
    assert "notes.fits" in view.state.message.text
    assert "notes.fits" in form.said.object
    assert 'role="alert"' in form.said.object
    assert view.sdss.said.object == ""
    assert view.state.survey_id == "demo"


def test_what_was_wrong_with_one_file_is_kept_when_the_other_opens(view: YoursView) -> None:
    view.files.dropper.value = {"a.fits": SPECTRUM.read_bytes(), "b.jpg": b"no image"}
    view.files.add()
    wait(view)
    assert view.state.survey_id == "yours"
    again = YoursView(view.state)  # as the dashboard makes all views anew
    assert "b.jpg" in again.files.said.object
    again.close()


@dataclass
class Piece:
    """An event of the browser's dropper."""

    data: dict[str, Any]
    event_name: str = "upload_event"


def piece(name: str, data: bytes, number: int = 1, total: int = 1) -> Piece:
    kind = "application/fits"
    return Piece({"name": name, "data": data, "chunk": number, "total_chunks": total, "type": kind})


def test_adding_waits_for_what_is_on_its_way(view: YoursView) -> None:
    form = view.files
    assert form._add.disabled
    form.dropper._process_event(piece("a.fits", b"1234"))
    assert not form._add.disabled
    form.dropper._process_event(piece("b.jpg", b"12", 1, 2))
    assert form._add.disabled
    assert "b.jpg is on its way" in form._here.object
    form.dropper._process_event(piece("b.jpg", b"34", 2, 2))
    assert not form._add.disabled
    assert form.dropper.value == {"a.fits": b"1234", "b.jpg": b"1234"}
    form.dropper._process_event(Piece({"name": "a.fits"}, "delete_event"))
    assert 'data-here="1"' in form._here.object


def test_a_browser_that_sends_too_much_is_not_listened_to() -> None:
    dropper = Dropper(multiple=True, max_files=2, max_bytes=1000)
    for number in range(1, 50):
        dropper._process_event(piece("big.fits", bytes(300), number, 10**6))
    assert dropper.refused == ["big.fits"]
    assert dropper._file_buffer == {}
    assert dropper.value == {}
    for name in ("a", "b", "c"):
        dropper._process_event(piece(name, bytes(900)))
    assert set(dropper.value) == {"a", "b"}
    assert dropper.refused == ["big.fits", "c"]
    dropper._process_event(piece("never begun", b"x", 3, 4))
    assert "never begun" not in dropper.value


@pytest.mark.parametrize(
    ("target", "expected"),
    [("166.66859 20.085556", NGC3522), (NGC3522, NGC3522), ("NGC 3522", NGC3522)],
)
def test_a_galaxy_by_position_id_and_name(
    view: YoursView, online: StandIn, target: str, expected: str
) -> None:
    fetch(view, target)
    assert view.arrivals.problem is None
    assert view.state.galaxy_id == expected
    galaxy = view.state.data.survey[expected]
    assert len(galaxy.spectrum) == 3815
    assert galaxy.cutout is not None
    noted = ["NGC 3522 is at RA 166.66860°, Dec +20.08560° (Sesame)"]
    assert view.arrivals.notes == (noted if target[0] == "N" else [])


def test_several_objects_become_a_choice(view: YoursView, online: StandIn) -> None:
    fetch(view, BETWEEN)
    found = view.arrivals.candidates
    assert [one.has_spectrum for one in found] == [True, True, False]
    assert [one.distance for one in found] == pytest.approx([2.0, 2.0, 2.81], abs=0.02)
    assert view.state.survey_id == "demo"
    assert view.sdss.said.object == ""  # a choice is no mistake
    head, _, *rows = view.sdss.choices
    assert 'data-candidates="3"' in head.object
    assert [row[0].label for row in rows] == [one.id for one in found]
    last = rows[-1][1].object
    for text in ("2.8″", "18.25 mag", "galaxy", "unknown", "no"):
        assert f">{text}<" in last
    rows[-1][0].clicks += 1
    wait(view)
    galaxy = view.state.data.survey[view.state.galaxy_id]
    assert galaxy.id == found[2].id
    assert galaxy.id.startswith("SDSS-J")
    assert galaxy.spectrum is None
    assert galaxy.cutout is not None
    assert galaxy.petro_mag_r == pytest.approx(18.25)
    assert list(view.sdss.choices) == []
    fetch(view, BETWEEN)
    view.sdss.choices[2][0].clicks += 1
    wait(view)
    assert view.state.galaxy_id == found[0].id
    assert view.state.data.survey[found[0].id].spectrum is not None


def test_a_galaxy_without_a_spectrum(view: YoursView, online: StandIn) -> None:
    fetch(view, "210.0 40.0")
    galaxy = view.state.data.survey[view.state.galaxy_id]
    assert galaxy.spectrum is None
    assert galaxy.cutout is not None
    assert view.arrivals.notes == ["SDSS has no spectrum within 5″"]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("10.6847 41.2688", "neither a spectrum nor an image"),
        ("9999-59999-0001", "has no such spectrum"),
        ("NGC 9999", "knows this name"),
        ("400 95", "not on the sky"),
    ],
)
def test_nothing_there_is_said(view: YoursView, online: StandIn, target: str, says: str) -> None:
    fetch(view, target)
    assert says in view.sdss.said.object
    assert says in view.state.message.text
    assert not view.sdss.demo.visible
    assert view.state.survey_id == "demo"
    assert not view.sdss._fetch.disabled


def test_a_service_that_is_down(view: YoursView, online: StandIn) -> None:
    online.fault = lambda service, key, attempt: "503"
    fetch(view, NGC3522)
    assert "status 503" in view.sdss.said.object
    assert not view.sdss.demo.visible
    assert view.state.survey_id == "demo"


def test_offline_is_said_with_a_way_out(view: YoursView, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MIRRORS.values():
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    view.state.sources = {}  # a server that offers no demo
    fetch(view, "146.714 -1.041")
    assert "no connection" in view.sdss.said.object
    assert "import your own files or use the demo" in view.sdss.said.object
    assert view.sdss.demo.visible
    view.sdss.demo.clicks += 1
    assert view.state.survey_id == "demo"


def test_waiting_can_be_ended(view: YoursView, online: StandIn) -> None:
    online.fault = lambda service, key, attempt: "hang"
    view.sdss.target.value = NGC3522
    view.sdss.fetch()
    assert "asking SDSS" in view._busy.object
    assert view.sdss._fetch.disabled
    view.cancel()
    assert not view._working.visible
    assert not view.sdss._fetch.disabled
    online.fault = lambda service, key, attempt: None
    fetch(view, "210.0 40.0")  # the one that was cancelled never arrives
    assert view.state.galaxy_id.startswith("SDSS-J14")
    assert inbox_of(view.state).path.is_dir()
    assert len(load_survey(inbox_of(view.state).path)) == 1


def test_the_flag_comes_before_every_number(view: YoursView, tmp_path: Path) -> None:
    """An image unlike any galaxy; until it has been compared, nothing is said of it."""
    from PIL import Image

    grey = np.full((128, 128, 3), 20, np.uint8)
    grey[30:98, 30:98] = (250, 20, 120)
    grey[50:70, 20:110] = (10, 240, 10)
    Image.fromarray(grey).save(tmp_path / "odd.png")
    view.files.dropper.value = {"odd.png": (tmp_path / "odd.png").read_bytes()}
    view.files.add()
    wait(view)
    state = view.state
    galaxy = state.data.survey["odd"]
    view.show(galaxy)
    assert 'data-domain="waiting"' in view._outcome.object
    assert "″/px" not in view._outcome.object
    state.want_model()
    end = time.monotonic() + 120
    while state.model is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    view.show(galaxy)
    while "waiting" in view._outcome.object:
        assert time.monotonic() < end
        time.sleep(0.05)
    text = view._outcome.object
    assert 'data-domain="outside"' in text
    assert text.index(">outside the training domain<") < text.index("″/px")
    assert '<span class="badge bad">outside</span>' in view._list.object


def test_the_files_are_gone_with_the_session() -> None:
    state = make_state("demo")
    view = YoursView(state)
    assert arrivals_of(state) is view.arrivals
    view.files.dropper.value = {"a.fits": SPECTRUM.read_bytes()}
    view.files.add()
    wait(view)
    home, data = inbox_of(state).path.parent, weakref.ref(state.data)
    assert home.is_dir()
    del state, view
    gc.collect()
    assert not home.exists()
    assert data() is None

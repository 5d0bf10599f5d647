"""The view for a user's own galaxy: forms, errors, and that every view shows the result."""

from __future__ import annotations

import time
from pathlib import Path

import ppxf
import pytest

from galam_explorer.app.inbox import inbox_of
from galam_explorer.app.standalone import make_state
from galam_explorer.app.views.yours import YoursView
from galam_explorer.errors import GalamError

SPECTRUM = Path(ppxf.__file__).parent / "spectra" / "NGC3522_SDSS_DR18.fits"


@pytest.fixture
def view() -> YoursView:
    return YoursView(make_state("demo"))


def wait(view: YoursView) -> None:
    end = time.monotonic() + 120
    while view._progress.visible:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_dropped_spectrum_becomes_the_open_galaxy(view: YoursView) -> None:
    view._files.value = {"spec-0000.fits": SPECTRUM.read_bytes()}
    view.add()
    wait(view)
    state = view.state
    assert state.survey_id == "yours"
    assert state.galaxy_id in state.data.survey
    assert state.data.survey[state.galaxy_id].spectrum is not None
    assert "every tab shows it" in state.message.text
    assert view._files.value == {}
    frame, meanings = view.table()
    assert list(frame["has_spectrum"]) == [True]
    assert meanings["sn_r"][1].startswith("Median")
    assert 'data-yours="1"' in view._list.object


def test_nothing_dropped_bad_redshift_and_bad_file_are_told(view: YoursView) -> None:
    view.add()
    assert "drop a spectrum" in view.state.message.text
    view._files.value = {"notes.fits": b"no FITS"}
    view._redshift.value = "far"
    view.add()
    assert "not a redshift" in view.state.message.text
    view._redshift.value = ""
    view.add()
    wait(view)
    assert view.state.message.kind == "error"
    assert "notes.fits" in view.state.message.text
    assert view.state.survey_id == "demo"


def test_without_a_network_it_says_so(view: YoursView, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(target: str, note: object = None) -> None:
        raise GalamError("SkyServer cannot be reached", target, "upload files instead")

    monkeypatch.setattr("galam_explorer.survey.sdss_fetch.fetch_galaxy", offline)
    view._target.value = "146.714 -1.041"
    view.fetch()
    wait(view)
    assert "cannot be reached" in view.state.message.text
    assert "cannot be reached" in view._said.object
    assert view.state.survey_id == "demo"


def test_the_files_are_gone_with_the_session() -> None:
    import gc

    state = make_state("demo")
    home = inbox_of(state).path.parent
    assert home.is_dir()
    del state
    gc.collect()
    assert not home.exists()

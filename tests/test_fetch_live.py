"""The real services: opt in with ``pytest -m live``. A few requests, one a second."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from galam_explorer.config.fetch import FetchConfig
from galam_explorer.survey import Survey
from galam_explorer.survey.sdss_fetch import fetch_galaxy, fetch_survey, selection_histogram

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def network(request: pytest.FixtureRequest) -> None:
    """Skip, saying why, unless asked for and possible."""
    if "live" not in (request.config.getoption("-m") or ""):
        pytest.skip("asks the real SDSS services: opt in with -m live")
    for host in ("skyserver.sdss.org", "data.sdss.org"):
        try:
            socket.create_connection((host, 443), timeout=10).close()
        except OSError as error:
            pytest.skip(f"no network: {host} cannot be reached ({error})")


def test_a_small_sample(tmp_path: Path) -> None:
    report = fetch_survey(FetchConfig(n=3, seed=1), tmp_path / "s", counts=False)
    survey = Survey(tmp_path / "s")
    assert report.complete
    assert len(survey) == 3
    assert 600_000 < report.available < 1_200_000  # the paper says about 800 000
    for galaxy in survey:
        assert galaxy.spec_class == "GALAXY"
        assert 0.002 <= galaxy.z <= 0.3
        assert galaxy.sn_r >= 5
        assert len(galaxy.spectrum) > 3000


def test_one_galaxy() -> None:
    galaxy = fetch_galaxy("0266-51602-0001")
    assert galaxy.id == "0266-51602-0001"
    assert galaxy.ra == pytest.approx(146.71421, abs=1e-3)
    assert galaxy.z == pytest.approx(0.02128, abs=1e-4)
    assert galaxy.cutout is not None


def test_a_name() -> None:
    galaxy = fetch_galaxy("NGC 3522")
    assert galaxy.ra == pytest.approx(166.6686, abs=0.01)
    assert galaxy.cutout is not None


def test_counts() -> None:
    counts = selection_histogram("z")
    assert counts.total > 600_000
    assert np.diff(counts.edges) == pytest.approx(0.01)

"""Ended sessions leave nothing, and are looked for once, after the last of a burst."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from galam_explorer.app import tidy

VISITS = Path(__file__).parent / "visit_and_leave.py"


class Circle:
    def __init__(self) -> None:
        self.me = self


def test_circles_are_gone_soon_after_the_last_call(monkeypatch: pytest.MonkeyPatch) -> None:
    made, times = tidy.tidy, []

    def counted() -> None:
        made()
        times.append(time.monotonic())

    monkeypatch.setattr(tidy, "tidy", counted)
    gc.disable()
    try:
        left = weakref.ref(Circle())
        for _ in range(5):
            tidy.tidy_soon(0.3)
        assert left() is not None
        deadline = time.monotonic() + 60
        while not times and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left() is None
    finally:
        gc.enable()
    time.sleep(0.5)
    assert len(times) == 1


def test_nothing_of_a_visit_stays_in_the_server(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    run = subprocess.run(
        [sys.executable, str(VISITS), "2", str(file)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(file.read_text())
    assert all(count >= 1 for count in found["during"].values()), found
    assert not any(found["after"].values()), found

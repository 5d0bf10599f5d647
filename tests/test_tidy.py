"""Ended sessions are looked for once, after the last of a burst."""

from __future__ import annotations

import gc
import time
import weakref

import pytest

from galam_explorer.app import tidy


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

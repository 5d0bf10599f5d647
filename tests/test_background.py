"""Work in the background: the newest result arrives, what runs may be waited for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from galam_explorer.app.background import begin, compute, forget
from galam_explorer.errors import GalamError


class Session:
    """What a state is for the background: it changes its page, and hears of trouble."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.told: list[Any] = []

    def schedule(self, change: Callable[[], None]) -> None:
        change()
        self.arrived.set()

    def notify(self, kind: str, what: Any) -> None:
        self.told.append((kind, what))


@pytest.fixture
def session() -> Session:
    return Session()


def test_what_is_done_can_be_waited_for_and_still_arrives(session: Session) -> None:
    got: list[int] = []
    task = begin(session, "sum", lambda: 1 + 1)
    while not task.wait(5):
        time.sleep(0.001)
    task.then(got.append)
    assert session.arrived.wait(5)
    assert got == [2]


def test_nobody_waits_longer_than_the_patience_or_for_what_has_not_begun(session: Session) -> None:
    go, begun = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go.wait(10)

    # Two threads for all: the third has to stand in line.
    first, second = begin(session, "one", slow), begin(session, "two", slow)
    assert begun.wait(10)
    third = begin(session, "three", lambda: "late")
    started = time.perf_counter()
    assert not third.wait(5)
    assert time.perf_counter() - started < 4
    assert not first.wait(0.01)
    go.set()
    got: list[str] = []
    third.then(got.append)
    assert session.arrived.wait(10)
    assert got == ["late"]
    assert first.wait(10)
    assert second.wait(10)


def test_only_the_newest_of_a_kind_arrives(session: Session) -> None:
    go, got = threading.Event(), []
    old = begin(session, "galaxy", lambda: go.wait(10) and "old")
    old.then(got.append)
    compute(session, "galaxy", lambda: "new", got.append)
    assert session.arrived.wait(10)
    go.set()
    while not old.wait(5):
        time.sleep(0.001)
    assert got == ["new"]
    assert not old.is_latest()


def test_a_session_that_has_gone_gets_nothing(session: Session) -> None:
    go, got = threading.Event(), []
    task = begin(session, "galaxy", lambda: go.wait(10))
    task.then(got.append)
    forget(session)
    go.set()
    while not task.wait(5):
        time.sleep(0.001)
    assert got == []
    assert not session.arrived.is_set()


def test_errors_are_told_and_faults_of_ours_too(session: Session) -> None:
    def refused() -> None:
        raise GalamError("no such file", "a.fits", "choose another")

    compute(session, "file", refused, lambda _r: None)
    assert session.arrived.wait(10)
    kind, error = session.told.pop()
    assert kind == "error"
    assert "a.fits" in str(error)

    session.arrived.clear()
    failed: list[GalamError] = []
    compute(session, "bug", lambda: {}["absent"], lambda _r: None, failed.append)
    assert session.arrived.wait(10)
    assert isinstance(failed[0], GalamError)
    assert "KeyError" in str(failed[0])

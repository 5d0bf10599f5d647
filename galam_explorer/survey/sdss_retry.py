"""How to ask politely: one request at a time slot, pauses that grow, and when to give up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from galam_explorer.errors import GalamError

__all__ = [
    "BadBodyError",
    "FetchStoppedError",
    "NotThereError",
    "ServiceError",
    "Throttle",
    "retry_after",
    "with_retries",
]

T = TypeVar("T")
_BAD_BODY_RETRIES = 2


class ServiceError(GalamError):
    """A service does not answer as it should; the same request may work later.

    Attributes
    ----------
    wait : float
        Seconds that the service asks to wait; 0 if it does not say.
    offline : bool
        Whether there is no way to the service at all.
    """

    wait = 0.0
    offline = False


class BadBodyError(GalamError):
    """A whole answer came, but what is in it cannot be used."""


class NotThereError(GalamError):
    """The service says that it does not have this."""


class FetchStoppedError(GalamError):
    """Somebody asked to stop."""

    def __init__(self, what: str = "stopped", where: object = "", remedy: str = "") -> None:
        super().__init__(what, where, remedy)


class Throttle:
    """Time slots for the requests of all threads to one service.

    Slots are at least ``1 / rate`` apart; nothing is saved up while nobody asks.

    Parameters
    ----------
    rate : float
        Requests per second.
    stop : threading.Event, optional
        Ends all waiting when set.
    clock : callable
        Seconds, never going back.
    """

    def __init__(
        self,
        rate: float,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval = 1.0 / rate
        self.stop = stop or threading.Event()
        self._clock = clock
        self._next = float("-inf")
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next slot; seconds until it comes."""
        with self._lock:
            now = self._clock()
            slot = max(now, self._next)
            self._next = slot + self.interval
            return slot - now

    def wait(self) -> None:
        """Wait for the next slot.

        Raises
        ------
        FetchStoppedError
            If somebody asked to stop.
        """
        if self.stop.wait(self.reserve()):
            raise FetchStoppedError

    def pause(self, seconds: float) -> None:
        """Give no slot for so many seconds: the service asked all of us to wait."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


def retry_after(text: str | None, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks to wait (RFC 9110, 10.2.3); 0 if unreadable."""
    if not text:
        return 0.0
    if text.strip().isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def with_retries(
    action: Callable[[], T],
    throttle: Throttle,
    retries: int,
    backoff: float,
    max_wait: float,
    rng: random.Random | None = None,
    patient: bool = True,
) -> tuple[T, int]:
    """Do `action` until it works, with growing pauses and a jitter.

    Parameters
    ----------
    action : callable
    throttle : Throttle
        Its stop ends all waiting; it is paused if the service asks for that.
    retries : int
    backoff, max_wait : float
        First and longest pause, s.
    rng : random.Random, optional
        Of the jitter.
    patient : bool
        Also try again where there is no way to the service.

    Returns
    -------
    result : object
    attempts : int

    Raises
    ------
    ServiceError
        If it failed ``retries + 1`` times, or the service asks for a longer pause
        than `max_wait`.
    BadBodyError
        If what comes is bad three times (or ``retries + 1``, if fewer).
    NotThereError
        At once.
    FetchStoppedError
        If somebody asked to stop.
    """
    rng = rng or random.Random()
    bad = 0
    for attempt in range(retries + 1):
        try:
            return action(), attempt + 1
        except ServiceError as error:
            if attempt == retries or error.wait > max_wait or (error.offline and not patient):
                raise
            if error.wait:
                throttle.pause(error.wait)
        except BadBodyError:
            bad += 1
            if attempt == retries or bad > _BAD_BODY_RETRIES:
                raise
        delay = min(max_wait, backoff * 2**attempt) * rng.uniform(0.5, 1.5)
        if throttle.stop.wait(delay):
            raise FetchStoppedError
    raise AssertionError("unreachable")

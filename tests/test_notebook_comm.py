"""Messages between a cell's output and the kernel."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

pytest.importorskip("panel")

from pyviz_comms import Comm

from galam_explorer.app.notebook_comm import OrderlyComm, in_turn
from galam_explorer.app.surroundings import kernel_schedule


def make_comm(on_msg: Any) -> OrderlyComm:
    """One without a kernel."""
    comm = OrderlyComm.__new__(OrderlyComm)
    Comm.__init__(comm, id="test", on_msg=on_msg)
    comm.send = lambda *_args, **_options: None
    return comm


def test_what_the_browser_says_waits_until_a_change_is_made() -> None:
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def change() -> None:
        begun.set()
        assert go_on.wait(20)
        order.append("change")

    comm = make_comm(lambda _message: order.append("message"))
    first = threading.Thread(target=in_turn, args=[change])
    second = threading.Thread(target=comm._handle_msg, args=[{"content": {"data": {}}}])
    first.start()
    assert begun.wait(20)
    second.start()
    second.join(0.2)
    assert order == []
    go_on.set()
    first.join(20)
    second.join(20)
    assert order == ["change", "message"]


def test_results_of_background_work_wait_too() -> None:
    order: list[str] = []

    async def run() -> None:
        schedule = kernel_schedule()
        comm = make_comm(lambda _message: (schedule(lambda: order.append("change")), talk()))

        def talk() -> None:
            order.append("message")

        thread = threading.Thread(target=comm._handle_msg, args=[{"content": {"data": {}}}])
        thread.start()
        while len(order) < 2:
            await asyncio.sleep(0.01)
        thread.join(20)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert order == ["message", "change"]

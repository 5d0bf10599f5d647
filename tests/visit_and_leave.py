"""Serves the dashboard, visits it a few times, and counts what is left of the visits.

``python tests/visit_and_leave.py VISITS FILE`` writes a JSON object: how many of each
kind were alive during the last visit, and how many after it.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from pathlib import Path

import panel as pn
from bokeh.client import pull_session

from galam_explorer.app import build_app

KINDS = ("Dashboard", "Page", "NotificationArea", "Markup", "Dialog", "GalaxyView")
_PATIENCE_S = 60


def alive() -> dict[str, int]:
    """How many objects of each kind there are."""
    gc.collect()
    names = [type(one).__name__ for one in gc.get_objects()]
    return {kind: names.count(kind) for kind in KINDS}


def visits(port: int, count: int) -> dict[str, dict[str, int]]:
    """Come and go so many times."""
    found = {}
    for _ in range(count):
        session = pull_session(url=f"http://127.0.0.1:{port}/")
        found["during"] = alive()
        session.close()
        del session
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found["after"] = alive()
        if not any(found["after"].values()) or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def main() -> None:
    """Serve, visit from a thread, print, end."""
    server = pn.serve(
        build_app,
        port=0,
        show=False,
        start=False,
        unused_session_lifetime=500,
        check_unused_sessions=500,
    )
    loop = server.io_loop

    def come_and_go() -> None:
        try:
            found = visits(server.port, int(sys.argv[1]))
            Path(sys.argv[2]).write_text(json.dumps(found))
        finally:
            loop.add_callback(loop.stop)

    threading.Thread(target=come_and_go, daemon=True).start()
    server.start()
    loop.start()


if __name__ == "__main__":
    main()

"""Messages to a cell's output that are neither lost nor mixed up while it is being drawn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from pyviz_comms import JupyterComm, JupyterCommJS, JupyterCommManager

__all__ = ["PATIENCE_JS", "OrderlyComm", "PatientComm", "be_patient", "in_turn"]

_CLOSED = object()
_TURN = threading.RLock()


def in_turn(change: Callable[[], Any]) -> None:
    """Change what a cell shows while nothing else does.

    JupyterLab hands what a browser says to a thread of its own ("subshell"), beside the one
    that runs cells and takes the results of background work: of two changes at once Panel
    and param lose one.
    """
    with _TURN:
        change()


class OrderlyComm(JupyterCommJS):
    """Takes what the browser says in turn with all other changes."""

    def _handle_msg(self, msg: Any) -> None:
        in_turn(lambda: super(OrderlyComm, self)._handle_msg(msg))


class PatientComm(JupyterComm):
    """Keeps what is sent before the page listens, in order.

    Panel tries each such message again every 0.1 s by itself: of two changes of the
    same thing the older one could come last.
    """

    def __init__(self, *args: Any, **params: Any) -> None:
        super().__init__(*args, **params)
        self._kept: list[tuple[Any, Any, Any]] = []
        # Panel sends to what looks open.
        self._comm: Any = _CLOSED

    def init(self, on_msg: Any = None) -> None:
        """The page listens now: open, and send what was kept."""
        super().init()
        kept, self._kept = self._kept, []
        for message in kept:
            super().send(*message)

    def close(self) -> None:
        """Close, if it was ever open."""
        if self._comm is not _CLOSED:
            super().close()

    def send(self, data: Any = None, metadata: Any = None, buffers: Any = ()) -> None:
        """Send now, or when the page listens."""
        message = (data, metadata, list(buffers))
        if self._comm is _CLOSED:
            self._kept.append(message)
        else:
            super().send(*message)


def be_patient() -> None:
    """Let every widget that is displayed from now on have such comms."""
    JupyterCommManager.server_comm = PatientComm
    JupyterCommManager.client_comm = OrderlyComm


PATIENCE_JS = """
  // Panel drops what comes while a widget is being drawn, seconds for a whole dashboard.
  const name = "panel.models.comm_manager.CommManager"
  const patience = setInterval(() => {
    const Manager = window.Bokeh?.Models?.get(name)
    if (!Manager) { return }
    clearInterval(patience)
    const handle = Manager.prototype.msg_handler
    const drawn = (manager) => window.PyViz.plot_index?.[manager.plot_id] != null
      || manager.plot_id in window.Bokeh.index
    Manager.prototype.msg_handler = function (message) {
      if (!this.early && drawn(this)) { return handle.call(this, message) }
      if (this.early) { this.early.push(message); return }
      this.early = [message]
      const waiting = setInterval(() => {
        if (!drawn(this)) { return }
        clearInterval(waiting)
        const early = this.early
        this.early = null
        for (const one of early) { handle.call(this, one) }
      }, 50)
    }
  }, 20)
"""
"""The same on the page, from the moment when Bokeh is loaded."""

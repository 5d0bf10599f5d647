"""The few things only a browser can do: keys, clipboard, downloads, paint times."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import param

from galam_explorer.app.markup import QuickComponent

__all__ = ["Bridge"]


class Bridge(QuickComponent):
    """An invisible component; `handlers` maps a message kind to what it does."""

    seq = param.Integer(default=0, doc="Raised when all views have the new data.")
    search = param.String(default="", doc="The query of the address bar.")
    latency = param.Number(default=0.0, doc="Milliseconds from the last action to paint.")

    _own: ClassVar[frozenset[str]] = frozenset({"seq", "search", "latency"})
    _esm: ClassVar[str] = "\n".join(
        Path(__file__).with_name(name).read_text("utf-8") for name in ("painting.js", "bridge.js")
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.handlers: dict[str, Callable[[dict[str, Any]], None]] = {}

    def _handle_msg(self, data: dict[str, Any]) -> None:
        handler = self.handlers.get(str(data.get("kind")))
        if handler is not None:
            handler(data)

    def _update_properties(self, *events: param.parameterized.Event, doc: Any) -> dict[str, Any]:
        # As in `Markup`: nothing here has a design.
        return self._process_param_change({event.name: event.new for event in events})

    def done(self) -> None:
        """Say that every visible view has its new data."""
        self.seq += 1

    def export(self, names: list[str], form: str, **options: Any) -> None:
        """Let the browser save figures by name as one ``png`` or ``svg``."""
        self._send_msg({"kind": "export", "names": names, "format": form, **options})

    def save(self, content: bytes, filename: str, mime: str) -> None:
        """Let the browser save bytes as a file."""
        text = base64.b64encode(content).decode()
        self._send_msg({"kind": "save", "base64": text, "filename": filename, "type": mime})

    def copy(self, done: str, text: str | None = None) -> None:
        """Copy `text` (the page's address by default) and then say `done`."""
        self._send_msg({"kind": "copy", "text": text, "done": done})

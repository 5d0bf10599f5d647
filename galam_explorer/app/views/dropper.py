"""Files dropped on the page: which have come, which are on their way, which are too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import panel as pn
import param
from panel.models.file_dropper import FileDropper

__all__ = ["Dropper", "calm_dropper"]


_PAINTER = "data:text/javascript,globalThis.__framePainter??={readers:[],writers:[],galam:true}"


def calm_dropper() -> None:
    """Of FilePond, load what is wanted, and let it draw only while there is a place to drop.

    Its preview plugins switch themselves on when they load, whether wanted or not; that of
    PDF files reads the file of an item that has gone, an error in the browser's console.
    It also draws sixty times a second on every page that has its script, unless somebody
    else (``painting.js``) says that they will do so. For pages served from now on.
    """
    wanted = [one for one in FileDropper.__javascript_raw__ if "-preview" not in one]
    FileDropper.__javascript_raw__ = [_PAINTER, *(one for one in wanted if one != _PAINTER)]


class Dropper(pn.widgets.FileDropper):
    """Panel's dropper, which also says what is still coming and holds bounded memory.

    The browser refuses files above `max_file_size` itself; what holds for those
    who get round that is `max_bytes`.
    """

    coming: list[str] = param.List(default=[], item_type=str, doc="Names of files on their way.")
    refused: list[str] = param.List(default=[], item_type=str, doc="Names of those too large.")
    max_bytes = param.Integer(default=64 * 2**20, bounds=(1, None), doc="Most bytes of a file.")

    _rename: ClassVar[Mapping[str, str | None]] = {
        **pn.widgets.FileDropper._rename,
        "coming": None,
        "refused": None,
        "max_bytes": None,
    }

    def _process_param_change(self, params: dict[str, Any]) -> dict[str, Any]:
        found = super()._process_param_change(params)
        if found.get("previews") == []:
            # Bokeh does not send what is its default; the browser's own default is all.
            found["previews"] = ["none"]
        return found

    def _process_event(self, event: Any) -> None:
        if event.event_name == "upload_event" and not self._takes(event.data):
            return
        super()._process_event(event)
        self.coming = sorted(self._file_buffer)

    def _takes(self, data: Mapping[str, Any]) -> bool:
        """Whether a piece belongs to a file that is wanted; a file too large is forgotten."""
        name, buffer = data["name"], self._file_buffer
        if data["chunk"] == 1:
            buffer[name] = []
            self.refused = [one for one in self.refused if one != name]
        if name not in buffer:
            return False
        known = set(self.value) | set(buffer)
        size = sum(len(piece) for piece in buffer[name]) + len(data["data"])
        if size <= self.max_bytes and len(known) <= (self.max_files or len(known)):
            return True
        del buffer[name]
        self.refused = [*self.refused, name]
        self.coming = sorted(buffer)
        return False

"""How the whole survey fared, by reason: counted on demand, in the background."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from galam_explorer.app.fate import FateJob, fate_counts, job_for, prepared_statuses
from galam_explorer.app.state import ExplorerState
from galam_explorer.app.views.base import bar, escape, html_pane
from galam_explorer.evaluate.figures.preprocess import STATUS_TEXT

__all__ = ["FatePanel", "counts_html"]

_POLL_MS = 500


def counts_html(counts: dict[str, int], note: str) -> str:
    """Bars with numbers and shares."""
    total = sum(counts.values()) or 1
    rows = []
    for status, count in counts.items():
        colour = "var(--accent)" if status == "ok" else "#c2571a"
        rows.append(
            f"<tr><td style='padding:1px 10px 1px 0;white-space:nowrap'>"
            f"{escape(STATUS_TEXT.get(status, status))}</td>"
            f"<td style='width:100%'><div style='height:9px;border-radius:3px;min-width:2px;"
            f"background:{colour};width:{100 * count / total:.2f}%'></div></td>"
            f"<td style='text-align:right;padding-left:10px;white-space:nowrap;"
            f"font-variant-numeric:tabular-nums'>{count:,} · {100 * count / total:.1f} %</td></tr>"
        )
    return (
        f'<div class="g" data-fate="{total}"><table style="width:100%;font-size:12px;'
        f'border-collapse:collapse">{"".join(rows)}</table>'
        f'<div class="soft" style="font-size:11px;padding-top:3px">{escape(note)}</div></div>'
    )


class FatePanel(pn.viewable.Viewer):
    """Counts by reason for the present parameters, or a button that counts them.

    Parameters
    ----------
    state : ExplorerState
    """

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self.state = state
        self._job: FateJob | None = None
        self._poll: Any = None
        self._counts = html_pane(sizing_mode="stretch_width")
        self._count = pmui.Button(
            label="Count it", icon="bar_chart", size="small", variant="outlined",
            margin=0, on_click=lambda _e: self._start(),
        )  # fmt: skip
        self._cancel = pmui.Button(
            label="Cancel", size="small", variant="text", margin=0, visible=False,
            on_click=lambda _e: self._stop(),
        )  # fmt: skip
        self._progress = pmui.LinearProgress(
            value=0, visible=False, sizing_mode="stretch_width", margin=(6, 0)
        )
        title = html_pane('<div class="g"><h2>The whole survey</h2></div>', min_width=120)
        top = bar(title, self._count, self._cancel)
        self._layout = pn.Column(
            top, self._progress, self._counts, sizing_mode="stretch_both",
            styles={"min-width": "0", "overflow-y": "auto"},
        )  # fmt: skip
        self._seen = ""

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout

    def close(self) -> None:
        """Stop looking at the job; it goes on for others."""
        if self._poll is not None:
            self._poll.stop()
            self._poll = None

    def look(self) -> None:
        """Show what is known for the present parameters."""
        data, config = self.state.data, self.state.config
        if data is None:
            return
        self._job = job_for(data, config)
        if self._job is not None:
            self._show_job()
            return
        if config.hash not in data.statuses and config.hash != self._seen:
            self._seen = config.hash
            known = prepared_statuses(data, config)
            if known is not None:
                self._learn(config.hash, known)
        self._show_known()

    def _learn(self, key: str, statuses: Any) -> None:
        if key not in self.state.data.statuses:
            self.state.data.statuses[key] = statuses
            self.state.fates += 1

    def _show_known(self) -> None:
        data, config = self.state.data, self.state.config
        known = data.statuses.get(config.hash)
        self._progress.visible = self._cancel.visible = False
        self._count.visible = known is None
        if known is None:
            text = f"Not counted yet for these parameters ({len(data):,} galaxies)."
            self._counts.object = f'<div class="g soft" style="font-size:12px">{text}</div>'
        else:
            note = f"{len(known):,} galaxies, these parameters"
            self._counts.object = counts_html(fate_counts(known), note)

    def _show_job(self) -> None:
        job = self._job
        if job.state == "done":
            self.close()
            self._learn(job.config.hash, job.statuses)
            self._show_known()
            return
        running = job.state == "running"
        self._count.visible, self._cancel.visible = not running, running
        self._progress.visible = running
        self._progress.value = int(100 * job.done / max(job.total, 1))
        note = f"{job.done:,} of {job.total:,} galaxies"
        if job.state == "failed":
            note = f"could not be counted: {job.problem}"
        elif job.state == "cancelled":
            note += ", cancelled"
        self._counts.object = counts_html(fate_counts(job.statuses), note)
        if running and self._poll is None and pn.state.curdoc is not None:
            self._poll = pn.state.add_periodic_callback(self._tick, period=_POLL_MS)
        if not running:
            self.close()

    def _tick(self) -> None:
        if self._job is not None:
            self._show_job()

    def _start(self) -> None:
        self._job = job_for(self.state.data, self.state.config, start=True)
        self._show_job()

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()

"""What is likely to be asked for next, worked out while the page rests.

No panel here: the page says when it rests, and which galaxies are near at hand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from galam_explorer.app.background import begin
from galam_explorer.app.data import SurveyData
from galam_explorer.app.predicting import judgement_of
from galam_explorer.app.preload import preloaded
from galam_explorer.errors import GalamError

__all__ = ["look_ahead", "neighbours"]

logger = logging.getLogger(__name__)


def neighbours(state: Any) -> list[str]:
    """Ids of the next and the previous galaxy, in the table's order.

    Parameters
    ----------
    state : ExplorerState
    """
    order, row = state.order, state.row
    if row is None:
        return []
    place = (order == row).nonzero()[0]
    if not len(place):
        return []
    around = {int(order[(int(place[0]) + step) % len(order)]): None for step in (1, -1)}
    return [str(state.data.ids[one]) for one in around if one != row]


def look_ahead(
    state: Any, galaxy_ids: Iterable[str], also: Callable[[], None] | None = None
) -> None:
    """Read and judge galaxies in the background, after all else; what is known costs nothing.

    Newer calls of the same session replace older ones that have not begun. What cannot
    be read is left alone: it is told when somebody chooses it.

    Parameters
    ----------
    state : ExplorerState
    galaxy_ids : iterable of str
    also : callable, optional
        More of this kind; must not touch the page.
    """
    wanted, data, model = list(galaxy_ids), state.data, state.model
    if data is None or not preloaded():
        return
    settled = state.model_state in ("none", "ready")

    def work() -> None:
        try:
            for one in wanted:
                _prepare(data, one, model, settled)
            if also is not None:
                also()
        except (GalamError, OSError) as error:
            logger.debug("not prepared ahead: %s", error)

    begin(state, "ahead", work, slow=True)


def _prepare(data: SurveyData, galaxy_id: str, model: Any, settled: bool) -> None:
    galaxy = data.galaxy(galaxy_id)
    if galaxy.cutout is not None:
        data.image(galaxy)
    if settled:
        judgement_of(data, galaxy, model)

"""The one exception type that user-facing code raises."""

from __future__ import annotations

__all__ = ["GalamError"]


class GalamError(Exception):
    """Something the user gave, or something around us, cannot be used.

    Raised at the boundary where the bad input enters; the command line and the
    dashboard show its one-line text instead of a traceback.

    Parameters
    ----------
    what : str
        What is wrong, in one clause.
    where : str, optional
        The file, galaxy id, column or parameter it is about.
    remedy : str, optional
        What the user can do about it.
    """

    def __init__(self, what: str, where: object = "", remedy: str = "") -> None:
        self.what = what.rstrip(".")
        self.where = str(where)
        self.remedy = remedy.rstrip(".")
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        remedy = self.remedy[:1].upper() + self.remedy[1:]
        return f"{text}. {remedy}." if remedy else f"{text}."

    def __reduce__(self) -> tuple:
        # Exceptions travel between worker processes by pickle, which would
        # otherwise call __init__ with the joined text alone.
        return type(self), (self.what, self.where, self.remedy)

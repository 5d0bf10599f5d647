"""The paper's numbers, to stand beside ours (Tables 1, A.1 and A.2; Sect. 4.2.2).

As printed. One of them is impossible: at 64 px the MAE of [M/H], 0.1865, lies
above the root of its MSE, 0.1697.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PAPER_FEATURE_R2", "PAPER_TABLES", "PaperRow", "PaperTable"]

PAPER_FEATURE_R2 = 0.9767
"""Mean R² of the simulated features within galaxies (Sect. 4.2.2)."""


class PaperRow(NamedTuple):
    """One line: a name, what it is here, and (log_age, m_h) of each metric in dex.

    ``sd`` is after the paper's clip. `key` is a model of
    `galam_explorer.evaluate.protocol.MODEL_NAMES`, or the resolution or bands that
    a set of runs must have.
    """

    name: str
    key: str
    mse: tuple[float, float]
    mae: tuple[float, float]
    bias: tuple[float, float]
    sd: tuple[float, float]


class PaperTable(NamedTuple):
    """A table: its title, what varies from row to row, and its rows."""

    title: str
    varies: str
    rows: tuple[PaperRow, ...]


def _row(name: str, key: str, *n: float) -> PaperRow:
    return PaperRow(name, key, (n[0], n[1]), (n[2], n[3]), (n[4], n[6]), (n[5], n[7]))


# Columns as printed: MSE age, [M/H]; MAE age, [M/H]; bias (SD) age; bias (SD) [M/H].
PAPER_TABLES = {
    "1": PaperTable(
        "Table 1: models",
        "model",
        (
            _row("Image-only model", "m3",
                 0.0441, 0.0272, 0.1684, 0.1302, 0.0426, 0.2057, 0.0122, 0.1644),
            _row("Spectra-only model", "m1",
                 0.0197, 0.0161, 0.1129, 0.1024, 0.0365, 0.1355, -0.0056, 0.1269),
            _row("MMLforGalAM", "m4",
                 0.0227, 0.0197, 0.1215, 0.1121, 0.0034, 0.1506, -0.0091, 0.1402),
            _row("MMLforGalAMwithReal", "m4_real",
                 0.0168, 0.0163, 0.1058, 0.1041, -0.0088, 0.1293, -0.0175, 0.1266),
        ),
    ),
    "A.1": PaperTable(
        "Table A.1: resolution of the images",
        "resolution",
        (
            _row("64 × 64", "64",
                 0.0389, 0.0288, 0.1621, 0.1865, 0.0132, 0.1968, -0.0024, 0.1697),
            _row("128 × 128", "128",
                 0.0233, 0.0181, 0.1227, 0.1090, -0.0356, 0.1483, 0.0381, 0.1290),
        ),
    ),
    "A.2": PaperTable(
        "Table A.2: bands of the images",
        "bands",
        (
            _row("g", "g", 0.0458, 0.0430, 0.1745, 0.1663, 0.0254, 0.2125, 0.0377, 0.2039),
            _row("r", "r", 0.0522, 0.0514, 0.1864, 0.1764, 0.0374, 0.2254, 0.0001, 0.2266),
            _row("i", "i", 0.0386, 0.0287, 0.1626, 0.1356, 0.0404, 0.1922, 0.0062, 0.1692),
            _row("gr", "gr", 0.0458, 0.0389, 0.1763, 0.1583, 0.0621, 0.2048, 0.0321, 0.1945),
            _row("gi", "gi", 0.0373, 0.0288, 0.1576, 0.1361, 0.0074, 0.1929, 0.0236, 0.1681),
            _row("ri", "ri", 0.0370, 0.0267, 0.1579, 0.1313, 0.0193, 0.1913, 0.0183, 0.1624),
            _row("gri", "gri", 0.0227, 0.0197, 0.1215, 0.1121, 0.0034, 0.1506, -0.0091, 0.1402),
        ),
    ),
}  # fmt: skip
"""Table number to table."""

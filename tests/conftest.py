"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that are not in pyproject.toml."""
    config.addinivalue_line("markers", "live: asks the real SDSS services (opt in with -m live)")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real SDSS files beside the checkout; tests that need them skip elsewhere."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"real data are not here: {path}")
    return path

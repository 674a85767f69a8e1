"""Fixtures and rules shared by all tests."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that ``from tests.support import ...`` works

ABSENT = "not run: STORMSAIL_DATA is not set to a directory of market data"

settings.register_profile("stormsail", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("stormsail")


def _data() -> Path | None:
    named = os.environ.get("STORMSAIL_DATA")
    return Path(named) if named and Path(named).is_dir() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``realdata`` in plain words where there is no data."""
    if _data() is None:
        for item in items:
            if item.get_closest_marker("realdata"):
                item.add_marker(pytest.mark.skip(reason=ABSENT))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Directory of real market data; the test is skipped, and says so, where there is none."""
    path = _data()
    if path is None:
        pytest.skip(ABSENT)
    return path

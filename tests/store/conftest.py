"""What every store test may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh database with one writer. Whatever the test did, it must have kept the promises."""
    made = World(tmp_path)
    yield made
    findings = made.findings()
    made.close()
    assert findings == []

"""What every store test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.world import World


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A fresh database with one writer. Whatever the test did, it must have kept the promises."""
    made = World(database_url)
    yield made
    findings = made.findings()
    made.close()
    assert findings == []

"""What the tests of the services may use: a coordinator on a SQLite file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.coordinator.rpc.harness import Coordinator
from tests.coordinator.rpc.serving import serving


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with serving(f"sqlite:///{tmp_path / 'test.db'}") as made:
        yield made

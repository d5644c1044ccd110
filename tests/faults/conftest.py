"""What every test of the fault suite does."""

from __future__ import annotations

import pytest

from tests.faults.figures import SEED


@pytest.fixture(autouse=True)
def _print_seed(request: pytest.FixtureRequest) -> None:
    """Says first what replays this test: a run that hangs must not keep it to itself."""
    if request.node.get_closest_marker("slow"):
        print(f"\n{request.node.name}: make faults SEED={SEED} TESTS={request.node.path.name}")

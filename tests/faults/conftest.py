"""What every test of the fault suite does: it says its seed, and is counted also if it has nothing to record."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests.faults.figures import SEED, Measurement, keep
from tests.faults.network import Namespace, NetworkImpossible, network_namespace


@pytest.fixture(autouse=True)
def _print_seed(request: pytest.FixtureRequest) -> None:
    """Says first what replays this test: a run that hangs must not keep it to itself."""
    if request.node.get_closest_marker("slow"):
        print(f"\n{request.node.name}: make faults SEED={SEED} TESTS={request.node.nodeid.partition('::')[0]}")


@pytest.fixture
def lease_ttl_seconds() -> float:
    """What those had who were killed goes to others soon."""
    return 3.0


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A network namespace for a part of the fleet."""
    try:
        with network_namespace() as made:
            yield made
    except NetworkImpossible as error:
        assert not os.environ.get("CI"), f"CI must have namespaces: {error}"
        pytest.skip(f"NO PARTITIONS: {error}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed or was skipped is a measurement, too: its figures must not look as if it had passed."""
    report = yield
    if report.outcome != "passed":
        why = str(call.excinfo.value) if call.excinfo else ""
        for marker in item.iter_markers("figures"):
            for figure in marker.args:
                keep(Measurement(figure, 0, 0, SEED, **{report.outcome: why or report.outcome}))
    return report

"""Every ready example of a queue is taken by a coordinator as it is written, and comes back the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from missioncontrol import Client
from missioncontrol.cli.queue_changes import Result, carry_out, look, settled
from missioncontrol.cli.queue_files import queue_text, read_queue_files

from tests.coordinator.rpc.harness import Coordinator

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "queues").glob("*.yaml"))
PATTERNS = {
    "affinity", "backpressure", "capability", "central", "fairness", "lanes", "round-robin", "shortest-queue",
    "two-choices",
}  # fmt: skip


def test_there_is_an_example_of_each_pattern() -> None:
    assert {path.stem for path in EXAMPLES} == PATTERNS


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_an_example_is_applied_and_read_back_as_the_same_policy(
    coordinator: Coordinator, path: Path, tmp_path: Path
) -> None:
    documents = read_queue_files([str(path)])
    async with Client(coordinator.address) as client:
        results = [(await carry_out(client.queues, each))[0] for each in await look(client.queues, documents)]
        again = await look(client.queues, documents)
        queues = [(await client.queues.get(document.name)).queue for document in documents]

    assert results == [Result.CREATED] * len(documents)
    assert [(change.result, list(change.difference())) for change in again] == [(Result.UNCHANGED, [])] * len(documents)
    assert [queue.policy for queue in queues] == [settled(document.policy) for document in documents]
    (tmp_path / "back.yaml").write_text("---\n".join(map(queue_text, queues)))
    back = read_queue_files([str(tmp_path / "back.yaml")])
    assert [document.policy for document in back] == [queue.policy for queue in queues]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_at_its_head_when_to_use_it(path: Path) -> None:
    head = path.read_text().partition("name:")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert "Use it " in head

"""What applying files would change, and carrying it out: one queue after the other, all files checked before."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from missioncontrol.calls.queues import QueueCalls
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.queue_files import QueueDocument, queue_text
from missioncontrol.errors import InvalidArgument
from missioncontrol.times import duration_seconds
from missioncontrol.v1 import queue_pb2

_WARM_SECONDS = 3600  # what a service takes if it is told nothing


class Result(StrEnum):
    """What became of a queue, or would become of it."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Change:
    """A queue as it is, and as a document wants it."""

    document: QueueDocument
    before: queue_pb2.Queue

    @property
    def result(self) -> Result:
        """What applying it would do."""
        if not self.before.version:
            return Result.CREATED
        same = settled(self.before.policy) == settled(self.document.policy)
        return Result.UNCHANGED if same else Result.CHANGED

    def difference(self) -> Iterator[str]:
        """The lines of a unified diff from the queue as it is."""
        wanted = queue_pb2.Queue(name=self.document.name, policy=settled(self.document.policy))
        found = queue_pb2.Queue(name=self.before.name, policy=settled(self.before.policy))
        before = queue_text(found).splitlines() if self.before.version else []
        name = self.document.name
        after = queue_text(wanted).splitlines()
        return difflib.unified_diff(before, after, f"{name} (as it is)", f"{name} ({self.document.file})", lineterm="")


async def look(queues: QueueCalls, documents: Sequence[QueueDocument]) -> list[Change]:
    """Reads the queues that the documents name."""
    return [Change(document, (await queues.get(document.name)).queue) for document in documents]


async def carry_out(queues: QueueCalls, change: Change) -> tuple[Result, queue_pb2.Queue]:
    """Applies one document; the queue afterwards. Raises RefusedInputError, with lines, if the policy is refused."""
    try:
        after = await queues.update(change.document.name, change.document.policy)
    except InvalidArgument as refused:
        raise RefusedInputError("\n".join(change.document.explain(refused))) from None
    if not change.before.version:
        return Result.CREATED, after
    return (Result.UNCHANGED if after.policy == change.before.policy else Result.CHANGED), after


def settled(policy: queue_pb2.QueuePolicy) -> queue_pb2.QueuePolicy:
    """The policy as a service tells it: lanes highest first, and without what is the default anyway."""
    found = queue_pb2.QueuePolicy()
    found.CopyFrom(policy)
    found.strategy = policy.strategy or queue_pb2.ROUTING_STRATEGY_CENTRAL_QUEUE
    lanes = sorted(policy.lanes, key=lambda lane: -lane.priority_min)
    del found.lanes[:]
    found.lanes.extend(lanes)
    _settle_affinity(found.affinity)
    if found.affinity == queue_pb2.AffinityPolicy(mode=queue_pb2.AFFINITY_WAIT_NEVER):
        found.ClearField("affinity")
    if not found.round_robin.ListFields():
        found.ClearField("round_robin")
    if not found.limits.ListFields():
        found.ClearField("limits")
    if not found.admission.ListFields():
        found.ClearField("admission")
    return found


def _settle_affinity(affinity: queue_pb2.AffinityPolicy) -> None:
    affinity.mode = affinity.mode or queue_pb2.AFFINITY_WAIT_NEVER
    if affinity.HasField("warm_time") and duration_seconds(affinity.warm_time) == _WARM_SECONDS:
        affinity.ClearField("warm_time")
    if affinity.HasField("wait") and not duration_seconds(affinity.wait):
        affinity.ClearField("wait")

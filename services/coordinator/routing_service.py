"""RoutingService: tells why work goes where it goes, or nowhere. Nothing here changes anything."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from missioncontrol.v1 import routing_service_pb2 as wire
from missioncontrol.v1 import routing_service_pb2_grpc, scheduler_service_pb2, task_pb2, task_service_pb2

from services.coordinator.depths import depths_message
from services.coordinator.routing_talk import RoutingTalk
from services.coordinator.task_service import whole_task
from services.coordinator.waits import Waits
from services.domain.commands import NewTask
from services.domain.errors import Unavailable
from services.domain.explain import Explanation
from services.domain.plain_wait import plain_since, plain_wait
from services.domain.requirements import WaitReason
from services.domain.wait_message import away_message, wait_message
from services.store.away_agents import Wanted, find_able
from services.store.depths import read_depths
from services.store.queues import get_queue
from services.store.readers import Readers
from services.store.waits import StoredWait, read_wait
from services.transport import convert_explanation, convert_queue, convert_schedule, convert_task
from services.transport.convert_task import DEFAULT_NAMESPACE
from services.transport.convert_time import optional_timestamp

# Agents that are named since they could run what no connected one can.
AWAY_NAMES_MAX = 4


class RoutingService(routing_service_pb2_grpc.RoutingServiceServicer):
    """See the contract."""

    def __init__(self, readers: Readers, talk: RoutingTalk, waits: Waits) -> None:
        self._readers = readers
        self._talk = talk
        self._waits = waits

    async def ExplainTask(self, request: wire.ExplainTaskRequest, context: Any) -> wire.ExplainTaskResponse:
        """Says why a task waits."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        found = await self._readers.run(partial(read_wait, namespace=namespace, task_id=request.task_id))
        explanation, since_time = await self._explain(found)
        task = self._waits.put_into(whole_task(found.stored), found.stored)
        task.spec.ClearField("payload")
        return wire.ExplainTaskResponse(
            task=task,
            explanation=explanation,
            since_time=optional_timestamp(since_time),
            history=convert_explanation.history(found.stored.stuck) if found.stored.stuck is not None else (),
            position=found.ahead,
            blocked_by=found.blocked_by,
        )

    async def SimulatePlacement(
        self, request: wire.SimulatePlacementRequest, context: Any
    ) -> wire.SimulatePlacementResponse:
        """Tries out where tasks would go now."""
        new = convert_task.new_task(task_service_pb2.CreateTaskRequest(spec=request.spec))
        queue, _ = await self._readers.run(partial(get_queue, key=(new.namespace, new.queue)))
        if queue.paused:
            paused = plain(WaitReason.QUEUE_PAUSED, queue=new.queue)
            return wire.SimulatePlacementResponse(explanation=paused)
        policy = convert_queue.checked_policy(request.policy) if request.HasField("policy") else queue.policy
        question = scheduler_service_pb2.RoutingQuestion(
            group=convert_schedule.group_of_new(new),
            task=convert_schedule.new_ready(new, now=time.time_ns() // 1000),
            policy=convert_queue.policy_message(policy),
            simulate=request.count or 1,
        )
        answer = await self._talk.ask(question)
        await self._complete(answer.explanation, wanted_by(new))
        return wire.SimulatePlacementResponse(explanation=answer.explanation, placements=answer.placements)

    async def GetDepths(self, request: wire.GetDepthsRequest, context: Any) -> wire.GetDepthsResponse:
        """Tells how deep the queues are."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        return depths_message(await self._readers.run(partial(read_depths, namespace=namespace, queue=request.queue)))

    async def _explain(self, found: StoredWait) -> tuple[scheduler_service_pb2.Explanation, int]:
        """Why the task waits, and since when, as far as that is known."""
        row = found.stored.row
        known = plain_wait(row, found.queue, found.blocked_by)
        if known is not None:
            return convert_explanation.explanation_message(known), plain_since(row, found.queue)
        try:
            answer = await self._talk.ask(self._question(found))
        except Unavailable:
            since_time = self._waits.without_scheduler_since(row.shard) or time.time_ns() // 1000
            return plain(WaitReason.NO_SCHEDULER, queue=row.queue), max(since_time, row.queued_time)
        wanted = Wanted(row.namespace, row.queue, row.kind, found.requirements)
        await self._complete(answer.explanation, wanted)
        stuck = found.stored.stuck
        if stuck is None or convert_explanation.wait_reason(answer.explanation.reason) is not stuck.reason:
            return answer.explanation, row.queued_time
        return answer.explanation, max(stuck.since_time, row.queued_time)

    def _question(self, found: StoredWait) -> scheduler_service_pb2.RoutingQuestion:
        return scheduler_service_pb2.RoutingQuestion(
            group=convert_schedule.group_of(found.stored.row, found.requirements),
            task=convert_schedule.ready_of(found.stored.row),
            policy=convert_queue.policy_message(found.queue.policy),
        )

    async def _complete(self, explanation: scheduler_service_pb2.Explanation, wanted: Wanted) -> None:
        """The scheduler knows agents that are connected. That none ever could means all that are known here."""
        if not explanation.never:
            return
        [names] = await self._readers.run(partial(find_able, wanted=[wanted], names_max=AWAY_NAMES_MAX))
        if names:
            explanation.never = False
            explanation.reason = task_pb2.WAIT_REASON_AGENTS_NOT_ACCEPTING
            explanation.message = away_message(names)


def plain(reason: WaitReason, *, queue: str) -> scheduler_service_pb2.Explanation:
    """An explanation that nobody has to be asked for."""
    return convert_explanation.explanation_message(
        Explanation(reason=reason, message=wait_message(reason, (), queue=queue))
    )


def wanted_by(new: NewTask) -> Wanted:
    """What a task that would be submitted wants of an agent."""
    return Wanted(new.namespace, new.queue, new.kind, new.requirements)

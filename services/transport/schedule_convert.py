"""The scheduler's end of the Schedule stream, between proto messages and the domain's values.

Only conversions live here. They are on the hot path: a request is read field by field once, and a profile is made anew
only if the agent's declaration changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from missioncontrol.v1 import queue_pb2
from missioncontrol.v1 import scheduler_service_pb2 as pb

from services.domain.commands import Placement, PlacementOutcome
from services.domain.errors import InvalidArgument
from services.domain.policy import AdmissionState
from services.domain.requirements import AgentProfile, Preference, Requirements
from services.domain.schedule import (
    LeaseLoad,
    PlacementResult,
    QueueRule,
    ReadyTask,
    Recall,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
    Unplaceable,
    group_id_of,
    number_of,
)
from services.domain.standing import Standing
from services.domain.task import Avoided
from services.transport import convert_queue, convert_selector

_OUTCOMES = {int(outcome): outcome for outcome in PlacementOutcome}
_LOAD_FIELDS = ("accepting", "leases", "started", "resources_used", "loads", "warm_keys", "last_grant_micros")
NONE_WARM: dict[str, int] = {}


class ScheduleDecoder:
    """Reads the requests of the stream with that number: the groups' ids are of all streams from here on.

    It remembers each agent's profile and warm keys, as long as the agent is not removed.
    """

    def __init__(self, source: int = 0) -> None:
        self._source = source
        self._profiles: dict[str, tuple[bytes, AgentProfile]] = {}
        self._warm_keys: dict[str, tuple[int, dict[str, int]]] = {}  # by agent, with the session that they are of

    def changes(self, request: pb.ScheduleRequest) -> ScheduleChanges:
        """Read a request. Raises InvalidArgument for what the contract does not have."""
        for key in request.removed_agents:
            self._profiles.pop(key, None)
            self._warm_keys.pop(key, None)
        source = self._source
        return ScheduleChanges(
            source=source,
            queues=tuple(_queue(queue) for queue in request.queues),
            groups=tuple(_group(group, source) for group in request.groups),
            ready=tuple(_ready_tasks(request, source)),
            removed_task_ids=tuple(request.removed_task_ids),
            agents=tuple(self._agent(agent) for agent in request.agents),
            removed_agents=tuple(request.removed_agents),
            results=tuple(_results(request)),
            removed_groups=tuple(group_id_of(source, number) for number in request.removed_groups),
        )

    def _agent(self, agent: pb.SchedulableAgent) -> SchedulableAgent:
        key = f"{agent.namespace}/{agent.agent_id}"
        return SchedulableAgent(
            key=key,
            namespace=agent.namespace,
            agent_id=agent.agent_id,
            session=agent.session,
            accepting=agent.accepting,
            slots=agent.slots,
            leases=agent.leases,
            resources_used=dict(agent.resources_used) if agent.resources_used else {},
            started=agent.started,
            queue_limit=agent.queue_limit,
            loads=tuple(_load(load) for load in agent.loads) if agent.loads else (),
            warm_keys=self._warm(key, agent),
            last_grant_time=agent.last_grant_micros,
            profile=self._profile(key, agent),
        )

    def _warm(self, key: str, agent: pb.SchedulableAgent) -> Mapping[str, int]:
        """The keys that were told last of this session: they are told only when they changed."""
        if agent.warm_keys:
            told = {warm.key: warm.time_micros for warm in agent.warm_keys}
            self._warm_keys[key] = (agent.session, told)
            return told
        session, known = self._warm_keys.get(key, (0, NONE_WARM))
        return known if session == agent.session else NONE_WARM

    def _profile(self, key: str, agent: pb.SchedulableAgent) -> AgentProfile:
        """Return the agent's profile: the one from before, if everything but its load is the same bytes."""
        for name in _LOAD_FIELDS:
            agent.ClearField(name)  # type: ignore[arg-type]  # the stub wants the names as literals
        declared = agent.SerializeToString(deterministic=True)
        known = self._profiles.get(key)
        if known is not None and known[0] == declared:
            return known[1]
        profile = AgentProfile(
            kinds=frozenset(agent.kinds),
            queues=frozenset(agent.queues),
            capabilities=frozenset(agent.capabilities),
            labels=dict(agent.labels),
            resources=dict(agent.resources),
        )
        self._profiles[key] = (declared, profile)
        return profile


def schedule_response(
    placements: Iterable[Placement],
    unplaceable: Iterable[Unplaceable],
    standing: Iterable[Standing] = (),
    recalls: Iterable[Recall] = (),
) -> pb.ScheduleResponse:
    """Write a response. The groups in it are of one stream, which knows them by its own numbers."""
    response = pb.ScheduleResponse()
    add = response.placements.add
    for placement in placements:
        add(
            number=placement.number,
            task_id=placement.task_id,
            agent_id=placement.agent_id,
            session=placement.session,
            namespace=placement.namespace,
        )
    for group in unplaceable:
        _add_unplaceable(response, group)
    for offer in standing:
        agents = response.standing.add(group_id=number_of(offer.group_id)).agents
        for agent_id, session in offer.agents:
            agents.add(agent_id=agent_id, session=session)
    for recall in recalls:
        response.recalls.add(
            namespace=recall.namespace,
            agent_id=recall.agent_id,
            session=recall.session,
            queue=recall.queue,
            count=recall.count,
        )
    return response


def _add_unplaceable(response: pb.ScheduleResponse, group: Unplaceable) -> None:
    item = response.unplaceable.add(group_id=number_of(group.group_id), never=group.never)
    for reason in group.reasons:
        value = pb.FilterReason.ValueType(reason.reason)
        item.reasons.add(reason=value, subject=reason.subject, agents=reason.agents)


def _queue(queue: queue_pb2.Queue) -> QueueRule:
    policy = convert_queue.queue_policy(queue.policy)
    paused = queue.paused or policy.admission.state is AdmissionState.PAUSE
    return QueueRule(queue.namespace, queue.name, paused, queue.version, policy)


def _load(load: pb.LeaseLoad) -> LeaseLoad:
    return LeaseLoad(load.queue, load.priority, load.fairness_key, load.leases)


def _group(group: pb.TaskGroup, source: int) -> TaskGroup:
    return TaskGroup(
        id=group_id_of(source, group.id),
        namespace=group.namespace,
        queue=group.queue,
        priority=group.priority,
        kind=group.kind,
        requirements=_requirements(group),
        needs_id=group.needs_id,
        unsent=group.unsent,
        fairness_key=group.fairness_key,
    )


def _requirements(group: pb.TaskGroup) -> Requirements:
    requirements = group.requirements
    return Requirements(
        capabilities=tuple(requirements.capabilities),
        selectors=tuple(map(convert_selector.selector, requirements.selectors)),
        resources=dict(requirements.resources),
        preferences=tuple(
            Preference(convert_selector.selector(each.selector), each.weight) for each in group.preferences
        ),
        run_limit_millis=group.run_time_limit_millis,
    )


def _ready_tasks(request: pb.ScheduleRequest, source: int) -> Iterable[ReadyTask]:
    for ready in request.ready:
        group_id = group_id_of(source, ready.group_id)
        for task in ready.tasks:
            avoid = task.avoid
            yield ReadyTask(
                group_id,
                task.task_id,
                task.queued_time_micros,
                tuple(_avoided(agent) for agent in avoid) if avoid else (),
                task.affinity_key,
            )


def _avoided(agent: pb.AvoidedAgent) -> Avoided:
    until = agent.until_time
    return Avoided(agent.agent_id, until.seconds * 1_000_000 + until.nanos // 1_000, agent.if_others)


def _results(request: pb.ScheduleRequest) -> Iterable[PlacementResult]:
    for result in request.results:
        outcome = _OUTCOMES.get(result.outcome)
        if outcome is None:
            raise InvalidArgument(f"the outcome {result.outcome} of placement {result.number} is not known")
        yield PlacementResult(result.number, outcome)

"""What the coordinators have told the scheduler, with indexes that are kept as the changes arrive.

The view is the scheduler's only state, and it is all hearsay: what a stream has told goes with it. It is mutable, and
has one owner; every operation is a function of the view and its arguments, for time comes in from outside, and there is
no chance in it. What to do with the view is in `placement.py`, why something waits in `unplaceable.py`.

Rules that hold between any two calls:
- a task is queued, aside, delayed or placed, and never two of them, however many streams tell of it;
- an agent is of one stream, the one that told the highest session, and placements on it are that stream's;
- an agent's reservations are the placements of its current session whose results have not come;
- needs that are parked have no agent that is open to them and ready: only an agent that becomes so wakes them.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from services.domain.backlog import Backlog
from services.domain.capacity import LEVELS, AgentRecord, Capacity
from services.domain.commands import Placement, PlacementOutcome
from services.domain.needs import Group, QueueGate
from services.domain.schedule import PlacementResult, ReadyTask, SchedulableAgent, ScheduleChanges, source_of
from services.domain.task import Avoided
from services.domain.task_order import Place, Waiting

# A task that is not visible yet is committed within a flush or two; each further try doubles the wait, up to the limit.
EARLY_RETRY_MICROS = 1_000
EARLY_RETRY_MICROS_MAX = 256_000
# After a refusal that we do not understand, an agent or a queue is left alone until it changes, or for so long (doubled
# with each refusal in a row, up to the limit): the change may have been one that we cannot see.
REFUSAL_PAUSE_MICROS = 10_000
REFUSAL_PAUSE_MICROS_MAX = 1_000_000
# An agent that is not eligible after all is avoided by that task for so long; one that changes is judged anew anyway.
INELIGIBLE_PAUSE_MICROS = 1_000_000

_DOUBLINGS_MAX = 16

T = TypeVar("T")


class Outstanding(NamedTuple):
    """A placement whose result has not come. `group` is the task's as it was placed, `source` the stream it went to."""

    waiting: Waiting
    group: Group
    record: AgentRecord
    voids: int
    source: int

    @property
    def held(self) -> bool:
        """Whether the agent's slot is reserved still: not if it left, or has another session."""
        return self.record.index >= 0 and self.record.voids == self.voids


class ScheduleView:
    """See the module. `apply` takes changes in; `reserve`, `park` and `set_aside` are what `plan` decides."""

    def __init__(self) -> None:
        self.capacity = Capacity()
        self.backlog = Backlog(self.capacity)
        self.tasks: dict[str, Waiting] = {}
        self.outstanding: dict[int, Outstanding] = {}
        # What further streams say of a task or an agent that is another's already, by the stream.
        self._twins: dict[str, dict[int, ReadyTask]] = {}
        self._claims: dict[str, dict[int, SchedulableAgent]] = {}
        self._unsettled: dict[AgentRecord, bool] = {}
        self._timers: list[tuple[int, int, Waiting | AgentRecord | QueueGate]] = []
        self._timers_set = 0
        self._arrivals = 0
        self._number = 0

    # What the coordinators say.

    def apply(self, changes: ScheduleChanges, now: int) -> None:
        """Take one message in. Unknown and repeated things in it are ignored: others may have known them.

        Results come before agents, since the agents' load includes what was granted; removals before arrivals, since a
        task or an agent that left and came back has come back.
        """
        source = changes.source
        for rule in changes.queues:
            self.backlog.put_queue(rule)
        for group in changes.groups:
            self.backlog.put_group(group)
        for result in changes.results:
            self._take_result(result, source, now=now)
        for task_id in changes.removed_task_ids:
            self._withdraw_task(task_id, source)
        self._put_tasks(changes.ready)
        for key in changes.removed_agents:
            self._withdraw_agent(key, source)
        for agent in changes.agents:
            self._put_agent(agent, source)
        for group_id in changes.removed_groups:
            self.backlog.remove_group(group_id)
        self._settle()

    def remove_source(self, source: int) -> None:
        """Forget what a stream told that is over. Tasks of others that it has not answered for wait again."""
        for number in [number for number, known in self.outstanding.items() if known.source == source]:
            self._take_back(self.outstanding.pop(number))
        _pop_all(self._twins, source)
        _pop_all(self._claims, source)
        self._remove_tasks_of(source)
        for key in [key for key, record in self.capacity.by_key.items() if record.source == source]:
            self._withdraw_agent(key, source)
        self._settle()

    def wake_due(self, now: int) -> None:
        """Let everything go on whose time has come."""
        while self._timers and self._timers[0][0] <= now:
            _, _, subject = heapq.heappop(self._timers)
            if isinstance(subject, Waiting):
                self.backlog.requeue_from_wait(subject)
            elif isinstance(subject, AgentRecord):
                subject.refused = False
                self._unsettled.setdefault(subject, False)
            else:
                subject.refused = False
                self.backlog.relist_queue(subject)
        self._settle()

    def next_time(self) -> int | None:
        """Return when `wake_due` has something to do next, None if nothing waits for a time."""
        return self._timers[0][0] if self._timers else None

    # What `plan` decides.

    def reserve(self, group: Group, record: AgentRecord) -> Placement:
        """Propose the group's first task for the agent, and hold its slot and resources until the result comes."""
        waiting = group.tasks.pop()
        waiting.place = Place.PLACED
        self._number += 1
        agent = record.agent
        self.outstanding[self._number] = Outstanding(waiting, group, record, record.voids, record.source)
        record.reserve(group.needs.resources)
        self.capacity.move(record)
        group.placed = True
        self.backlog.relist(group)
        return Placement(self._number, waiting.task.task_id, agent.agent_id, agent.session, group.needs.namespace)

    def set_aside(self, group: Group, avoided: frozenset[str], *, until_time: int) -> None:
        """Put the group's first task aside: every agent that is free for it is one that it avoids until then."""
        self._set_timer(until_time, self.backlog.set_aside(group, avoided))

    # Tasks.

    def _put_tasks(self, tasks: Sequence[ReadyTask]) -> None:
        touched: dict[Group, None] = {}
        for task in tasks:
            group = self.backlog.groups.get(task.group_id)
            known = self.tasks.get(task.task_id)
            if group is None:
                continue
            if known is not None and source_of(known.task.group_id) != group.source:
                self._twins.setdefault(task.task_id, {})[group.source] = task
                continue
            if known is not None and known.place is Place.PLACED:
                # Granted and given back in one commit, before its result was said; or a repetition of what is known.
                known.again = True
                continue
            group.retired = False
            if known is not None:
                self._remove_task(task.task_id)
            self._arrivals += 1
            self.tasks[task.task_id] = waiting = Waiting(task, self._arrivals)
            group.tasks.push(waiting)
            group.size += 1
            touched[group] = None
        for group in touched:
            self.backlog.unexplained.setdefault(group.needs)
            self.backlog.relist(group)

    def _withdraw_task(self, task_id: str, source: int) -> None:
        """A stream says that a task is not ready any more. If another says that it is, it stays."""
        waiting = self.tasks.get(task_id)
        if waiting is None:
            return
        if source_of(waiting.task.group_id) != source:
            _pop(self._twins, task_id, source)
            return
        twin = self._take_twin(task_id)
        if twin is not None and waiting.place is Place.PLACED:
            self._hand_over(waiting, twin)
            return
        self._remove_task(task_id)
        if twin is not None:
            self._put_tasks((twin,))

    def _take_twin(self, task_id: str) -> ReadyTask | None:
        """Take out what a further stream says of the task."""
        twins = self._twins.get(task_id) if self._twins else None
        while twins:
            twin = _pop(self._twins, task_id, next(iter(twins)))
            if twin is not None and twin.group_id in self.backlog.groups:
                return twin
        return None

    def _hand_over(self, waiting: Waiting, twin: ReadyTask) -> None:
        """A placed task is another stream's from now on, which may mean a later time that it was ready."""
        former, group = self.backlog.groups[waiting.task.group_id], self.backlog.groups[twin.group_id]
        waiting.task = twin
        waiting.again = True
        group.retired = False
        group.size += 1
        former.size -= 1
        self.backlog.drop_if_over(former)

    def _remove_tasks_of(self, source: int) -> None:
        twins = []
        for waiting in [known for known in self.tasks.values() if source_of(known.task.group_id) == source]:
            twin = self._take_twin(waiting.task.task_id)
            if twin is not None and waiting.place is Place.PLACED:
                self._hand_over(waiting, twin)
                continue
            del self.tasks[waiting.task.task_id]
            waiting.place = Place.GONE
            if twin is not None:
                twins.append(twin)
        self.backlog.remove_groups_of(source)
        self._put_tasks(twins)

    def _remove_task(self, task_id: str) -> None:
        waiting = self.tasks[task_id]
        place = waiting.place
        group = self._forget_task(waiting)
        if place is Place.QUEUED:
            group.tasks.note_left()
            self.backlog.relist(group)

    def _forget_task(self, waiting: Waiting) -> Group:
        del self.tasks[waiting.task.task_id]
        waiting.place = Place.GONE
        group = self.backlog.groups[waiting.task.group_id]
        group.size -= 1
        self.backlog.drop_if_over(group)
        return group

    # Results.

    def _take_result(self, result: PlacementResult, source: int, *, now: int) -> None:
        known = self.outstanding.get(result.number)
        if known is None or known.source != source:
            return
        del self.outstanding[result.number]
        held = self._release(known)
        waiting, record = known.waiting, known.record
        if waiting.place is Place.GONE:
            return
        group = self.backlog.groups[waiting.task.group_id]
        match result.outcome:
            case PlacementOutcome.GRANTED:
                record.refusals = 0
                self._leave(waiting, group)
            case PlacementOutcome.TASK_GONE:
                self._leave(waiting, group)
            case PlacementOutcome.NOT_VISIBLE:
                self._delay(waiting, now)
            case PlacementOutcome.INELIGIBLE:
                self._avoid(waiting, record.agent.agent_id, now=now)
                self.backlog.requeue(waiting, group)
            case PlacementOutcome.QUEUE_PAUSED:
                self.backlog.requeue(waiting, group)
                self._refuse_queue(group.needs.gate, now)
            case _:
                self.backlog.requeue(waiting, group)
                if held:
                    self._refuse_agent(record, now)

    def _release(self, known: Outstanding) -> bool:
        """Give back what a placement took. Whether the agent held it still."""
        held = known.held
        if held:
            known.record.release(known.group.needs.resources)
            self._unsettled.setdefault(known.record, False)
        return held

    def _take_back(self, known: Outstanding) -> None:
        """A placement that nobody will answer for: as if it had not been made."""
        self._release(known)
        if known.waiting.place is not Place.GONE:
            self.backlog.requeue(known.waiting, self.backlog.groups[known.waiting.task.group_id])

    def _leave(self, waiting: Waiting, group: Group) -> None:
        """A task that is leased, or gone: nothing of it is left, unless it was said to be ready once more.

        What another stream says of it may be from after the lease, so it is tried once for itself.
        """
        if waiting.again:
            waiting.again = False
            self.backlog.requeue(waiting, group)
            return
        self._forget_task(waiting)
        twin = self._take_twin(waiting.task.task_id)
        if twin is not None:
            self._put_tasks((twin,))

    def _delay(self, waiting: Waiting, now: int) -> None:
        waiting.place = Place.DELAYED
        pause = min(EARLY_RETRY_MICROS << min(waiting.early, _DOUBLINGS_MAX), EARLY_RETRY_MICROS_MAX)
        waiting.early += 1
        self._set_timer(now + pause, waiting)

    def _avoid(self, waiting: Waiting, agent_id: str, *, now: int) -> None:
        kept = [known for known in waiting.task.avoid if known.until_time > now and known.agent_id != agent_id]
        kept.append(Avoided(agent_id, now + INELIGIBLE_PAUSE_MICROS))
        waiting.task = msgspec.structs.replace(waiting.task, avoid=tuple(kept))

    def _refuse_queue(self, gate: QueueGate, now: int) -> None:
        if not gate.closed:
            gate.refused = True
            self._set_timer(now + REFUSAL_PAUSE_MICROS_MAX, gate)
            self.backlog.relist_queue(gate)

    def _refuse_agent(self, record: AgentRecord, now: int) -> None:
        if not record.refused:
            record.refused = True
            pause = min(REFUSAL_PAUSE_MICROS << min(record.refusals, _DOUBLINGS_MAX), REFUSAL_PAUSE_MICROS_MAX)
            record.refusals += 1
            self._set_timer(now + pause, record)

    def _set_timer(self, time: int, subject: Waiting | AgentRecord | QueueGate) -> None:
        self._timers_set += 1
        heapq.heappush(self._timers, (time, self._timers_set, subject))

    # Agents.

    def _put_agent(self, agent: SchedulableAgent, source: int) -> None:
        record = self.capacity.by_key.get(agent.key)
        if record is None:
            record = self.capacity.add(agent, source=source)
            self._judge(record)
        elif (record.source != source and not self._has_moved(record, agent, source=source)) or agent == record.agent:
            return
        else:
            self._replace_agent(record, agent)
        self._unsettled.setdefault(record, False)

    def _has_moved(self, record: AgentRecord, agent: SchedulableAgent, *, source: int) -> bool:
        """Whether a further stream that tells of an agent has it now: the higher session counts.

        What the other says is remembered, in case that its word is the only one left.
        """
        if agent.session <= record.agent.session:
            self._claims.setdefault(agent.key, {})[source] = agent
            return False
        _pop(self._claims, agent.key, source)
        self._claims.setdefault(agent.key, {})[record.source] = record.agent
        self.capacity.hand_over(record, source)
        return True

    def _withdraw_agent(self, key: str, source: int) -> None:
        """A stream says that an agent left, or ended. If another tells of it, it is that one's."""
        record = self.capacity.by_key.get(key)
        if record is None:
            return
        claims = self._claims.get(key, {})
        if record.source != source:
            _pop(self._claims, key, source)
        elif not claims:
            self._remove_agent(record)
        else:
            heir = max(claims, key=lambda claimant: claims[claimant].session)
            agent = claims[heir]
            _pop(self._claims, key, heir)
            self.capacity.hand_over(record, heir)
            self._replace_agent(record, agent)
            self._unsettled.setdefault(record, False)

    def _replace_agent(self, record: AgentRecord, agent: SchedulableAgent) -> None:
        old = record.agent
        if agent.session != old.session:
            record.void_reservations()
            record.refusals = 0
        record.refused = False
        if agent.profile is old.profile or agent.profile == old.profile:
            record.agent = agent
            return
        self._dismiss(record)
        record.agent = agent
        self._judge(record)

    def _judge(self, record: AgentRecord) -> None:
        for needs in self.backlog.needs.values():
            needs.admit(record)
        self._unsettled[record] = True

    def _dismiss(self, record: AgentRecord) -> None:
        for needs in self.backlog.needs.values():
            needs.dismiss(record)
        record.shut_by.clear()

    def _remove_agent(self, record: AgentRecord) -> None:
        self._dismiss(record)
        self.capacity.remove(record)
        self._unsettled.pop(record, None)

    def _settle(self) -> None:
        """Put the agents that changed into their bands, and wake the needs that they can now serve."""
        for record, judged in self._unsettled.items():
            if record.index < 0:
                continue
            record.refresh_held()
            reopened = self._reopen(record) if record.shut_by else 0
            became_ready = self.capacity.move(record)
            if record.band < LEVELS:
                self.backlog.wake(record, opened=record.needs_bits if became_ready or judged else reopened)
        self._unsettled.clear()

    def _reopen(self, record: AgentRecord) -> int:
        reopened = [index for index in record.shut_by if self.backlog.needs[index].open_to(record)]
        if reopened:
            record.shut_by = [index for index in record.shut_by if index not in reopened]
        return sum(1 << index for index in reopened)


def _pop(known: dict[str, dict[int, T]], name: str, source: int) -> T | None:
    """Take out what a stream says of a name, and the name with the last of it."""
    by_source = known.get(name)
    if by_source is None:
        return None
    said = by_source.pop(source, None)
    if not by_source:
        del known[name]
    return said


def _pop_all(known: dict[str, dict[int, T]], source: int) -> None:
    for name in [name for name, by_source in known.items() if source in by_source]:
        _pop(known, name, source)

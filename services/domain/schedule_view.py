"""What the coordinators have told the scheduler, with indexes that are kept as the changes arrive.

The view is the scheduler's only state, and it is all hearsay: what a stream has told goes with it. It is mutable, and
has one owner; every operation is a function of the view and its arguments, for time comes in from outside, and there is
no chance in it. What to do with the view is in `placement.py`, why something waits in `unplaceable.py`.

Rules that hold between any two calls:
- a task is queued, aside, delayed or placed, and never two of them, however many streams tell of it;
- placements on an agent are the stream's that has it (`roster.py`);
- an agent's reservations are the placements of its current session whose results have not come;
- needs that are parked have no agent that is open to them and has room: only an agent that becomes so wakes them.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import msgspec

from services.domain.backlog import Backlog
from services.domain.capacity import AgentRecord, Capacity
from services.domain.choice import Chooser
from services.domain.commands import Placement, PlacementOutcome
from services.domain.outstanding import Outstanding
from services.domain.roster import Roster
from services.domain.schedule import PlacementResult, ReadyTask, ScheduleChanges, source_of
from services.domain.second_word import SecondWords
from services.domain.task import Avoided
from services.domain.task_order import Place, Waiting
from services.domain.turns import Group, QueueGate

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
# Timers are swept when there are so many, and again with each doubling of what is left.
TIMERS_SWEPT_MIN = 4_096


class ScheduleView:
    """See the module. `apply` takes changes in; `reserve`, `set_aside` and `wait_for_warm` are what `plan` decides."""

    def __init__(self) -> None:
        self.capacity = Capacity()
        self.backlog = Backlog(self.capacity)
        self.roster = Roster(self.capacity, self.backlog)
        self.chooser = Chooser(self.capacity)
        self.tasks: dict[str, Waiting] = {}
        self.outstanding: dict[int, Outstanding] = {}
        self._twins: SecondWords[ReadyTask] = SecondWords()
        self._timers: list[tuple[int, int, Waiting | AgentRecord | QueueGate]] = []
        self._timers_set = 0
        self._timers_swept_at = TIMERS_SWEPT_MIN
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
            if self.backlog.put_queue(rule):
                self.roster.recount(self.backlog.gate(rule.namespace, rule.name), self.outstanding.values())
        for group in changes.groups:
            self.backlog.put_group(group)
        for result in changes.results:
            self._take_result(result, source, now=now)
        for task_id in changes.removed_task_ids:
            self._withdraw_task(task_id, source)
        self._put_tasks(changes.ready)
        for key in changes.removed_agents:
            self.roster.withdraw(key, source)
        for agent in changes.agents:
            self.roster.put(agent, source)
        for group_id in changes.removed_groups:
            self.backlog.remove_group(group_id)
        self._settle()

    def remove_source(self, source: int) -> None:
        """Forget what a stream told that is over. Tasks of others that it has not answered for wait again."""
        for number in [number for number, known in self.outstanding.items() if known.source == source]:
            self._take_back(self.outstanding.pop(number))
        self._twins.drop_source(source)
        self._remove_tasks_of(source)
        self.roster.remove_source(source)
        self._settle()

    def wake_due(self, now: int) -> None:
        """Let everything go on whose time has come."""
        while self._timers and self._timers[0][0] <= now:
            _, _, subject = heapq.heappop(self._timers)
            if isinstance(subject, Waiting):
                self.backlog.requeue_from_wait(subject)
            elif isinstance(subject, AgentRecord):
                subject.refused = False
                self.roster.touch(subject)
            else:
                subject.refused = False
                if subject.rate_until <= now:
                    subject.rate_until = 0
                self.backlog.line.relist_queue(subject)
        self._settle()

    def _settle(self) -> None:
        self.roster.settle(self.outstanding.values())

    def next_time(self) -> int | None:
        """Return when `wake_due` has something to do next, None if nothing waits for a time."""
        return self._timers[0][0] if self._timers else None

    # What `plan` decides.

    def reserve(self, group: Group, record: AgentRecord, now: int) -> Placement:
        """Propose the group's first task for the agent, and hold its slot and resources until the result comes."""
        waiting = group.tasks.pop()
        waiting.place = Place.PLACED
        self._number += 1
        needs, agent = group.needs, record.agent
        self.outstanding[self._number] = Outstanding(waiting, group, record, record.voids, record.source)
        self.roster.reserve(group, record, affinity_key=waiting.task.affinity_key)
        group.placed = True
        gate = needs.gate
        if gate.takes_turns:
            gate.travel(needs.lane_place)
            gate.take_token(now)
            if gate.rate_until:
                self._set_timer(gate.rate_until, gate)
            if gate.at_key_limit(group.fairness_key):
                self.backlog.line.relist_key(gate, group.fairness_key)
        self.backlog.relist(group)
        return Placement(self._number, waiting.task.task_id, agent.agent_id, agent.session, needs.namespace)

    def set_aside(self, group: Group, avoided: frozenset[str], *, until_time: int) -> None:
        """Put the group's first task aside: every agent that is free for it is one that it avoids until then."""
        self._set_timer(until_time, self.backlog.set_aside(group, avoided))

    def wait_for_warm(self, group: Group, key: str, *, until_time: int) -> None:
        """Put the group's first task aside: it waits until then for an agent that is warm for the key ("": suits)."""
        self._set_timer(until_time, self.backlog.wait_for_warm(group, key))

    # Tasks.

    def _put_tasks(self, tasks: Sequence[ReadyTask]) -> None:
        touched: dict[Group, None] = {}
        for task in tasks:
            group = self.backlog.groups.get(task.group_id)
            known = self.tasks.get(task.task_id)
            if group is None:
                continue
            if known is not None and source_of(known.task.group_id) != group.source:
                self._twins.put(task.task_id, group.source, said=task)
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
            self._twins.drop(task_id, source)
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
        if not self._twins:
            return None
        return next((twin for twin in self._twins.take_all(task_id) if twin.group_id in self.backlog.groups), None)

    def _hand_over(self, waiting: Waiting, twin: ReadyTask) -> None:
        """A placed task is another stream's from now on, which may mean a later time that it was ready."""
        former, group = self.backlog.groups[waiting.task.group_id], self.backlog.groups[twin.group_id]
        waiting.task = twin
        waiting.again = True
        group.retired = False
        group.size += 1
        self.backlog.unexplained.setdefault(group.needs)  # refused, it waits there
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
            return  # unknown, or not this one's to answer
        del self.outstanding[result.number]
        held = self.roster.release(known)
        if result.outcome is not PlacementOutcome.GRANTED:
            known.group.needs.gate.give_token_back()
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

    def _take_back(self, known: Outstanding) -> None:
        """A placement that nobody will answer for: as if it had not been made."""
        self.roster.release(known)
        known.group.needs.gate.give_token_back()
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
            self.backlog.line.relist_queue(gate)

    def _refuse_agent(self, record: AgentRecord, now: int) -> None:
        if not record.refused:
            record.refused = True
            pause = min(REFUSAL_PAUSE_MICROS << min(record.refusals, _DOUBLINGS_MAX), REFUSAL_PAUSE_MICROS_MAX)
            record.refusals += 1
            self._set_timer(now + pause, record)

    def _set_timer(self, time: int, subject: Waiting | AgentRecord | QueueGate) -> None:
        self._timers_set += 1
        heapq.heappush(self._timers, (time, self._timers_set, subject))
        if len(self._timers) >= self._timers_swept_at:
            self._sweep_timers()

    def _sweep_timers(self) -> None:
        """Drop the timers of tasks that wait for none, and all but the first of each task: with that it looks again."""
        seen: set[int] = set()
        kept = []
        for entry in sorted(self._timers):
            subject = entry[2]
            if isinstance(subject, Waiting):
                if subject.place not in (Place.ASIDE, Place.DELAYED) or id(subject) in seen:
                    continue
                seen.add(id(subject))
            kept.append(entry)
        self._timers = kept  # in order, and so a heap
        self._timers_swept_at = max(TIMERS_SWEPT_MIN, 2 * len(kept))

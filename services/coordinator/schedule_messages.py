"""What the scheduler is told, in messages of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from missioncontrol.v1 import scheduler_service_pb2 as wire

from services.coordinator.agent_news import ToldAgent
from services.coordinator.limits import SCHEDULE_MESSAGE_BYTES_MAX, SCHEDULE_MESSAGE_TASKS_MAX
from services.coordinator.window import Changes, Group
from services.domain.queue import Queue
from services.transport import convert_schedule


class Messages:
    """Requests of bounded size: a fleet of thousands of agents does not fit into one."""

    def __init__(self) -> None:
        self.requests = [wire.ScheduleRequest()]
        self._bytes = 0

    def put_queues(self, queues: Iterable[Queue]) -> None:
        """Adds queues, whole."""
        for value in queues:
            message = convert_schedule.queue(value)
            self._with_room(message.ByteSize()).queues.append(message)

    def put_groups(self, groups: Iterable[Group]) -> None:
        """Adds groups, whole."""
        for value in groups:
            message = convert_schedule.group(value)
            self._with_room(message.ByteSize()).groups.append(message)

    def put_agent(self, told: ToldAgent) -> None:
        """Adds an agent, whole."""
        message = convert_schedule.agent(
            told.agent, loads=told.loads, warm_keys=told.warm_keys, last_grant_time=told.last_grant_time
        )
        self._with_room(message.ByteSize()).agents.append(message)

    def _with_room(self, size: int) -> wire.ScheduleRequest:
        if self._bytes and self._bytes + size > SCHEDULE_MESSAGE_BYTES_MAX:
            self.requests.append(wire.ScheduleRequest())
            self._bytes = 0
        self._bytes += size
        return self.requests[-1]


def ready_messages(changes: Changes) -> Iterator[wire.ScheduleRequest]:
    """Ready tasks, in messages of bounded size."""
    request = wire.ScheduleRequest()
    room = SCHEDULE_MESSAGE_TASKS_MAX
    for number, by_id in changes.ready.items():
        tasks = list(by_id.values())
        for start in range(0, len(tasks), SCHEDULE_MESSAGE_TASKS_MAX):
            part = tasks[start : start + SCHEDULE_MESSAGE_TASKS_MAX]
            if len(part) > room:
                yield request
                request, room = wire.ScheduleRequest(), SCHEDULE_MESSAGE_TASKS_MAX
            convert_schedule.add_ready(request, number, part)
            room -= len(part)
    if request.ready:
        yield request

"""ScheduleService: makes and changes schedules, and tells of them. `schedules.py` fires them."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from missioncontrol.v1 import schedule_service_pb2 as wire
from missioncontrol.v1 import schedule_service_pb2_grpc

from services.coordinator import pages
from services.coordinator.membership import Membership
from services.domain.cron_schedule import ScheduleKey
from services.domain.event import Position
from services.domain.schedule_commands import DeleteSchedule, PauseSchedule, PutSchedule
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.schedules import StoredSchedule, find_schedule, get_schedule, list_schedules
from services.transport import convert_cron
from services.transport.convert_task import DEFAULT_NAMESPACE
from services.transport.page_token import read_page_token, write_page_token

Order = PutSchedule | PauseSchedule | DeleteSchedule


class ScheduleService(schedule_service_pb2_grpc.ScheduleServiceServicer):
    """See the contract."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership) -> None:
        self._journal = journal
        self._readers = readers
        self._membership = membership

    async def UpdateSchedule(self, request: wire.UpdateScheduleRequest, context: Any) -> wire.UpdateScheduleResponse:
        """Makes the schedule or replaces it; what is so already records no event."""
        command = convert_cron.put_schedule(request.schedule, now=time.time_ns() // 1000)
        before = await self._readers.run(partial(find_schedule, key=command.schedule))
        if before is not None and says_the_same(before, command):
            return wire.UpdateScheduleResponse(schedule=message_of(before))
        after = await self._submit(command)
        return wire.UpdateScheduleResponse(schedule=convert_cron.schedule_message(after, command.document))

    async def GetSchedule(self, request: wire.GetScheduleRequest, context: Any) -> wire.GetScheduleResponse:
        """Reads one schedule."""
        stored, position = await self._read(request)
        return wire.GetScheduleResponse(schedule=message_of(stored), position=str(position))

    async def ListSchedules(self, request: wire.ListSchedulesRequest, context: Any) -> wire.ListSchedulesResponse:
        """Lists schedules by name."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        after = read_page_token(request, "")
        limit = pages.size_of(request.page_size)
        page = await self._readers.run(partial(list_schedules, namespace=namespace, after=after, limit=limit))
        schedules = pages.fitting(map(message_of, page.schedules))
        more = page.after if len(schedules) == len(page.schedules) else schedules[-1].name
        token = write_page_token(request, more)
        return wire.ListSchedulesResponse(schedules=schedules, next_page_token=token, position=str(page.position))

    async def PauseSchedule(self, request: wire.PauseScheduleRequest, context: Any) -> wire.PauseScheduleResponse:
        """Stops firing."""
        await self._submit(PauseSchedule(key_of(request), paused=True))
        return wire.PauseScheduleResponse(schedule=message_of((await self._read(request))[0]))

    async def ResumeSchedule(self, request: wire.ResumeScheduleRequest, context: Any) -> wire.ResumeScheduleResponse:
        """Fires again, from the next instant on."""
        await self._submit(PauseSchedule(key_of(request), paused=False))
        return wire.ResumeScheduleResponse(schedule=message_of((await self._read(request))[0]))

    async def DeleteSchedule(self, request: wire.DeleteScheduleRequest, context: Any) -> wire.DeleteScheduleResponse:
        """Deletes it."""
        await self._submit(DeleteSchedule(key_of(request)))
        return wire.DeleteScheduleResponse()

    async def _submit(self, command: Order) -> Any:
        self._membership.require_routing("schedules cannot be changed")
        return await self._journal.submit(command)

    async def _read(self, request: Any) -> tuple[StoredSchedule, Position]:
        return await self._readers.run(partial(get_schedule, key=key_of(request)))


def key_of(request: Any) -> ScheduleKey:
    """The schedule that a request names."""
    return (request.namespace or DEFAULT_NAMESPACE, request.name)


def message_of(stored: StoredSchedule) -> wire.Schedule:
    """A schedule as it is kept, for the wire."""
    return convert_cron.schedule_message(stored.schedule, stored.document)


def says_the_same(stored: StoredSchedule, command: PutSchedule) -> bool:
    """Whether a schedule is already as the command wants it. Whether it is paused is for other commands."""
    schedule = stored.schedule
    return (schedule.cron, schedule.time_zone, schedule.missed_policy, stored.document) == (
        command.cron,
        command.time_zone,
        command.missed_policy,
        command.document,
    )

"""ScheduleService as Python calls."""

from __future__ import annotations

from collections.abc import AsyncIterator

from missioncontrol import limits
from missioncontrol.calls.connection import Connection, new_request_id
from missioncontrol.v1 import schedule_service_pb2


class ScheduleCalls:
    """The calls of ScheduleService in one namespace. All raise CallError."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    async def update(
        self, schedule: schedule_service_pb2.Schedule, *, request_id: str | None = None
    ) -> schedule_service_pb2.Schedule:
        """Makes the schedule or replaces it; one that is there stays paused or not. Its namespace is the client's."""
        request = schedule_service_pb2.UpdateScheduleRequest(
            schedule=schedule, request_id=request_id or new_request_id()
        )
        request.schedule.namespace = self._namespace
        return (await self._connection.call(lambda stubs: stubs.schedules.UpdateSchedule, request)).schedule

    async def get(self, name: str) -> schedule_service_pb2.GetScheduleResponse:
        """Reads one schedule."""
        request = schedule_service_pb2.GetScheduleRequest(namespace=self._namespace, name=name)
        return await self._connection.call(lambda stubs: stubs.schedules.GetSchedule, request)

    async def list(self) -> AsyncIterator[schedule_service_pb2.Schedule]:
        """The schedules, by name."""
        request = schedule_service_pb2.ListSchedulesRequest(namespace=self._namespace, page_size=limits.PAGE_SIZE_MAX)
        async for page in self._connection.pages(lambda stubs: stubs.schedules.ListSchedules, request):
            for schedule in page.schedules:
                yield schedule

    async def pause(self, name: str, *, request_id: str | None = None) -> schedule_service_pb2.Schedule:
        """Stops firing; instants that pass meanwhile are not missed."""
        request = schedule_service_pb2.PauseScheduleRequest(
            namespace=self._namespace, name=name, request_id=request_id or new_request_id()
        )
        return (await self._connection.call(lambda stubs: stubs.schedules.PauseSchedule, request)).schedule

    async def resume(self, name: str, *, request_id: str | None = None) -> schedule_service_pb2.Schedule:
        """Fires again, from the next instant on."""
        request = schedule_service_pb2.ResumeScheduleRequest(
            namespace=self._namespace, name=name, request_id=request_id or new_request_id()
        )
        return (await self._connection.call(lambda stubs: stubs.schedules.ResumeSchedule, request)).schedule

    async def delete(self, name: str, *, request_id: str | None = None) -> None:
        """Deletes it; the tasks that it made stay."""
        request = schedule_service_pb2.DeleteScheduleRequest(
            namespace=self._namespace, name=name, request_id=request_id or new_request_id()
        )
        await self._connection.call(lambda stubs: stubs.schedules.DeleteSchedule, request)

"""Schedules between the wire and the domain, and the tasks that their firings make.

The domain and the store see the spec of a schedule's tasks as an opaque document, as they see any task's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from missioncontrol.v1 import schedule_service_pb2, task_pb2, task_service_pb2
from msgspec.structs import replace

from services.domain import cron
from services.domain.commands import NewTask
from services.domain.cron_schedule import MissedPolicy, Schedule
from services.domain.errors import InvalidArgument
from services.domain.schedule_commands import PutSchedule
from services.domain.schedules import request_id_of
from services.transport import convert_task
from services.transport.convert_task import DEFAULT_NAMESPACE
from services.transport.convert_time import optional_timestamp, timestamp

UTC = "UTC"
# The label of a firing's task, for filters: the name of its schedule.
SCHEDULE_LABEL = "missioncontrol.schedule"


def put_schedule(message: schedule_service_pb2.Schedule, *, now: int) -> PutSchedule:
    """The schedule that somebody asks for. Raises InvalidArgument for one that cannot be carried out, with the fields.

    Its spec is looked at as that of a submit is, so that no firing is refused later.
    """
    namespace = message.namespace or DEFAULT_NAMESPACE
    time_zone = message.time_zone or UTC
    expression = " ".join(message.cron.split())
    found = [*cron.faults(expression, time_zone, now=now), *spec_faults(message.spec, namespace)]
    if found:
        fields = [(f"schedule.{field}", reason) for field, reason in found]
        raise InvalidArgument("; ".join(f"{field}: {reason}" for field, reason in fields), fields=fields)
    return PutSchedule(
        schedule=(namespace, message.name),
        cron=expression,
        time_zone=time_zone,
        missed_policy=MissedPolicy(message.missed_policy or MissedPolicy.ONE),
        document=checked_task(message.spec, namespace).document,
        paused=message.paused,
    )


def spec_faults(spec: task_pb2.TaskSpec, namespace: str) -> Iterator[tuple[str, str]]:
    """What a spec may say of one task, and not of one after the other."""
    if spec.namespace and spec.namespace != namespace:
        yield "spec.namespace", f'is "{spec.namespace}", the schedule\'s is "{namespace}"; leave it out'
    if spec.depends_on:
        yield "spec.depends_on", "a schedule's tasks cannot depend on others"
    if spec.HasField("not_before_time"):
        yield "spec.not_before_time", "a schedule's tasks are ready when it fires"


def checked_task(spec: task_pb2.TaskSpec, namespace: str) -> NewTask:
    """The spec as a task. Raises InvalidArgument, with the fields as they are within a schedule."""
    request = task_service_pb2.CreateTaskRequest(spec=spec)
    request.spec.namespace = namespace
    try:
        return convert_task.new_task(request)
    except InvalidArgument as error:
        fields = [(f"schedule.{field}", reason) for field, reason in error.fields]
        raise InvalidArgument(f"schedule.{error.message}", fields=fields) from None


def firing_task(schedule: Schedule, document: bytes, *, instant: int) -> NewTask:
    """The task of one firing: the schedule's spec with a label, under the request id of the instant."""
    request = task_service_pb2.CreateTaskRequest()
    request.spec.MergeFromString(document)
    request.spec.labels[SCHEDULE_LABEL] = schedule.name
    return replace(convert_task.new_task(request), request_id=request_id_of(schedule.name, instant))


def schedule_message(value: Schedule, document: bytes) -> schedule_service_pb2.Schedule:
    """A schedule for the wire."""
    make: Any = schedule_service_pb2.Schedule
    message: schedule_service_pb2.Schedule = make(
        namespace=value.namespace,
        name=value.name,
        cron=value.cron,
        time_zone=value.time_zone,
        spec=task_pb2.TaskSpec.FromString(document),
        missed_policy=value.missed_policy,
        paused=value.paused,
        version=value.version,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        next_time=optional_timestamp(value.next_time),
        last_time=optional_timestamp(value.last_time),
        last_task_id=value.last_task_id,
        missed=value.missed,
    )
    return message

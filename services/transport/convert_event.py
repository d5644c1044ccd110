"""Events of the feed, from the domain to the wire. The hottest conversion: every change comes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from missioncontrol.v1 import event_pb2, event_service_pb2

from services.domain.event import Event, EventData
from services.transport.convert_task import failure_message, progress_message
from services.transport.convert_time import timestamp

# A message of WatchEvents that says nothing but "caught up". Serialized messages merge when they are joined: lists grow
# and the last of anything else wins. So these bytes behind any message mark it.
CAUGHT_UP: bytes = event_service_pb2.WatchEventsResponse(caught_up=True).SerializeToString()


def encoded_events(events: Iterable[tuple[int, Event]], position: str) -> bytes:
    """A message of WatchEvents, serialized. Several of them, joined, are one message with the events of all."""
    response = event_service_pb2.WatchEventsResponse(position=position)
    make = response.events.add
    for sequence, value in events:
        event(sequence, value, make=make)
    return response.SerializeToString()


def event(sequence: int, value: Event, *, make: Callable[..., event_pb2.Event] = event_pb2.Event) -> event_pb2.Event:
    """An event for the wire. With `make=response.events.add` it is made inside its response, which saves a copy."""
    data = value.data
    message = make(
        sequence=sequence,
        type=value.type,
        time=timestamp(value.time),
        namespace=value.namespace,
        task_id=value.task_id,
        queue=value.queue,
        agent_id=value.agent_id,
        token=data.token,
        from_state=data.from_state,
        to_state=data.to_state,
        version=data.version,
        outcome=data.outcome,
        failures=data.failures,
        redeliveries=data.redeliveries,
        kind=data.kind,
    )
    if data.message or data.failure is not None or data.progress is not None:
        _add_words(message, data)
    if data.schedule_time or data.agent_state or data.priority or data.retry_of:
        _add_rest(message, data)
    return message


def _add_words(message: event_pb2.Event, data: EventData) -> None:
    """What was said about the change."""
    message.message = data.message
    if data.failure is not None:
        message.failure.CopyFrom(failure_message(data.failure))
    if data.progress is not None:
        message.progress.CopyFrom(progress_message(data.progress))


def _add_rest(message: Any, data: EventData) -> None:
    """What few events have."""
    message.priority = data.priority
    message.agent_state = data.agent_state
    message.retry_of = data.retry_of
    if data.schedule_time:
        message.schedule_time.CopyFrom(timestamp(data.schedule_time))

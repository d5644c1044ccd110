"""Events of the feed, from the domain to the wire. The hottest conversion: every change comes through here.

Whole chunks are encoded by joining bytes: protobuf merges what is joined, so an event is its number, its time and its
task beside the rest, which it has in common with thousands of others and which is encoded once for all of them. That
takes 1.3 µs an event instead of 3.5. Whatever has words of its own takes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from missioncontrol.v1 import event_pb2, event_service_pb2

from services.domain.event import Event, EventData, EventType, Stuck
from services.transport.convert_task import failure_message, progress_message
from services.transport.convert_time import timestamp

# A message of WatchEvents that says nothing but "caught up". As joined messages merge (lists grow, and the last of
# anything else wins), these bytes behind any message mark it.
CAUGHT_UP: bytes = event_service_pb2.WatchEventsResponse(caught_up=True).SerializeToString()

# Distinct (type, namespace, queue, agent, rest) that are remembered: some dozens for each agent and queue.
_COMMON_MAX = 8_192

# The longest length that two bytes can say.
_TWO_BYTES_MAX = (1 << 14) - 1


def encoded_events(events: Iterable[tuple[int, Event]], position: str) -> bytes:
    """A message of WatchEvents, serialized. Several of them, joined, are one message with the events of all."""
    parts = [encoded_event(sequence, value) for sequence, value in events]
    parts.append(event_service_pb2.WatchEventsResponse(position=position).SerializeToString())
    return b"".join(parts)


def encoded_event(sequence: int, value: Event) -> bytes:
    """An event as it stands in a serialized WatchEventsResponse: field 1, with its length. Numbers may be padded."""
    data = value.data
    task_id = value.task_id.encode()
    if len(task_id) > 127 or data.message or data.failure is not None or data.progress is not None:
        body = event(sequence, value).SerializeToString()
        return b"\x0a%b%b" % (_varint(len(body)), body)
    body = b"\x08%c%c%b%b%b\x2a%c%b" % (  # 0x08: sequence, a number; 0x2a: task_id, a string
        sequence & 0x7F | 0x80,
        sequence >> 7 & 0x7F | 0x80,
        _varint(sequence >> 14),
        _common(value.type, value.namespace, value.queue, value.agent_id, data),
        _time(value.time),
        len(task_id),
        task_id,
    )
    length = len(body)
    assert length <= _TWO_BYTES_MAX, "names are bounded by the contract"
    return b"\x0a%c%c%b" % (length & 0x7F | 0x80, length >> 7, body)


def event(sequence: int, value: Event, *, make: Callable[..., event_pb2.Event] = event_pb2.Event) -> event_pb2.Event:
    """An event for the wire. With `make=response.events.add` it is made inside its response, which saves a copy."""
    message = _without_place(make, value.type, value.namespace, value.queue, value.agent_id, value.data)
    message.sequence = sequence
    message.time.CopyFrom(timestamp(value.time))
    message.task_id = value.task_id
    return message


@lru_cache(maxsize=_COMMON_MAX)
def _common(type_: EventType, namespace: str, queue: str, agent_id: str, data: EventData) -> bytes:
    """What an event has in common with others, serialized."""
    return _without_place(event_pb2.Event, type_, namespace, queue, agent_id, data).SerializeToString()


@lru_cache(maxsize=64)
def _time(micros: int) -> bytes:
    """The time of an event, serialized. All events of a commit have the same."""
    return event_pb2.Event(time=timestamp(micros)).SerializeToString()


@lru_cache(maxsize=64)
def _varint(number: int) -> bytes:
    encoded = b""
    while number > 0x7F:
        encoded += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return encoded + bytes((number,))


def _without_place(
    make: Callable[..., event_pb2.Event], type_: EventType, namespace: str, queue: str, agent_id: str, data: EventData
) -> event_pb2.Event:
    """An event but for its number, its time and its task."""
    message = make(
        type=type_,
        namespace=namespace,
        queue=queue,
        agent_id=agent_id,
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
    if data.schedule_time or data.agent_state or data.priority or data.retry_of or data.blockers or data.schedule:
        _add_rest(message, data)
    if data.stuck is not None:
        _add_stuck(message, data.stuck)
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
    message.blockers = data.blockers
    message.schedule = data.schedule
    if data.schedule_time:
        message.schedule_time.CopyFrom(timestamp(data.schedule_time))


def _add_stuck(message: Any, stuck: Stuck) -> None:
    """Which tasks cannot be placed, or can be again."""
    message.group.kind = stuck.kind
    message.group.priority = stuck.priority
    message.group.needs_id = stuck.needs_id
    if stuck.reason:
        message.waiting.reason = stuck.reason
        message.waiting.never = stuck.never
        message.waiting.message = stuck.message

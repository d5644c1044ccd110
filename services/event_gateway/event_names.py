"""The names by which events and their values go outside, derived from the contract's enums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from missioncontrol.v1 import agent_pb2, event_pb2, event_service_pb2, task_pb2


def _names(enum: Any, prefix: str) -> dict[int, str]:
    return {number: name.removeprefix(prefix) for name, number in enum.items() if number != 0}


# EVENT_TYPE_TASK_CANCEL_REQUESTED is "task.cancel_requested": the noun, a dot, what happened to it.
TYPES: Mapping[str, event_pb2.EventType.ValueType] = {
    name.removeprefix("EVENT_TYPE_").lower().replace("_", ".", 1): number
    for name, number in event_pb2.EventType.items()
    if number != event_pb2.EVENT_TYPE_UNSPECIFIED
}
NAMES: Mapping[int, str] = {number: name for name, number in TYPES.items()}
NOUNS = sorted({name.split(".", 1)[0] for name in TYPES})

TASK_STATES: Mapping[int, str] = _names(task_pb2.TaskState, "TASK_STATE_")
AGENT_STATES: Mapping[int, str] = _names(agent_pb2.AgentState, "AGENT_STATE_")
OUTCOMES: Mapping[int, str] = _names(task_pb2.AttemptOutcome, "ATTEMPT_OUTCOME_")
WAIT_REASONS: Mapping[int, str] = _names(task_pb2.WaitReason, "WAIT_REASON_")
FAILURE_REASONS: Mapping[int, str] = _names(task_pb2.FailureReason, "FAILURE_REASON_")
RESET_REASONS: Mapping[int, str] = {
    number: name.lower() for number, name in _names(event_service_pb2.ResetReason, "RESET_REASON_").items()
}


def name_of(event_type: int) -> str:
    """The outside name; a type that is newer than this gateway goes by its number."""
    return NAMES.get(event_type) or f"unknown.{event_type}"

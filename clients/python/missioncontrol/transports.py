"""The two ways in which an agent's conversation travels. What is said is the same on both."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import grpc.aio

from missioncontrol.poll_call import PollCall
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import agent_service_pb2_grpc

VARIABLE = "MISSIONCONTROL_AGENT_TRANSPORT"


class Call(Protocol):
    """One conversation, as its owner sees it."""

    async def read(self) -> Any:
        """The next message of the coordinator, or `grpc.aio.EOF`."""

    async def write(self, message: pb.AgentMessage, /) -> None:
        """Says one message; waits while the coordinator does not take it."""

    def cancel(self) -> Any:
        """Ends it, here."""


Open = Callable[[grpc.aio.Channel], Call]


def open_stream(channel: grpc.aio.Channel) -> Call:
    """One stream, for as long as the network lets it."""
    call: Call = agent_service_pb2_grpc.AgentServiceStub(channel).Connect()
    return call


def open_poll(channel: grpc.aio.Channel) -> Call:
    """One call after another, of seconds each: for networks that break streams."""
    return PollCall(agent_service_pb2_grpc.AgentServiceStub(channel))


TRANSPORTS: Mapping[str, Open] = {"stream": open_stream, "poll": open_poll}


def find_transport(name: str | None) -> Open:
    """How to open conversations by this name; without one, as the environment says. ValueError if there is none."""
    chosen = name or os.environ.get(VARIABLE) or "stream"
    if chosen not in TRANSPORTS:
        raise ValueError(f'there is no transport "{chosen}"; there are {", ".join(TRANSPORTS)}')
    return TRANSPORTS[chosen]

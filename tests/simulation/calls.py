"""A conversation in calls, with the face of a `Stream`: the two real halves, and a network that loses some.

A cut loses what is on its way and no more: the agent makes the calls again, as `poll_call.py` does. A conversation that
nobody calls breaks after a while, as `exchange_carrier.py` has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from missioncontrol import agent_limits
from missioncontrol.exchange import Exchange as AgentHalf
from missioncontrol.v1 import agent_service_pb2 as pb

from services.coordinator.limits import EXCHANGE_ABSENCE_SECONDS
from services.domain.exchange import Exchange as CoordinatorHalf
from tests.simulation.clock import Clock

LOST = 0.02
Awake = Callable[..., None]


class CallWay:
    """One direction, as `network.Way` has it."""

    def __init__(self, say: Callable[[Any], None]) -> None:
        self.receive: Callable[[Any], None] = lambda _message: None
        self.ended: Callable[[Any], None] = lambda _error: None
        self.closed = False
        self._say = say

    def send(self, message: Any) -> None:
        """Says something."""
        if not self.closed:
            self._say(message)


class Calls:
    """`awake` does what happens in the agent's process, now or when it thaws; `disturbed` hears of what was lost."""

    def __init__(self, clock: Clock, seconds: Callable[[], float], awake: Awake, disturbed: Callable[[], None]) -> None:
        self.up, self.down = CallWay(self._agent_says), CallWay(self._coordinator_says)
        self._clock = clock
        self._seconds = seconds
        self._awake = awake
        self._disturbed = disturbed
        self._agent = AgentHalf("a conversation")
        self._coordinator: CoordinatorHalf[pb.AgentMessage, pb.CoordinatorMessage] = CoordinatorHalf()
        self._waiting: dict[int, tuple[pb.ExchangeRequest, int]] = {}
        self._cuts = 0
        self._muted = self._left = self._gone = self._begun = False
        self._absent_since = clock.now
        self._error: Any = None

    # What is done to it.

    def cut(self) -> None:
        """The network breaks every connection."""
        self._cuts += 1
        waiting, self._waiting = self._waiting, {}
        for call, tries in waiting.values():
            self._fail(call, tries)
        self._miss()

    def mute(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        self._muted = True

    def leave(self) -> None:
        """The agent drops it."""
        self._left = self.up.closed = self.down.closed = True
        self.down.ended = lambda _error: None
        self._waiting.clear()
        self._miss()

    agent_died = leave

    def coordinator_died(self) -> None:
        """Whatever comes now finds nobody."""
        self._gone = True
        self.cut()

    def end(self, error: Any) -> None:
        """The coordinator ends it."""
        self.down.closed = True
        self.up.ended = lambda _error: None
        self._error = error
        self._coordinator.end()
        if self._begun:
            self._look()
        else:
            self._clock.later(self._seconds(), self._awake, self._break)

    # The agent's side.

    def _agent_says(self, message: pb.AgentMessage) -> None:
        self._begun = True
        self._agent.say(message)
        self._clock.later(0.0, self._awake, self._launch)

    def _launch(self) -> None:
        while not self._left and (call := self._agent.next_call()) is not None:
            self._fly(call, 0)

    def _fly(self, call: pb.ExchangeRequest, tries: int) -> None:
        if not self._left:
            self._clock.later(self._seconds(), self._arrive, call, tries, self._cuts)

    def _land(self, call: pb.ExchangeRequest, answer: pb.ExchangeResponse) -> None:
        for message in self._agent.answered(call.number, answer):
            self.down.receive(message)
        self._launch()
        if self._agent.ended:
            self.down.ended(None)

    def _fail(self, call: pb.ExchangeRequest, tries: int) -> None:
        """The agent makes the call again, or gives the conversation up."""
        self._disturbed()
        delay = self._clock.random.uniform(0.0, 0.1)
        if call.number > 1 and tries < len(agent_limits.POLL_PAUSES_SECONDS):
            delay += agent_limits.POLL_PAUSES_SECONDS[tries]
            self._clock.later(delay, self._awake, self._fly, call, tries + 1)
        else:
            self._clock.later(delay, self._awake, self._break)

    def _break(self, error: Any = None) -> None:
        self.down.ended(error)

    # The coordinator's side.

    def _coordinator_says(self, message: pb.CoordinatorMessage) -> None:
        self._coordinator.say(message, message.ByteSize())
        self._clock.later(0.0, self._look)

    def _arrive(self, call: pb.ExchangeRequest, tries: int, cuts: int) -> None:
        if self._muted or self._left:
            return
        if self._gone or self._lost(cuts):
            self._fail(call, tries)
            return
        self._coordinator.arrive(call.number, call.messages)
        self._waiting[call.number] = (call, tries)
        while not self._coordinator.over and (message := self._coordinator.hear()) is not None:
            self.up.receive(message)
        self._clock.later(agent_limits.POLL_WAIT_SECONDS, self._wait_over, call.number)
        self._look()

    def _wait_over(self, number: int) -> None:
        if number in self._waiting and self._coordinator.answerable(number):
            self._answer(number)

    def _look(self) -> None:
        for number in sorted(self._waiting):
            if number in self._waiting and self._coordinator.ready(number):
                self._answer(number)

    def _answer(self, number: int) -> None:
        call, tries = self._waiting.pop(number)
        self._miss()
        messages = self._coordinator.answer(number)
        finished = self._coordinator.finished(number)
        if self._muted or self._left:
            return
        if self._lost(self._cuts):
            self._fail(call, tries)
        elif finished and self._error is not None and not messages:
            self._clock.later(self._seconds(), self._awake, self._break, self._error)
        else:
            answer = pb.ExchangeResponse(messages=messages, ended=finished and self._error is None)
            self._clock.later(self._seconds(), self._awake, self._return, call, tries, answer, self._cuts)

    def _return(self, call: pb.ExchangeRequest, tries: int, answer: pb.ExchangeResponse, cuts: int) -> None:
        if self._lost(cuts):
            self._fail(call, tries)
        elif not self._left:
            self._land(call, answer)

    def _lost(self, cuts: int) -> bool:
        return self._clock.chance(LOST) or (cuts != self._cuts and self._clock.chance(0.5))

    def _miss(self) -> None:
        if not self._waiting:
            self._absent_since = self._clock.now
            self._clock.later(EXCHANGE_ABSENCE_SECONDS, self._look_for_calls, self._absent_since)

    def _look_for_calls(self, since: float) -> None:
        if not self._waiting and since == self._absent_since and not self._coordinator.over:
            self._coordinator.end()
            self.down.closed = True
            self.up.ended(None)

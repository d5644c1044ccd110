"""Both halves of a conversation in calls, and a network between them that loses, repeats and reorders: no real time.

A call is made again until its answer has come, as `poll_call.py` does it. Each step delivers one thing that is under
way, chosen by the seed, or lets something be said.
"""

from __future__ import annotations

import random

from missioncontrol.exchange import Exchange as AgentHalf
from missioncontrol.v1 import agent_service_pb2 as pb

from services.domain.exchange import Exchange as CoordinatorHalf

CONVERSATION = "00000000-0000-4000-8000-000000000001"


def goodbye(text: str) -> pb.AgentMessage:
    return pb.AgentMessage(goodbye=pb.Goodbye(message=text))


def moving(text: str) -> pb.CoordinatorMessage:
    return pb.CoordinatorMessage(moving=pb.Moving(message=text))


class LossyCalls:
    """`said` and `heard` of both sides are texts, by which their order is told."""

    def __init__(self, seed: int, *, loss: float) -> None:
        self.agent = AgentHalf(CONVERSATION)
        self.coordinator: CoordinatorHalf[pb.AgentMessage, pb.CoordinatorMessage] = CoordinatorHalf()
        self.agent_said: list[str] = []
        self.agent_heard: list[str] = []
        self.coordinator_said: list[str] = []
        self.coordinator_heard: list[str] = []
        self.loss = loss
        self.calls_at_once = 0
        self._random = random.Random(seed)
        self._unanswered: dict[int, pb.ExchangeRequest] = {}
        self._calls: list[pb.ExchangeRequest] = []  # on their way
        self._waiting: list[int] = []  # with the coordinator
        self._answers: list[tuple[int, pb.ExchangeResponse]] = []  # on their way

    def step(self) -> None:
        """Something happens."""
        act = self._random.choice(
            (self.agent_says, self.coordinator_says, self.repeat, self.deliver_call, self.deliver_answer, self.hear)
        )
        act()
        self.look()

    def settle(self) -> None:
        """Nothing is lost any more, until everything that was said has arrived."""
        self.loss = 0.0
        for _ in range(3000):
            for act in (self.repeat, self.deliver_call, self.hear, self.deliver_answer):
                act()
            self.look()
            if self.coordinator_heard == self.agent_said and self.agent_heard == self.coordinator_said:
                break

    def agent_says(self) -> None:
        if not self.agent.full and len(self.agent_said) < 500:
            self.agent_said.append(f"a{len(self.agent_said)}")
            self.agent.say(goodbye(self.agent_said[-1]))

    def coordinator_says(self) -> None:
        if not self.coordinator.full and len(self.coordinator_said) < 500:
            self.coordinator_said.append(f"c{len(self.coordinator_said)}")
            self.coordinator.say(moving(self.coordinator_said[-1]), 10)

    def hear(self) -> None:
        message = self.coordinator.hear()
        if message is not None:
            self.coordinator_heard.append(message.goodbye.message)

    def repeat(self) -> None:
        """A call without an answer is made again, although the one before may still be on its way."""
        if self._unanswered:
            self._calls.append(self._random.choice(list(self._unanswered.values())))

    def deliver_call(self) -> None:
        if self._calls:
            call = self._calls.pop(self._random.randrange(len(self._calls)))
            if not self._lost():
                self.coordinator.arrive(call.number, call.messages)
                self._waiting.append(call.number)

    def deliver_answer(self) -> None:
        if self._answers:
            number, answer = self._answers.pop(self._random.randrange(len(self._answers)))
            if not self._lost():
                self._unanswered.pop(number, None)
                self.agent_heard += [message.moving.message for message in self.agent.answered(number, answer)]

    def look(self) -> None:
        """What both sides do without being asked: answers that are ready leave, calls that are due are made."""
        for number in list(self._waiting):
            waited = self.coordinator.answerable(number) and self._random.random() < 0.02
            if self.coordinator.ready(number) or waited:
                self._waiting.remove(number)
                messages = self.coordinator.answer(number)
                ended = self.coordinator.finished(number)
                self._answers.append((number, pb.ExchangeResponse(messages=messages, ended=ended)))
        while (call := self.agent.next_call()) is not None:
            self._unanswered[call.number] = call
            self._calls.append(call)
        self.calls_at_once = max(self.calls_at_once, len(self._unanswered))

    def _lost(self) -> bool:
        return self._random.random() < self.loss

"""The agent's half of carrying a conversation in calls instead of on a stream, by the rules of `AgentService.Exchange`.

Pure: messages to say come in, calls to make go out; answers come in, messages in their order go out. Whoever owns one
makes the calls, and each one again until it has its answer.
"""

from __future__ import annotations

from collections import deque

from missioncontrol import agent_limits as limits
from missioncontrol.v1 import agent_service_pb2 as pb


class Exchange:
    """One conversation, from the call that holds Hello on."""

    def __init__(self, conversation: str, *, wait_seconds: float = limits.POLL_WAIT_SECONDS) -> None:
        self.ended = False
        self._conversation = conversation
        self._wait_seconds = wait_seconds
        self._unsaid: deque[pb.AgentMessage] = deque()
        self._unsaid_bytes = 0
        self._next = 1  # the call to make next
        self._due = 1  # the call whose answer comes next in order
        self._early: dict[int, pb.ExchangeResponse] = {}

    @property
    def full(self) -> bool:
        """Whether so much waits to be said that more has to wait elsewhere."""
        return len(self._unsaid) >= limits.BATCH_ITEMS_MAX or self._unsaid_bytes >= limits.POLL_BYTES_MAX

    def say(self, message: pb.AgentMessage) -> None:
        """Something for the next call."""
        self._unsaid.append(message)
        self._unsaid_bytes += message.ByteSize()

    def next_call(self) -> pb.ExchangeRequest | None:
        """The call to make now, if one is due: with what there is to say, or to wait for what the coordinator says."""
        unanswered = self._next - self._due
        waits_already = unanswered > 0 or self._next == 1
        if self.ended or unanswered >= limits.POLL_CALLS_MAX or (waits_already and not self._unsaid):
            return None
        call = pb.ExchangeRequest(conversation=self._conversation, number=self._next, messages=self._take())
        call.wait.FromNanoseconds(int(self._wait_seconds * 1e9))
        self._next += 1
        return call

    def answered(self, number: int, answer: pb.ExchangeResponse) -> list[pb.CoordinatorMessage]:
        """A call was answered: what the coordinator says by all answers up to here that nobody has heard yet."""
        if number >= self._due:
            self._early[number] = answer
        heard: list[pb.CoordinatorMessage] = []
        while (due := self._early.pop(self._due, None)) is not None:
            heard += due.messages
            self.ended = self.ended or due.ended
            self._due += 1
        return heard

    def _take(self) -> list[pb.AgentMessage]:
        taken: list[pb.AgentMessage] = []
        size = 0
        while self._unsaid and len(taken) < limits.BATCH_ITEMS_MAX:
            message_bytes = self._unsaid[0].ByteSize()
            size += message_bytes
            if taken and size > limits.POLL_BYTES_MAX:
                break
            self._unsaid_bytes -= message_bytes
            taken.append(self._unsaid.popleft())
        return taken

"""The coordinator's half of carrying a conversation in calls instead of on a stream: which messages count, and which
answer a call gets. No wire, no clock, no event loop; what the messages say is `session.py`'s and others' concern.

The rules are those of `AgentService.Exchange` in the contract, by its letters. An agent makes call n only after answer
n - 2 has come (C), so the last two answers are all that a repeated call may ask for (D), and memory is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from services.domain.errors import InvalidArgument

# Calls of one conversation on their way at once: one that waits, and one that ends its wait.
CALLS_MAX = 2

# Messages in one answer, and about their bytes together; more are not taken from whoever speaks until some have left.
ANSWER_MESSAGES_MAX = 128
ANSWER_BYTES_MAX = 1024 * 1024

Heard = TypeVar("Heard")
Said = TypeVar("Said")


class Exchange(Generic[Heard, Said]):
    """One conversation: calls `arrive` and are heard message by message; what is said leaves with their answers."""

    def __init__(self) -> None:
        self.over = False
        self._arrived: dict[int, deque[Heard]] = {}
        self._hearing = 1  # the call whose messages are next
        self._newest = 0
        self._said: deque[tuple[Said, int]] = deque()
        self._said_bytes = 0
        self._answers: dict[int, list[Said]] = {}
        self._answered = 0  # every call up to this one has an answer

    # What the agent says.

    def arrive(self, number: int, messages: Iterable[Heard]) -> None:
        """A call came, perhaps again. Raises InvalidArgument if the answers before it cannot have arrived."""
        if number > self._answered + CALLS_MAX:
            reason = f"call {number} before the answer to call {number - CALLS_MAX}"
            raise InvalidArgument(reason, fields=[("number", reason)])
        if number > self._answered and number not in self._arrived:
            self._arrived[number] = deque(messages)
            self._newest = max(self._newest, number)
            self._settle()

    def hear(self) -> Heard | None:
        """The next message in the order of calls; None if there is none yet."""
        while (waiting := self._arrived.get(self._hearing)) is not None and not waiting:
            self._hearing += 1
        if waiting is None:
            return None
        message = waiting.popleft()
        self._settle()
        return message

    # What the coordinator says.

    @property
    def full(self) -> bool:
        """Whether no more is taken before some of it has left."""
        return len(self._said) >= ANSWER_MESSAGES_MAX or self._said_bytes >= ANSWER_BYTES_MAX

    def say(self, message: Said, size: int) -> None:
        """Something for the next answer, with about its bytes."""
        self._said.append((message, size))
        self._said_bytes += size

    def end(self) -> None:
        """The conversation is over: what was said still leaves, nothing is heard any more."""
        self.over = True

    # Answers.

    def ready(self, number: int) -> bool:
        """Whether a call has its answer, or something to be answered with."""
        return number <= self._answered or self.over or (bool(self._said) and self.answerable(number))

    def answerable(self, number: int) -> bool:
        """Whether a call may be answered at all: it, and all before it, were heard to the end."""
        return number <= self._answered or self.over or all(map(self._heard, range(self._answered + 1, number + 1)))

    def answer(self, number: int) -> list[Said]:
        """The answer to a call that may be answered: the same each time. Empty if the agent had it long ago."""
        while self._answered < number:
            self._compose()
        return self._answers.get(number, [])

    def finished(self, number: int) -> bool:
        """Whether nothing follows on the answer to this call."""
        return self.over and not self._said and number >= self._answered

    def _settle(self) -> None:
        """A newer call ends the wait of the ones before it."""
        while self._answered + 1 < self._newest and self._heard(self._answered + 1):
            self._compose()

    def _heard(self, number: int) -> bool:
        return number < self._hearing or (number == self._hearing and self._arrived.get(number) == deque())

    def _compose(self) -> None:
        self._answered += 1
        self._answers[self._answered] = self._take_said()
        self._answers.pop(self._answered - CALLS_MAX, None)
        self._forget_heard()

    def _take_said(self) -> list[Said]:
        taken: list[Said] = []
        size = 0
        while self._said and len(taken) < ANSWER_MESSAGES_MAX:
            message, message_bytes = self._said[0]
            size += message_bytes
            if taken and size > ANSWER_BYTES_MAX:
                break
            self._said.popleft()
            self._said_bytes -= message_bytes
            taken.append(message)
        return taken

    def _forget_heard(self) -> None:
        """An answered call is not heard again, should it come again."""
        self._arrived.pop(self._answered, None)
        self._hearing = max(self._hearing, self._answered + 1)

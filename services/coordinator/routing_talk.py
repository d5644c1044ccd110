"""What is said on the scheduler's stream beside placements: why groups wait, and the questions that people ask.

Lives as long as the coordinator; `begin` and `end` frame each stream. A question is asked on one stream, and answered
on it or not at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from missioncontrol.v1 import scheduler_service_pb2 as wire

from services.coordinator.limits import ANSWER_SECONDS, QUESTIONS_MAX
from services.domain.errors import ResourceExhausted, Unavailable


class Listener(Protocol):
    """Somebody who wants to know why groups wait."""

    def begin(self) -> None:
        """A stream begins: nothing is said on it yet."""

    def end(self) -> None:
        """The stream is over."""

    def hear(self, news: Iterable[wire.Unplaceable]) -> None:
        """Why groups wait; without reasons, that they do not."""


class RoutingTalk:
    """See the module. `wake` has what is to be told sent."""

    def __init__(self, *, wake: Callable[[], None]) -> None:
        self._listeners: list[Listener] = []
        self._wake = wake
        self._open = False
        self._numbers = 0
        self._untold: list[wire.RoutingQuestion] = []
        self._asked: dict[int, asyncio.Future[wire.RoutingAnswer]] = {}
        # Since when no scheduler has been heard, microseconds since 1970 UTC; 0: it is there, or was not missed yet.
        self.absent_since = 0

    def subscribe(self, listener: Listener) -> None:
        """Tells the listener what is said of groups."""
        self._listeners.append(listener)

    def begin(self) -> None:
        """A stream begins, with a snapshot: what was said on the one before is void."""
        self._open = True
        for listener in self._listeners:
            listener.begin()

    def end(self) -> None:
        """The stream is over: nobody answers any more."""
        self._open = False
        for listener in self._listeners:
            listener.end()
        self.absent_since = self.absent_since or time.time_ns() // 1000
        self._untold.clear()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Unavailable("the scheduler went away before it answered"))

    def hear(self, response: wire.ScheduleResponse) -> None:
        """Takes in what the scheduler says."""
        self.absent_since = 0
        if response.unplaceable:
            for listener in self._listeners:
                listener.hear(response.unplaceable)
        for answer in response.answers:
            asked = self._asked.get(answer.number)
            if asked is not None and not asked.done():
                asked.set_result(answer)

    def take_questions(self) -> list[wire.RoutingQuestion]:
        """The questions that were not sent yet."""
        untold, self._untold = self._untold, []
        return untold

    async def ask(self, question: wire.RoutingQuestion) -> wire.RoutingAnswer:
        """Asks the scheduler; the number is given here.

        Raises Unavailable if there is none or it does not answer in time, ResourceExhausted if too many ask.
        """
        if not self._open:
            raise Unavailable("no scheduler is there to ask")
        if len(self._asked) >= QUESTIONS_MAX:
            raise ResourceExhausted("too many questions wait for the scheduler's answer")
        self._numbers += 1
        question.number = self._numbers
        answer: asyncio.Future[wire.RoutingAnswer] = asyncio.get_running_loop().create_future()
        self._asked[question.number] = answer
        self._untold.append(question)
        self._wake()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        except TimeoutError:
            raise Unavailable(f"the scheduler has not answered for {ANSWER_SECONDS:g} s") from None
        finally:
            del self._asked[question.number]

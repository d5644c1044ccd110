"""What people ask through the coordinators, and the answers: one with each pass, so that placing does not wait."""

from __future__ import annotations

from collections import deque

import structlog
from missioncontrol.v1 import scheduler_service_pb2 as pb

from services.domain.errors import ResourceExhausted
from services.domain.explain import explain, find_group
from services.domain.rehearsal import rehearse
from services.domain.schedule import Question
from services.domain.schedule_view import ScheduleView
from services.scheduler import limits
from services.scheduler.session import ScheduleSession
from services.transport import convert_explanation
from services.transport.schedule_convert import question

log = structlog.get_logger()

Said = list[tuple[ScheduleSession, pb.ScheduleResponse]]


class Questions:
    """Those of all streams, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[ScheduleSession, Question]] = deque()

    @property
    def waiting(self) -> bool:
        """Whether there are any."""
        return bool(self._waiting)

    def take(self, session: ScheduleSession, request: pb.ScheduleRequest) -> None:
        """Take in what a request asks. Raises ResourceExhausted for a stream that asks too much."""
        for message in request.questions:
            if sum(asker is session for asker, _ in self._waiting) >= limits.QUESTIONS_MAX:
                raise ResourceExhausted(f"more than {limits.QUESTIONS_MAX} questions on one stream")
            self._waiting.append((session, question(message)))

    def drop(self, session: ScheduleSession) -> None:
        """Forget what a stream asked that is over."""
        self._waiting = deque(each for each in self._waiting if each[0] is not session)

    def with_next_answer(self, said: Said, view: ScheduleView, now: int) -> Said:
        """What is said on the streams, with the answer to the next question in it."""
        if not self._waiting:
            return said
        session, asked = self._waiting.popleft()
        response = next((response for other, response in said if other is session), None)
        if response is None:
            response = pb.ScheduleResponse()
            said.append((session, response))
        try:
            response.answers.append(answer(view, asked, now))
        except Exception:
            # It is tried out on a view of its own: nothing but this answer is lost, and whoever asked stops waiting.
            log.exception("a question could not be answered", namespace=asked.group.namespace, queue=asked.group.queue)
        return said


def answer(view: ScheduleView, asked: Question, now: int) -> pb.RoutingAnswer:
    """The answer to a question: by the view as it is, if the task is in it and nothing is to be tried out."""
    group = None if asked.simulate else find_group(view, asked.group, asked.task.task_id)
    if group is not None:
        explanation = explain(view, group, asked.task, now=now)
        return convert_explanation.answer(asked.number, explanation)
    explanation, placed = rehearse(view, asked.group, asked.task, policy=asked.policy, count=asked.simulate, now=now)
    return convert_explanation.answer(asked.number, explanation, placed)

"""A conversation in calls: what is said arrives once and in order, whatever happens to calls and answers."""

from __future__ import annotations

import pytest
from missioncontrol import agent_limits as limits
from missioncontrol.exchange import Exchange as AgentHalf
from missioncontrol.v1 import agent_service_pb2 as pb

from services.domain.errors import InvalidArgument
from services.domain.exchange import ANSWER_BYTES_MAX, ANSWER_MESSAGES_MAX, Exchange
from tests.clients.exchange.lossy_calls import CONVERSATION, LossyCalls, goodbye, moving

Half = Exchange[str, str]


@pytest.fixture
def half() -> Half:
    return Half()


def hear_all(half: Half) -> list[str]:
    heard: list[str] = []
    while (message := half.hear()) is not None:
        heard.append(message)
    return heard


def make_call(half: AgentHalf) -> pb.ExchangeRequest:
    call = half.next_call()
    assert call is not None
    return call


@pytest.mark.parametrize("loss", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("seed", range(20))
def test_lost_doubled_and_overtaken_calls_and_answers_change_nothing(seed: int, loss: float) -> None:
    print(f"seed {seed}")
    calls = LossyCalls(seed, loss=loss)

    for _ in range(800):
        calls.step()
    calls.settle()

    assert calls.coordinator_heard == calls.agent_said
    assert calls.agent_heard == calls.coordinator_said
    assert calls.agent_said
    assert calls.coordinator_said
    assert calls.calls_at_once <= limits.POLL_CALLS_MAX


def test_a_call_that_is_made_again_counts_once_and_gets_the_same_answer(half: Half) -> None:
    half.arrive(1, ["hello"])
    assert hear_all(half) == ["hello"]
    half.say("welcome", 10)
    assert half.answer(1) == ["welcome"]

    half.arrive(1, ["hello"])

    assert half.hear() is None
    assert half.ready(1)
    assert half.answer(1) == ["welcome"]


def test_a_call_waits_until_there_is_something_to_say(half: Half) -> None:
    half.arrive(1, ["hello"])
    hear_all(half)
    assert not half.ready(1)

    half.say("welcome", 10)

    assert half.ready(1)


def test_a_newer_call_ends_the_wait_of_the_one_before(half: Half) -> None:
    half.arrive(1, [])
    half.arrive(2, ["a report"])

    assert half.answer(1) == []
    assert not half.ready(2)


def test_a_call_that_overtook_the_one_before_waits_for_it(half: Half) -> None:
    half.arrive(2, ["second"])
    half.say("early", 10)
    assert half.hear() is None
    assert not half.ready(2)
    assert not half.answerable(2)

    half.arrive(1, ["first"])

    assert hear_all(half) == ["first", "second"]
    assert half.answer(1) + half.answer(2) == ["early"]


def test_a_call_that_is_not_heard_yet_is_not_answered_so_that_what_waits_is_bounded(half: Half) -> None:
    half.arrive(1, ["one", "two"])
    half.say("something", 10)
    half.hear()
    assert not half.ready(1)

    half.hear()

    assert half.ready(1)


def test_a_call_too_far_ahead_is_refused(half: Half) -> None:
    with pytest.raises(InvalidArgument, match="call 3 before the answer to call 1"):
        half.arrive(3, [])


def test_a_call_that_comes_again_long_after_its_answer_is_heard_by_nobody(half: Half) -> None:
    for number in range(1, 5):
        half.arrive(number, [str(number)])
        hear_all(half)
        half.say(str(number), 10)
        assert half.answer(number) == [str(number)]

    half.arrive(1, ["1"])

    assert half.hear() is None
    assert half.answer(1) == []


def test_an_answer_is_bounded_and_the_rest_comes_with_the_next(half: Half) -> None:
    half.arrive(1, [])
    for number in range(ANSWER_MESSAGES_MAX):
        half.say(str(number), ANSWER_BYTES_MAX // 100)
    assert half.full

    assert len(half.answer(1)) == 100
    assert not half.full


def test_what_was_said_before_the_end_still_arrives(half: Half) -> None:
    half.arrive(1, ["goodbye"])
    hear_all(half)
    half.say("acknowledged", 10)
    half.end()

    assert half.ready(1)
    assert half.answer(1) == ["acknowledged"]
    assert half.finished(1)


def test_the_agent_has_one_call_waiting_and_one_with_what_it_says() -> None:
    half = AgentHalf(CONVERSATION)
    assert half.next_call() is None
    half.say(goodbye("first"))
    first = make_call(half)
    assert [message.goodbye.message for message in first.messages] == ["first"]
    assert half.next_call() is None

    half.answered(1, pb.ExchangeResponse())
    waiting = make_call(half)
    assert not waiting.messages
    half.say(goodbye("second"))
    second = make_call(half)
    half.say(goodbye("third"))

    assert second.number == 3
    assert half.next_call() is None


def test_an_answer_that_overtook_the_one_before_is_heard_after_it() -> None:
    half = AgentHalf(CONVERSATION)
    half.say(goodbye("first"))
    make_call(half)
    half.say(goodbye("second"))
    make_call(half)

    assert half.answered(2, pb.ExchangeResponse(messages=[moving("late")])) == []
    heard = half.answered(1, pb.ExchangeResponse(messages=[moving("early")]))

    assert [message.moving.message for message in heard] == ["early", "late"]


def test_what_the_agent_says_is_cut_into_calls() -> None:
    half = AgentHalf(CONVERSATION)
    for _ in range(3):
        half.say(goodbye("x" * (limits.POLL_BYTES_MAX // 2 - 100)))
    assert half.full

    assert len(make_call(half).messages) == 2
    assert not half.full

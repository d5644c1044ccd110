"""When another scheduler is looked for, and which."""

from __future__ import annotations

import itertools

from services.domain.scheduler_choice import (
    ABSENCE_SECONDS,
    PAUSE_SECONDS_MAX,
    PAUSE_SECONDS_MIN,
    SILENCE_SECONDS,
    Active,
    Choice,
)

A, B, C = "a:1", "b:1", "c:1"


def choice(*, row: Active | None = None, now: float = 0.0) -> Choice:
    made = Choice((A, B), now=now)
    made.see(row or Active(1, A), now=now)
    return made


def test_an_empty_row_asks_for_a_choice_at_once_among_all_in_order() -> None:
    one = choice(row=Active())
    assert one.due_time() <= 0.0
    assert one.candidates == (A, B)
    assert one.target == Active(0, A)


def test_a_row_that_names_a_stranger_asks_for_a_choice_at_once_among_all_in_order() -> None:
    one = choice(row=Active(5, C))
    assert one.due_time() <= 0.0
    assert one.candidates == (A, B)
    assert one.target == Active(5, A)


def test_the_stream_goes_where_the_row_says_with_its_term() -> None:
    one = choice(row=Active(3, B))
    assert one.target == Active(3, B)
    assert one.see(Active(4, A), now=1.0)
    assert one.target == Active(4, A)


def test_a_row_that_names_the_same_one_again_moves_no_stream_but_its_term_counts() -> None:
    one = choice()
    assert not one.see(Active(3, A), now=1.0)
    assert one.target == Active(3, A)


def test_one_that_never_answers_is_replaced_after_a_while() -> None:
    one = choice()
    assert one.due_time() == ABSENCE_SECONDS
    assert one.candidates == (B,)


def test_one_whose_stream_breaks_is_given_the_time_to_come_back() -> None:
    one = choice()
    one.heard(now=10.0)
    one.lost(now=10.4)
    assert one.due_time() == 10.4 + ABSENCE_SECONDS
    one.lost(now=11.0)
    assert one.due_time() == 10.4 + ABSENCE_SECONDS, "a further attempt that failed is no fresh start"
    one.heard(now=11.2)
    assert one.due_time() == 11.2 + SILENCE_SECONDS


def test_one_that_falls_silent_is_replaced_without_waiting_for_it_to_come_back() -> None:
    one = choice()
    one.heard(now=10.0)
    assert not one.silent(now=11.4)
    assert one.silent(now=11.5)
    one.lost(now=11.5)
    assert one.due_time() <= 11.5


def test_who_was_stopped_itself_has_heard_nothing_because_of_that() -> None:
    one = choice()
    one.heard(now=10.0)
    one.slept(now=60.0)
    assert one.due_time() == 60.0 + SILENCE_SECONDS


def test_one_that_the_stream_moves_to_has_its_time_to_answer() -> None:
    one = choice()
    one.heard(now=9.0)
    one.see(Active(2, B), now=10.0)
    assert one.due_time() == 10.0 + ABSENCE_SECONDS


def test_the_first_choice_of_all_delays_no_other() -> None:
    one = choice(row=Active())
    one.chose(now=1.0)
    one.see(Active(1, A), now=1.0)
    one.heard(now=1.0)
    one.lost(now=1.0)
    assert one.due_time() == 1.0 + ABSENCE_SECONDS


def flap(one: Choice, times: int) -> list[float]:
    """Chooses as soon as it may, so many times; the pauses between."""
    moments = [ABSENCE_SECONDS]
    for number in range(times):
        one.chose(now=moments[-1])
        one.see(Active(2 + number, (B, A)[number % 2]), now=moments[-1])
        moments.append(one.due_time())
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def test_choices_that_do_not_hold_come_ever_more_seldom() -> None:
    assert flap(choice(), 7) == [PAUSE_SECONDS_MIN, 6, 12, 24, 48, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MAX]


def test_a_choice_that_held_is_forgotten_as_a_cause_for_caution() -> None:
    one = choice()
    flap(one, 3)
    one.heard(now=1000.0)
    one.lost(now=1000.0)
    one.chose(now=1001.0)
    one.see(Active(9, A), now=1001.0)
    assert one.due_time() == 1001.0 + PAUSE_SECONDS_MIN


def test_there_is_something_to_choose_only_with_several() -> None:
    assert not Choice((A,), now=0.0).has_standby
    assert Choice((A, B), now=0.0).has_standby

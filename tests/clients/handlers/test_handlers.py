"""What signatures say about how a handler is called."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from missioncontrol.context import TaskContext
from missioncontrol.errors import PayloadError
from missioncontrol.handlers import caller_names, make_handler
from missioncontrol.payload import encode_payload
from missioncontrol.plain_text import fit_text
from missioncontrol.session_effects import StopReason
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2
from missioncontrol.worker_threads import WorkerThreads


@dataclass
class Point:
    x: int


def no_input() -> str:
    return "none"


def only_input(value: int) -> int:
    return value


def only_context(ctx: TaskContext) -> str:
    return ctx.task_id


def context_first(ctx: TaskContext, point: Point) -> tuple[str, int]:
    return ctx.task_id, point.x


def context_last(point: Point, where: TaskContext) -> tuple[str, int]:
    return where.task_id, point.x


def keyword_only(*, point: Point, ctx: TaskContext) -> tuple[str, int]:
    return ctx.task_id, point.x


def by_name(point: dict[str, int], ctx):  # type: ignore[no-untyped-def]  # an untyped `ctx` is what is tested
    return ctx.task_id, point["x"]


def with_default(value: int, factor: int = 2) -> int:
    return value * factor


@pytest.mark.parametrize(
    ("function", "value", "result"),
    [
        (no_input, None, "none"),
        (only_input, 5, 5),
        (only_context, None, "id"),
        (context_first, {"x": 1}, ("id", 1)),
        (context_last, {"x": 1}, ("id", 1)),
        (keyword_only, {"x": 1}, ("id", 1)),
        (by_name, {"x": 1}, ("id", 1)),
        (with_default, 4, 8),
    ],
)
def test_input_and_context_go_where_the_signature_wants_them(
    function: Callable[..., Any], value: object, result: object
) -> None:
    handler = make_handler("k", function)
    lease = pb.Lease(spec=task_pb2.TaskSpec(payload=encode_payload(value)))

    assert handler.call(handler.decode(lease), TaskContext.detached("id")) == result


def test_annotations_of_local_classes_are_resolved() -> None:
    @dataclass
    class Local:
        y: int

    def local(value: Local) -> int:
        return value.y

    handler = make_handler("k", local, names=caller_names(0))
    lease = pb.Lease(spec=task_pb2.TaskSpec(payload=encode_payload({"y": 3})))

    assert handler.call(handler.decode(lease), TaskContext.detached()) == 3


def test_input_that_does_not_fit_is_a_payload_error() -> None:
    handler = make_handler("k", context_first)

    with pytest.raises(PayloadError, match="Point"):
        handler.decode(pb.Lease(spec=task_pb2.TaskSpec(payload=encode_payload({"x": "no number"}))))


def two_inputs(first: int, second: int) -> None: ...


def starred(*values: int) -> None: ...


async def coroutine(value: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [(two_inputs, {}, "besides another"), (starred, {}, r"\*values"), (coroutine, {"runs_in": "thread"}, "is async")],
)
def test_what_cannot_be_served_is_refused_when_it_is_declared(
    function: Callable[..., Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        make_handler("k", function, **options)


def test_a_context_tells_its_handler_to_stop_once() -> None:
    context, called = TaskContext.detached(), []
    context.on_cancel(lambda: called.append(1))
    assert not context.cancelled

    context.stop(StopReason.LOST)
    context.stop(StopReason.CANCEL)
    context.on_cancel(lambda: called.append(2))

    assert (context.stop_reason, called) == (StopReason.LOST, [1, 2])
    assert context.wait_cancelled(0.0)


def test_a_callback_that_fails_keeps_no_other_from_being_called() -> None:
    context, called = TaskContext.detached(), []
    context.on_cancel(lambda: 1 / 0)
    context.on_cancel(lambda: called.append(1))

    context.stop(StopReason.CANCEL)

    assert called == [1]


def test_usage_adds_up() -> None:
    context = TaskContext.detached()
    context.usage(input_tokens=1, cost_usd=0.25, cpu_seconds=1.5, memory_bytes_max=10, calls=1)
    context.usage(input_tokens=2, cost_usd=0.25, cpu_seconds=0.5, memory_bytes_max=5, calls=2)

    used = context.used
    assert used is not None
    assert (used.input_tokens, used.cost_micro_usd, used.memory_bytes_max) == (3, 500_000, 10)
    assert used.cpu_time.ToNanoseconds() == 2_000_000_000
    assert dict(used.custom) == {"calls": 3.0}


def test_a_checkpoint_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="the limit is 262144"):
        TaskContext.detached().checkpoint(b"x" * 262_145)


@given(st.text(st.characters(exclude_categories=())), st.integers(4, 50))
def test_any_text_fits_a_message(text: str, bytes_max: int) -> None:
    fitted = fit_text(text, bytes_max)

    assert len(fitted.encode()) <= bytes_max
    assert "\x00" not in fitted


def test_worker_threads_are_started_as_they_are_needed_and_reused() -> None:
    threads, done, names = WorkerThreads(2, "w"), threading.Semaphore(0), set()

    def job() -> None:
        names.add(threading.current_thread().name)
        done.release()

    for _ in range(50):
        threads.submit(job)
    for _ in range(50):
        assert done.acquire(timeout=60)
    threads.close()

    assert names <= {"w-1", "w-2"}


def test_a_job_waits_for_a_thread_where_the_system_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, done = WorkerThreads(2, "w"), threading.Event()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)
        threads.submit(done.set)
    threads.submit(lambda: None)

    assert done.wait(timeout=60)
    threads.close()

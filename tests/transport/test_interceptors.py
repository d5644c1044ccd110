from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2, status_pb2
from missioncontrol.v1 import agent_service_pb2 as agents
from missioncontrol.v1 import task_pb2
from missioncontrol.v1 import task_service_pb2 as tasks
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from services import telemetry
from services.domain import errors
from services.transport.status import DETAILS_KEY
from tests.transport.conftest import Edge

GET = tasks.GetTaskRequest(task_id="t1")


def submit(**spec: Any) -> tasks.CreateTaskRequest:
    return tasks.CreateTaskRequest(spec=task_pb2.TaskSpec(**{"kind": "noop", **spec}))


async def error_of(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def details_of(error: grpc.aio.AioRpcError, kind: type) -> Any:
    content = dict(error.trailing_metadata() or ())[DETAILS_KEY]
    assert isinstance(content, bytes)
    found = kind()
    assert any(packed.Unpack(found) for packed in status_pb2.Status.FromString(content).details)
    return found


def raising(error: BaseException) -> Any:
    async def script(_request: object, _context: object) -> None:
        raise error

    return script


async def test_a_good_request_reaches_its_handler(edge: Edge):
    assert (await edge.stub.GetTask(GET)).position == "1:1"
    assert edge.tasks.requests == [GET]


async def test_a_bad_request_does_not_and_names_its_fields(edge: Edge):
    error = await error_of(edge.stub.CreateTask(submit(priority=101)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    violation = details_of(error, error_details_pb2.BadRequest).field_violations[0]
    assert violation.field == "spec.priority"
    assert edge.tasks.requests == []


async def test_a_bad_item_does_not_refuse_the_batch(edge: Edge):
    await edge.stub.BatchCreateTasks(tasks.BatchCreateTasksRequest(requests=[submit(priority=101), submit(kind="\0")]))
    assert len(edge.tasks.requests) == 1


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_of_a_wrong_size_is_refused(edge: Edge, count: int):
    error = await error_of(edge.stub.BatchCreateTasks(tasks.BatchCreateTasksRequest(requests=[submit()] * count)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(error, error_details_pb2.BadRequest).field_violations[0].field == "requests"


@pytest.mark.parametrize("body", [b"\x12\x02\xff\xfe", b"\x0a\x05abc", b"\xff" * 50])
async def test_bytes_that_are_no_request_are_an_invalid_argument(edge: Edge, body: bytes):
    call = edge.channel.unary_unary("/missioncontrol.v1.TaskService/CreateTask")
    error = await error_of(call(body))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a valid missioncontrol.v1.CreateTaskRequest" in (error.details() or "")


async def test_a_domain_error_arrives_with_its_details(edge: Edge):
    edge.tasks.script = raising(errors.NotFound("no such task", task_id="t1"))
    error = await error_of(edge.stub.GetTask(GET))
    info = details_of(error, error_details_pb2.ErrorInfo)
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such task")
    assert (info.reason, info.domain, info.metadata["task_id"]) == ("NOT_FOUND", "missioncontrol", "t1")


async def test_a_domain_error_out_of_a_task_group_is_that_error(edge: Edge):
    edge.tasks.script = raising(ExceptionGroup("group", [errors.Unavailable("later", retry_seconds=2)]))
    error = await error_of(edge.stub.GetTask(GET))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert details_of(error, error_details_pb2.RetryInfo).retry_delay.seconds == 2


@pytest.mark.parametrize(
    "mistake", [ValueError("a secret"), ExceptionGroup("g", [errors.NotFound("x"), KeyError("a secret")])]
)
async def test_our_own_mistake_is_logged_whole_and_shown_as_nothing(edge: Edge, mistake: Exception):
    edge.tasks.script = raising(mistake)
    with structlog.testing.capture_logs() as logs:
        error = await error_of(edge.stub.GetTask(GET))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error)
    assert details_of(error, error_details_pb2.ErrorInfo).reason == "INTERNAL"
    assert [(line["log_level"], line["exc_info"]) for line in logs] == [("error", mistake)]


async def test_a_cancelled_call_is_a_debug_line(edge: Edge):
    reached = asyncio.Event()

    async def wait_for_ever(_request: object, _context: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    edge.tasks.script = wait_for_ever
    with structlog.testing.capture_logs() as logs:
        call = edge.stub.GetTask(GET)
        async with asyncio.timeout(60):
            await asyncio.gather(reached.wait(), _cancel_when(reached, call))
        edge.tasks.script = None
        await edge.stub.GetTask(GET)
    assert [line["log_level"] for line in logs] == ["debug"]


async def _cancel_when(reached: asyncio.Event, call: Any) -> None:
    waiting = asyncio.ensure_future(_finish(call))
    await reached.wait()
    call.cancel()
    await waiting


async def _finish(call: Any) -> None:
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_future_that_was_cancelled_under_a_handler_is_unavailable(edge: Edge):
    edge.tasks.script = raising(asyncio.CancelledError())
    error = await error_of(edge.stub.GetTask(GET))
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_server_stream_sends_its_messages_and_then_its_error(edge: Edge):
    edge.tasks.script = raising(errors.SlowReader("behind"))
    call = edge.stub.WatchTask(tasks.WatchTaskRequest(task_id="t1"))
    assert await call.read() == tasks.WatchTaskResponse()
    error = await error_of(call.read())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details_of(error, error_details_pb2.ErrorInfo).reason == "SLOW_READER"


async def test_a_server_stream_with_a_bad_request_never_starts(edge: Edge):
    error = await error_of(edge.stub.WatchTask(tasks.WatchTaskRequest()).read())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert edge.tasks.requests == []


async def test_each_inbound_message_of_a_stream_is_validated(edge: Edge):
    call = edge.agents.Connect()
    await call.write(agents.AgentMessage(heartbeat=agents.Heartbeat(number=7)))
    assert (await call.read()).heartbeat_echo.number == 7
    await call.write(agents.AgentMessage(reports=agents.ReportBatch()))
    error = await error_of(call.read())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(error, error_details_pb2.BadRequest).field_violations[0].field == "reports.reports"


async def test_bytes_that_are_no_message_end_a_stream_with_invalid_argument(edge: Edge):
    call = edge.channel.stream_stream("/missioncontrol.v1.AgentService/Connect")()
    await call.write(b"\xff\xff\xff")
    error = await error_of(call.read())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_request_beyond_the_receive_limit_names_the_limit(edge: Edge):
    request = tasks.BatchCreateTasksRequest(requests=[submit(payload=task_pb2.Payload(data=b"x" * 262_144))] * 17)
    error = await error_of(edge.stub.BatchCreateTasks(request))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "4194304" in (error.details() or "")


async def test_calls_are_counted_by_method_and_code(edge: Edge):
    await edge.stub.GetTask(GET)
    await error_of(edge.stub.GetTask(tasks.GetTaskRequest()))
    edge.tasks.script = raising(errors.NotFound("x"))
    await error_of(edge.stub.GetTask(GET))
    text = generate_latest(edge.registry).decode()
    for code in ("OK", "INVALID_ARGUMENT", "NOT_FOUND"):
        labels = (
            'rpc_method="missioncontrol.v1.TaskService/GetTask",'
            f'rpc_response_status_code="{code}",rpc_system_name="grpc"'
        )
        assert f"rpc_server_call_duration_seconds_count{{{labels}}} 1.0" in text


async def test_open_streams_are_counted(edge: Edge):
    call = edge.agents.Connect()
    await call.write(agents.AgentMessage(heartbeat=agents.Heartbeat(number=1)))
    await call.read()
    metric = 'missioncontrol_rpc_streams{rpc_method="missioncontrol.v1.AgentService/Connect"}'
    assert f"{metric} 1.0" in generate_latest(edge.registry).decode()
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert f"{metric} 0.0" in generate_latest(edge.registry).decode()


async def test_a_call_continues_its_callers_trace(edge: Edge, monkeypatch: pytest.MonkeyPatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry._Tracing, "tracer", provider.get_tracer("test"))
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    await edge.stub.GetTask(GET, metadata=(("traceparent", f"00-{trace_id}-b7ad6b7169203331-01"),))
    edge.tasks.script = raising(errors.NotFound("x"))
    await error_of(edge.stub.GetTask(GET))
    first, second = exporter.get_finished_spans()
    assert first.name == "missioncontrol.v1.TaskService/GetTask"
    assert f"{first.context.trace_id:032x}" == trace_id
    assert second.context.trace_id != first.context.trace_id
    provider.shutdown()

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from missioncontrol.v1 import task_service_pb2 as tasks
from prometheus_client import CollectorRegistry

from services.transport.health import Health, HealthListener
from services.transport.reflection import V1, V1ALPHA
from services.transport.server import ListenError, create_server
from tests.transport.conftest import Edge

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NAMES = ("", "startup", "liveness", "readiness", "missioncontrol.v1.TaskService", "missioncontrol.v1.AgentService")


async def health_of(edge: Edge, name: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(edge.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    status: int = answer.status
    return status


async def test_port_0_becomes_a_real_port(edge: Edge):
    assert edge.address.startswith("127.0.0.1:")
    assert int(edge.address.rsplit(":", 1)[1]) > 0


async def test_a_port_in_use_is_a_clear_error(edge: Edge):
    second = create_server("scheduler", listen=edge.address, registry=CollectorRegistry())
    with pytest.raises(ListenError, match=f"scheduler cannot listen on {edge.address}"):
        await second.start()


async def test_a_started_server_serves_under_every_health_name(edge: Edge):
    assert {name: await health_of(edge, name) for name in NAMES} == dict.fromkeys(NAMES, SERVING)


async def test_an_unready_server_is_alive(edge: Edge):
    await edge.server.mark_unready()
    assert await health_of(edge, "readiness") == NOT_SERVING
    assert await health_of(edge, "liveness") == SERVING
    await edge.server.mark_ready()
    assert await health_of(edge, "readiness") == SERVING


async def test_who_drains_is_alive_and_gets_no_new_work(edge: Edge):
    await edge.server.announce_stop()
    await edge.server.mark_ready()
    said = {name: await health_of(edge, name) for name in NAMES}
    assert {name for name, status in said.items() if status == SERVING} == {"startup", "liveness"}


async def test_a_port_for_probes_says_that_a_process_lives_before_it_has_started():
    health = Health()
    probes = HealthListener(health, listen="127.0.0.1:0")
    async with grpc.aio.insecure_channel(await probes.start()) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        async def said() -> dict[str, int]:
            names = ("startup", "liveness", "readiness")
            return {n: (await stub.Check(health_pb2.HealthCheckRequest(service=n))).status for n in names}

        assert await said() == {"startup": NOT_SERVING, "liveness": SERVING, "readiness": NOT_SERVING}
        await health.started(["missioncontrol.v1.TaskService"])
        assert await said() == {"startup": SERVING, "liveness": SERVING, "readiness": SERVING}
        await health.stopping()
        assert await said() == {"startup": SERVING, "liveness": SERVING, "readiness": NOT_SERVING}
    await probes.stop()


async def test_a_port_for_probes_that_is_taken_is_a_clear_error(edge: Edge):
    with pytest.raises(OSError, match=f"cannot listen for probes on {edge.address}"):
        await HealthListener(Health(), listen=edge.address).start()


async def test_a_watcher_of_health_hears_of_the_stop_while_calls_go_on(edge: Edge):
    stub: Any = health_pb2_grpc.HealthStub(edge.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="readiness"))
    assert (await watch.read()).status == SERVING
    await edge.server.announce_stop()
    assert (await watch.read()).status == NOT_SERVING
    await edge.stub.GetTask(tasks.GetTaskRequest(task_id="t1"))
    watch.cancel()


async def test_a_stop_waits_for_open_calls(edge: Edge):
    reached, release = asyncio.Event(), asyncio.Event()

    async def slow(_request: object, _context: object) -> None:
        reached.set()
        await release.wait()

    edge.tasks.script = slow
    call = edge.stub.GetTask(tasks.GetTaskRequest(task_id="t1"))
    answer = asyncio.ensure_future(call)
    await reached.wait()
    stop = asyncio.ensure_future(edge.server.stop(grace_seconds=120))
    release.set()
    assert (await answer).position == "1:1"
    async with asyncio.timeout(60):
        await stop


@pytest.mark.parametrize("name", [V1ALPHA, V1])
async def test_reflection_lists_the_services_under_both_names(edge: Edge, name: str):
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = await reflect(edge, name, request)
    listed = {service.name for service in answer.list_services_response.service}
    assert {"missioncontrol.v1.TaskService", "grpc.health.v1.Health", V1, V1ALPHA} <= listed


@pytest.mark.parametrize("symbol", ["missioncontrol.v1.TaskService", V1, V1ALPHA])
async def test_reflection_describes_what_it_lists(edge: Edge, symbol: str):
    answer = await reflect(edge, V1, reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
    assert answer.file_descriptor_response.file_descriptor_proto


async def reflect(edge: Edge, name: str, request: reflection_pb2.ServerReflectionRequest) -> Any:
    stream = edge.channel.stream_stream(
        f"/{name}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )()
    await stream.write(request)
    answer = await stream.read()
    await stream.done_writing()
    return answer


async def test_garbage_on_the_port_harms_nobody_else(edge: Edge):
    host, port = edge.address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 16)
    async with asyncio.timeout(60):
        await reader.read()
    writer.close()
    assert (await edge.stub.GetTask(tasks.GetTaskRequest(task_id="t1"))).position == "1:1"


async def test_an_unknown_method_is_unimplemented(edge: Edge):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await edge.channel.unary_unary("/missioncontrol.v1.TaskService/Nothing")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

"""`missionctl submit` and `missionctl tasks` against a scripted coordinator."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
from missioncontrol.command import CommandOutput
from missioncontrol.payload import encode_payload
from missioncontrol.v1 import task_pb2, task_service_pb2

from tests.clients.cli.conftest import CommandLine
from tests.clients.client.peer import created, error_info, output, refuse, reply, stream, task, update

RUNNING, SUCCEEDED = task_pb2.TASK_STATE_RUNNING, task_pb2.TASK_STATE_SUCCEEDED
COMMAND = task_pb2.TaskSpec(kind="command")


def _ended(state: int, exit_code: int, stdout: str, **fields: Any) -> task_service_pb2.WatchTaskResponse:
    document = CommandOutput(exit_code=exit_code, stdout=stdout, stdout_bytes=len(stdout.encode()))
    return update(state, token=1, spec=COMMAND, output=encode_payload(document), **fields)


async def test_a_submit_prints_the_tasks_id(missionctl: CommandLine) -> None:
    missionctl.peer.answers("CreateTask", created())

    ended = await missionctl("submit", "--kind", "build", "--payload", '{"a": 1}', "--queue", "q", "--priority", "5")

    spec = missionctl.peer.asked[0].spec
    assert (ended.code, ended.out, ended.err) == (0, "t-1\n", "")
    assert (spec.kind, spec.queue, spec.priority, spec.payload.data) == ("build", "q", 5, b'{"a": 1}')


async def test_a_submit_says_what_it_prefers_and_whose_turn_it_is(missionctl: CommandLine) -> None:
    missionctl.peer.answers("CreateTask", created())

    wishes = ("--prefer", "zone=eu:10", "--prefer", "spot:-5", "--fairness-key", "ann")
    ended = await missionctl("submit", "--kind", "build", *wishes)

    spec = missionctl.peer.asked[0].spec
    assert (ended.code, ended.err) == (0, "")
    assert [(each.selector.key, each.weight) for each in spec.preferences] == [("zone", 10), ("spot", -5)]
    assert spec.fairness_key == "ann"


async def test_a_submit_names_what_it_depends_on(missionctl: CommandLine) -> None:
    missionctl.peer.answers("CreateTask", created())

    ended = await missionctl(
        "submit", "--depends-on", "t-8", "--depends-on", "t-9", "--if-dependency-fails", "cancel", "--", "true"
    )

    spec = missionctl.peer.asked[0].spec
    assert ended.code == 0
    assert (list(spec.depends_on), spec.dependency_policy) == (["t-8", "t-9"], task_pb2.DEPENDENCY_POLICY_CANCEL)


async def test_a_blocked_task_says_how_many_it_waits_for(missionctl: CommandLine) -> None:
    spec = task_pb2.TaskSpec(kind="build", depends_on=["t-8", "t-9"])
    blocked = task(state=task_pb2.TASK_STATE_BLOCKED, spec=spec, blockers=1)
    missionctl.peer.answers("GetTask", reply(task_service_pb2.GetTaskResponse(task=blocked)))

    ended = await missionctl("tasks", "get", "t-1")

    assert "BLOCKED" in ended.out
    assert "t-8, t-9 (1 of 2 have not ended)" in ended.out


async def test_a_watched_command_shows_each_byte_once_and_ends_well(missionctl: CommandLine) -> None:
    missionctl.peer.answers("CreateTask", created())
    running = update(RUNNING, token=1, agent_id="agent-1", spec=COMMAND)
    missionctl.peer.answers("WatchTask", stream(running, output(0, b"one\n"), _ended(SUCCEEDED, 0, "one\ntwo\n")))

    ended = await missionctl("submit", "--watch", "--", "sh", "-c", "echo one; echo two")

    assert (ended.code, ended.out) == (0, "one\ntwo\n")
    assert "RUNNING on agent-1" in ended.err
    assert b'"argv":["sh","-c","echo one; echo two"]' in missionctl.peer.asked[0].spec.payload.data


async def test_a_watched_task_that_fails_ends_with_one_and_says_why(missionctl: CommandLine) -> None:
    missionctl.peer.answers("GetTask", reply(task_service_pb2.GetTaskResponse(task=task())))
    failure = task_pb2.Failure(reason=task_pb2.FAILURE_REASON_ERROR, message="exit code 3", code="exit:3")
    missionctl.peer.answers("WatchTask", stream(_ended(task_pb2.TASK_STATE_FAILED, 3, "out\n", failure=failure)))

    ended = await missionctl("tasks", "watch", "t-1")

    assert (ended.code, ended.out) == (1, "out\n")
    assert "t-1 FAILED (ERROR, exit:3): exit code 3" in ended.err


async def test_a_watch_in_json_is_a_line_for_each_change(missionctl: CommandLine) -> None:
    missionctl.peer.answers("CreateTask", created())
    missionctl.peer.answers("WatchTask", stream(update(RUNNING), update(SUCCEEDED, output=encode_payload({"x": 1}))))

    ended = await missionctl("submit", "--kind", "build", "--watch", "--output", "json")

    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert [line["state"] for line in lines] == ["RUNNING", "SUCCEEDED"]
    assert lines[-1]["output"]["value"] == {"x": 1}


async def test_ctrl_c_ends_the_watching_and_says_that_the_task_goes_on(missionctl: CommandLine) -> None:
    missionctl.peer.answers("GetTask", reply(task_service_pb2.GetTaskResponse(task=task())))
    missionctl.peer.answers("WatchTask", _for_ever)
    process = await missionctl.start("tasks", "watch", "t-1")
    assert process.stderr is not None
    assert b"RUNNING" in await process.stderr.readline()

    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()

    assert (process.returncode, out) == (130, b"")
    assert err == b"missionctl: stopped watching; the task goes on: missionctl tasks watch t-1\n"


async def _for_ever(request: Any, context: Any) -> AsyncIterator[Any]:
    yield update(RUNNING)
    await asyncio.get_running_loop().create_future()


async def test_dead_letters_are_failed_tasks_with_that_reason(missionctl: CommandLine) -> None:
    dead = task(task_pb2.TASK_STATE_FAILED, failure=task_pb2.Failure(reason=task_pb2.FAILURE_REASON_DEAD_LETTER))
    missionctl.peer.answers("ListTasks", reply(task_service_pb2.ListTasksResponse(tasks=[dead], position="e:7")))

    ended = await missionctl("tasks", "list", "--dead", "--output", "json")

    asked = missionctl.peer.asked[0]
    assert list(asked.states) == [task_pb2.TASK_STATE_FAILED]
    assert asked.failure_reason == task_pb2.FAILURE_REASON_DEAD_LETTER
    assert ended.json["tasks"][0]["failure"]["reason"] == "DEAD_LETTER"
    assert ended.json["position"] == "e:7"


async def test_a_list_for_people_has_a_row_for_each_task_up_to_the_limit(missionctl: CommandLine) -> None:
    tasks = [task(RUNNING, id=f"t-{number}") for number in range(3)]
    missionctl.peer.answers("ListTasks", reply(task_service_pb2.ListTasksResponse(tasks=tasks, next_page_token="n")))

    ended = await missionctl("tasks", "list", "--limit", "4")

    assert [line.split()[:2] for line in ended.out.splitlines()] == [
        ["ID", "STATE"], ["t-0", "RUNNING"], ["t-1", "RUNNING"], ["t-2", "RUNNING"], ["t-0", "RUNNING"],
    ]  # fmt: skip


async def test_a_task_is_shown_whole(missionctl: CommandLine) -> None:
    found = task(SUCCEEDED, spec=task_pb2.TaskSpec(kind="build", queue="q"), output=encode_payload("done"))
    missionctl.peer.answers("GetTask", reply(task_service_pb2.GetTaskResponse(task=found, position="e:7")))

    text, as_json = await missionctl("tasks", "get", "t-1"), await missionctl("tasks", "get", "t-1", "-o", "json")

    assert "output" in text.out
    assert "done" in text.out
    assert (as_json.json["id"], as_json.json["position"]) == ("t-1", "e:7")


async def test_a_task_that_is_not_there_is_code_3(missionctl: CommandLine) -> None:
    missing = refuse(grpc.StatusCode.NOT_FOUND, error_info("NOT_FOUND"), message="no task t-9 in namespace default")
    missionctl.peer.answers("GetTask", missing)

    ended = await missionctl("tasks", "get", "t-9")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("missionctl: no task t-9 in namespace default (NOT_FOUND)")
    assert ended.err.count("\n") == 1

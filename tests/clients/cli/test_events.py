"""`missionctl events tail` and its cursor file."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from missioncontrol.cli.events import Cursor
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.v1 import event_pb2, event_service_pb2, task_pb2, task_service_pb2

from tests.clients.cli.conftest import CommandLine
from tests.clients.client.peer import feed, reply, stream

REACHED = reply(event_service_pb2.ListEventsResponse(position="e:9", next_position="e:9"))


async def test_the_tail_writes_events_and_then_keeps_their_position(missionctl: CommandLine, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    missionctl.peer.answers("ListEvents", REACHED)
    missionctl.peer.answers("WatchEvents", stream(feed(1, 2)))

    ended = await missionctl("events", "tail", "--cursor-file", str(cursor), "--output", "json")

    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 0, ended.err
    assert [(line["sequence"], line["position"], line["type"]) for line in lines] == [
        (1, "e:1", "task.ready"), (2, "e:2", "task.ready"),
    ]  # fmt: skip
    assert cursor.read_text() == "e:2\n"
    assert list(tmp_path.iterdir()) == [cursor]


async def test_the_next_tail_goes_on_at_the_cursor(missionctl: CommandLine, tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    cursor.write_text("e:2\n")
    missionctl.peer.answers("ListEvents", REACHED)
    missionctl.peer.answers("WatchEvents", stream(feed(3)))

    wanted = ("--type", "task.ready", "--queue", "q")
    ended = await missionctl("events", "tail", "--after", "head", "--cursor-file", str(cursor), *wanted)

    assert ended.code == 0, ended.err
    asked = missionctl.peer.asked[-1]
    assert (asked.after, asked.follow, asked.filter.queue, list(asked.filter.types)) == ("e:2", False, "q", [2])
    assert "task.ready" in ended.out
    assert cursor.read_text() == "e:3\n"


async def test_a_reset_is_told_on_stderr_and_in_the_json(missionctl: CommandLine) -> None:
    reset = event_service_pb2.Reset(reason=event_service_pb2.RESET_REASON_AHEAD, requested="e:99")
    message = event_service_pb2.WatchEventsResponse(reset=reset, position="e:0")
    missionctl.peer.answers("ListEvents", REACHED)
    missionctl.peer.answers("WatchEvents", stream(message, feed(1)))

    ended = await missionctl("events", "tail", "--after", "e:99", "--output", "json")

    first = json.loads(ended.out.splitlines()[0])
    assert first == {"reset": {"reason": "AHEAD", "requested": "e:99", "position": "e:0"}}
    assert "e:99 (AHEAD)" in ended.err


async def test_ctrl_c_ends_a_tail_without_a_word(missionctl: CommandLine) -> None:
    missionctl.peer.answers("ListEvents", REACHED)
    missionctl.peer.answers("WatchEvents", _never_ending)
    process = await missionctl.start("events", "tail", "--follow")
    assert process.stdout is not None
    assert await process.stdout.readline()

    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()

    assert (process.returncode, out, err) == (130, b"", b"")


async def test_a_reader_that_goes_away_ends_a_tail_without_a_word(missionctl: CommandLine) -> None:
    missionctl.peer.answers("ListEvents", REACHED)
    missionctl.peer.answers("WatchEvents", stream(*(feed(*range(n, n + 1000)) for n in range(1, 20_000, 1000))))
    process = await missionctl.start("events", "tail")
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()

    process.stdout._transport.close()  # type: ignore[attr-defined] # asyncio has no other way to close a pipe's read end
    err = await process.stderr.read()

    assert (await process.wait(), err) == (141, b"")


async def _never_ending(request: Any, context: Any) -> AsyncIterator[Any]:
    yield feed(1)
    await asyncio.get_running_loop().create_future()


def test_a_cursor_file_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk")

    with pytest.raises(RefusedInputError, match="no position"):
        Cursor(path).read()

    assert path.read_text() == "buy milk"


def test_a_cursor_that_is_not_there_yet_is_the_beginning(tmp_path: Path) -> None:
    cursor = Cursor(tmp_path / "cursor")

    assert cursor.read() == ""
    cursor.write("e:1")
    cursor.write("")
    assert cursor.read() == "e:1"


def event(sequence: int, task: str, version: int, **fields: Any) -> event_pb2.Event:
    return event_pb2.Event(sequence=sequence, namespace="default", task_id=task, version=version, **fields)


PENDING, LEASED = task_pb2.TASK_STATE_PENDING, task_pb2.TASK_STATE_LEASED
CREATED = event(1, "t-1", 1, to_state=PENDING)
GRANTED = event(2, "t-1", 2, from_state=PENDING, to_state=LEASED, token=1)
LISTED = task_pb2.Task(id="t-1", state=LEASED, version=2, token=1)


@pytest.mark.parametrize(
    ("events", "tasks", "finding"),
    [
        ([CREATED, GRANTED], [LISTED], ""),
        ([GRANTED], [LISTED], ""),
        ([CREATED], [LISTED], "LEASED (version 2, token 1) in the list, PENDING (version 1, token 0) in the"),
        ([CREATED, event(3, "t-2", 1, to_state=PENDING)], [], "the feed has 3 after 1"),
        ([CREATED, GRANTED], [], "task t-1 has not ended, and is in no list"),
        ([CREATED, event(2, "t-1", 3, from_state=PENDING, to_state=LEASED)], [], "version 3 of t-1, not 2"),
        ([CREATED, event(2, "t-1", 2, from_state=LEASED, to_state=PENDING)], [], "t-1 does not come from PENDING"),
        ([CREATED], [task_pb2.Task(id="t-9", state=PENDING)], "PENDING (version 0, token 0) in the list, nothing in"),
    ],
)  # fmt: skip
async def test_verify_compares_the_feed_with_the_list(
    missionctl: CommandLine, events: list[event_pb2.Event], tasks: list[task_pb2.Task], finding: str
) -> None:
    reached = f"e:{events[-1].sequence}"
    missionctl.peer.answers("ListTasks", reply(task_service_pb2.ListTasksResponse(tasks=tasks, position=reached)))
    page = event_service_pb2.ListEventsResponse(events=events, next_position=reached, position=reached)
    missionctl.peer.answers("ListEvents", reply(page))

    ended = await missionctl("events", "verify", "--output", "json")

    assert ended.code == (1 if finding else 0), ended.err
    assert finding in ended.err
    assert bool(ended.json["findings"]) == bool(finding)

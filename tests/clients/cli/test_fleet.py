"""`missionctl` against a real fleet, as an operator uses it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clients.cli.conftest import CommandLine
from tests.clients.client.peer import Peer
from tests.conftest import StartFleet
from tests.e2e.waiting import eventually


async def test_an_operator_submits_looks_and_decides(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet = await start_fleet(lease_ttl_seconds=60.0)
    missionctl = CommandLine(Peer(), fleet.address)

    hello = await missionctl("submit", "--watch", "--queue", "docs", "--label", "a=b", "--", "echo", "hello")
    assert (hello.code, hello.out) == (0, "hello\n"), hello.err
    failed = await missionctl("submit", "--watch", "--shell", "--attempts", "1", "--", "exit 3")
    assert failed.code == 1
    assert "exit:3" in failed.err

    assert (await missionctl("queues", "pause", "docs", "-o", "json")).json["paused"] is True
    held = (await missionctl("submit", "--queue", "docs", "--", "true")).out.strip()
    stats = (await missionctl("queues", "stats", "docs", "-o", "json")).json["queues"][0]
    assert (stats["name"], stats["pending"]) == ("docs", 1)
    listed = (await missionctl("tasks", "list", "--queue", "docs", "--state", "pending", "-o", "json")).json["tasks"]
    assert [task["id"] for task in listed] == [held]
    assert (await missionctl("tasks", "cancel", held, "-o", "json")).json["state"] == "CANCELLED"
    assert (await missionctl("queues", "resume", "docs", "-o", "json")).json["paused"] is False

    again = (await missionctl("tasks", "retry", held, "-o", "json")).json
    assert again["retry_of"] == held
    assert (await missionctl("tasks", "watch", again["id"])).code == 0
    assert (await missionctl("tasks", "retry", "0198b7a0-0000-7000-8000-000000000000")).code == 3
    attempts = (await missionctl("tasks", "attempts", again["id"], "-o", "json")).json["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["SUCCEEDED"]
    assert (await missionctl("tasks", "list", "--dead", "-o", "json")).json["tasks"] == []


async def test_an_operator_makes_a_schedule_and_changes_it(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet = await start_fleet(lease_ttl_seconds=60.0)
    missionctl = CommandLine(Peer(), fleet.address)
    times = ("--cron", "0 3 * * *", "--time-zone", "Europe/Berlin", "--missed", "all")

    made = (await missionctl("schedules", "create", "nightly", *times, "-o", "json", "--", "echo", "hello")).json
    assert (made["cron"], made["missed_policy"], made["version"]) == ("0 3 * * *", "ALL", 1)
    assert made["spec"]["payload"]["value"]["argv"] == ["echo", "hello"]
    twice = await missionctl("schedules", "create", "nightly", *times, "--", "echo")
    assert (twice.code, "there is a schedule nightly" in twice.err) == (2, True)

    file = tmp_path / "schedules.json"
    file.write_text(json.dumps([made, {**made, "name": "tick", "cron": "* * * * * *"}]))
    applied = (await missionctl("schedules", "apply", str(file), "-o", "json")).json["schedules"]
    assert [(each["name"], each["version"]) for each in applied] == [("nightly", 1), ("tick", 1)]
    file.write_text(json.dumps({**made, "crom": ""}))
    wrong = await missionctl("schedules", "apply", str(file))
    assert (wrong.code, 'there is no "crom"' in wrong.err) == (2, True)

    async def done() -> bool:
        by_it = ("--label", "missioncontrol.schedule=tick", "--state", "succeeded")
        return bool((await missionctl("tasks", "list", *by_it, "-o", "json")).json["tasks"])

    await eventually(done)
    assert (await missionctl("schedules", "pause", "tick", "-o", "json")).json["next_time"] is None
    assert (await missionctl("schedules", "resume", "tick", "-o", "json")).json["paused"] is False
    assert (await missionctl("schedules", "delete", "tick")).out == "deleted tick\n"
    assert (await missionctl("schedules", "get", "tick")).code == 3
    listed = (await missionctl("schedules", "list", "-o", "json")).json["schedules"]
    assert [each["name"] for each in listed] == ["nightly"]
    assert (await missionctl("events", "verify")).code == 0


async def test_an_operator_takes_an_agent_out_and_puts_it_back(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(lease_ttl_seconds=60.0)
    missionctl = CommandLine(Peer(), fleet.address)

    agents = (await missionctl("agents", "list", "-o", "json")).json["agents"]
    assert [(agent["id"], agent["state"], agent["cordoned"]) for agent in agents] == [
        ("agent-1", "READY", False), ("agent-2", "READY", False),
    ]  # fmt: skip
    assert (await missionctl("agents", "cordon", "agent-1", "-o", "json")).json["cordoned"] is True
    assert (await missionctl("agents", "uncordon", "agent-1", "-o", "json")).json["cordoned"] is False
    assert (await missionctl("agents", "drain", "agent-1", "--time-limit", "5")).code == 0
    assert "agent-1" in (await missionctl("agents", "get", "agent-1")).out
    assert (await missionctl("agents", "get", "nobody")).code == 3


async def test_a_tail_with_a_cursor_file_tells_each_event_once(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet = await start_fleet(lease_ttl_seconds=60.0)
    missionctl = CommandLine(Peer(), fleet.address)
    tail = ("events", "tail", "--cursor-file", str(tmp_path / "cursor"), "-o", "json")

    await missionctl("submit", "--watch", "--", "true")
    first = await missionctl(*tail)
    nothing = await missionctl(*tail)
    await missionctl("submit", "--watch", "--", "true")
    second = await missionctl(*tail)

    sequences = [json.loads(line)["sequence"] for line in (first.out + second.out).splitlines()]
    assert nothing.out == ""
    assert sequences == list(range(1, len(sequences) + 1))


async def test_a_bad_request_is_told_with_the_field(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet = await start_fleet(agents=())
    missionctl = CommandLine(Peer(), fleet.address)
    large = tmp_path / "large"
    large.write_bytes(b"x" * 300_000)

    payload = await missionctl("submit", "--kind", "build", "--payload", f"@{large}")
    queue = await missionctl("submit", "--kind", "build", "--queue", "no queue")

    assert payload.code == queue.code == 2
    assert "262144" in payload.err
    assert "spec.queue" in queue.err
    assert payload.err.count("\n") == 1

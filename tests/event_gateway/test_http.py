from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from missioncontrol.v1 import event_pb2

from tests.event_gateway.conftest import Fleet, ScriptedFeed, fleet
from tests.event_gateway.http_client import PATIENCE_SECONDS, HttpReader, open_reader


def sequences(frames: list[Any]) -> list[int]:
    return [frame.sequence for frame in frames]


async def test_events_arrive_as_server_sent_events(running: Fleet):
    stream = await running.read("/v1/events?after=head")
    running.feed.append(3)
    frames = await stream.take(3)
    assert sequences(frames) == [1, 2, 3]
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.headers["x-accel-buffering"] == "no"
    assert frames[0].fields["id"] == "e1:1"
    assert frames[0].fields["event"] == "task.created"
    assert frames[0].content["id"] == "e1:1"


async def test_the_stream_begins_with_the_time_to_come_back_after(running: Fleet):
    stream = await running.read()
    frame = await anext(stream.frames())
    assert frame.fields == {"retry": "2000"}


async def test_without_a_position_a_reader_gets_what_is_kept(feed: ScriptedFeed):
    feed.append(20)
    feed.trim(5)
    async with fleet(feed) as running:
        stream = await running.read()
        assert sequences(await stream.take(15)) == list(range(6, 21))


async def test_history_and_ring_join_without_gap_or_doubling(feed: ScriptedFeed):
    feed.append(5000)
    async with fleet(feed, event_gateway_ring_events=64) as running:
        stream = await running.read("/v1/events?after=e1:10")
        frames = await stream.take(2000)
        feed.append(3)
        frames += await stream.take(5003 - 10 - 2000)
        assert sequences(frames) == list(range(11, 5004))


async def test_the_header_wins_over_the_parameter(running: Fleet):
    running.feed.append(10)
    stream = await running.read("/v1/events?after=e1:2", Last_Event_ID="e1:7")
    assert sequences(await stream.take(3)) == [8, 9, 10]


@pytest.mark.parametrize(
    ("after", "reason"), [("e0:3", "epoch"), ("e1:2", "trimmed"), ("e1:99", "ahead"), ("nonsense", "malformed")]
)
async def test_an_unusable_position_is_answered_with_a_reset(feed: ScriptedFeed, after: str, reason: str):
    feed.append(10)
    feed.trim(4)
    async with fleet(feed) as running:
        stream = await running.read(Last_Event_ID=after)
        frames = stream.frames()
        await anext(frames)
        reset = await asyncio.wait_for(anext(frames), PATIENCE_SECONDS)
        assert reset.fields["event"] == "reset"
        assert "id" not in reset.fields
        assert reset.content == {"reason": reason, "requested": after, "position": "e1:4"}
        assert sequences(await stream.take(6)) == list(range(5, 11))


async def test_an_unusable_position_is_told_in_ndjson_and_in_pages_too(running: Fleet):
    running.feed.append(1)
    line = await anext((await running.read("/v1/events?format=ndjson&after=e0:1")).lines())
    assert json.loads(line) == {"reset": {"reason": "epoch", "requested": "e0:1", "position": "e1:0"}}
    page = await (await running.read("/v1/events?format=json&after=e0:1")).json()
    assert page == {
        "events": [],
        "next": "e1:0",
        "head": "e1:1",
        "reset": {"reason": "epoch", "requested": "e0:1", "position": "e1:0"},
    }


async def test_a_live_reader_of_an_older_epoch_gets_a_reset(running: Fleet):
    running.feed.append(3)
    stream = await running.read()
    await stream.take(3)
    running.feed.restore("e2", 2)
    frames = stream.frames()
    reset = await asyncio.wait_for(anext(frames), PATIENCE_SECONDS)
    assert reset.content == {"reason": "epoch", "requested": "e1:3", "position": "e2:0"}
    assert [frame.fields["id"] for frame in await stream.take(2)] == ["e2:1", "e2:2"]


async def test_filters_choose_events_from_history_and_from_the_ring(feed: ScriptedFeed):
    feed.append(100)
    async with fleet(feed, event_gateway_ring_events=16) as running:
        stream = await running.read("/v1/events?task=task-3&type=task.*")
        history = [number for number in range(1, 101) if number % 7 == 3]
        assert sequences(await stream.take(len(history))) == history
        feed.append(1, task_id="other")
        feed.append(1, task_id="task-3", type=event_pb2.EVENT_TYPE_TASK_SUCCEEDED)
        assert sequences(await stream.take(1)) == [102]


async def test_other_namespaces_come_only_when_they_are_asked_for(running: Fleet):
    running.feed.append(1, namespace="other")
    running.feed.append(1)
    assert sequences(await (await running.read()).take(1)) == [2]
    assert sequences(await (await running.read("/v1/events?namespace=other")).take(1)) == [1]
    assert sequences(await (await running.read("/v1/events?namespace=*")).take(2)) == [1, 2]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("type=task.exploded", "type"),
        ("type=", "type"),
        ("follow=perhaps", "follow"),
        ("format=xml", "format"),
        ("format=json&limit=0", "limit"),
        pytest.param("format=json&limit=" + "1" * 5000, "limit", id="more-digits-than-python-reads"),
        ("limit=5", "limit"),
        ("queues=a", "queues"),
        ("queue=a&queue=b", "queue"),
        ("task=a%00b", "task"),
        ("queue=%ff", "queue"),
        ("agent=" + "x" * 129, "agent"),
        ("namespace=" + "x" * 64, "namespace"),
        ("namespace=Bad", "namespace"),
        ("namespace=a%0A", "namespace"),
    ],
)
async def test_a_bad_parameter_is_named(running: Fleet, query: str, parameter: str):
    answer = await running.read(f"/v1/events?{query}")
    problem = await answer.json()
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert problem["parameter"] == parameter
    assert problem["reason"]


async def test_a_stream_without_follow_ends_at_the_head(feed: ScriptedFeed):
    feed.append(2500)
    async with fleet(feed) as running:
        stream = await running.read("/v1/events?follow=false&format=ndjson")
        lines = [json.loads(line) async for line in stream.lines()]
        assert [int(line["sequence"]) for line in lines] == list(range(1, 2501))


async def test_ndjson_has_one_event_a_line(running: Fleet):
    running.feed.append(3)
    stream = await running.read("/v1/events", Accept="application/x-ndjson")
    lines = stream.lines()
    first = json.loads(await anext(lines))
    assert stream.headers["content-type"] == "application/x-ndjson"
    assert (first["id"], first["type"], first["data"]["to_state"]) == ("e1:1", "missioncontrol.task.created", "PENDING")
    assert [json.loads(await anext(lines))["id"] for _ in range(2)] == ["e1:2", "e1:3"]


async def test_pages_lead_from_the_beginning_to_the_head(running: Fleet):
    running.feed.append(25)
    cursor, seen = "", []
    while True:
        page = await (await running.read(f"/v1/events?limit=10&after={cursor}", Accept="application/json")).json()
        seen += [int(event["sequence"]) for event in page["events"]]
        cursor = page["next"]
        if cursor == page["head"]:
            break
    assert seen == list(range(1, 26))


async def test_the_page_at_the_head_is_empty(running: Fleet):
    running.feed.append(5)
    page = await (await running.read("/v1/events?after=head&format=json")).json()
    assert page == {"events": [], "next": "e1:5", "head": "e1:5"}


async def test_signs_of_life_come_while_nothing_else_does(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_keepalive_seconds=0.05) as running:
        stream = await running.read()
        comments = [frame.comments async for frame in _first(stream, 3)]
        assert comments == [[], ["keep-alive"], ["keep-alive"]]
        ndjson = await running.read("/v1/events?format=ndjson")
        assert await asyncio.wait_for(anext(ndjson.lines()), PATIENCE_SECONDS) == b""


async def test_signs_of_life_come_also_while_the_filter_leaves_everything_out(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_keepalive_seconds=0.05) as running:
        stream = await running.read("/v1/events?queue=nothing")
        frames = stream.frames()
        await anext(frames)
        coming = asyncio.ensure_future(anext(frames))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not coming.done():
                feed.append(1)
                await asyncio.wait(
                    [coming], timeout=0.02
                )  # so there is never a quiet time as long as between two signs
        assert coming.result().comments == ["keep-alive"]


async def _first(stream: HttpReader, count: int) -> Any:
    frames = stream.frames()
    for _ in range(count):
        yield await asyncio.wait_for(anext(frames), PATIENCE_SECONDS)


async def test_health_readiness_and_metrics(running: Fleet):
    assert (await running.read("/healthz")).status == 200
    ready = await running.read("/readyz")
    assert (ready.status, (await ready.json())["ready"]) == (200, True)
    running.feed.append(2)
    stream = await running.read()
    await stream.take(2)
    text = (await (await running.read("/metrics")).body()).decode()
    assert 'missioncontrol_event_gateway_readers{format="sse"} 1.0' in text
    assert "missioncontrol_event_gateway_events_received_total 2.0" in text
    assert "missioncontrol_event_gateway_events_sent_total 2.0" in text
    assert "missioncontrol_event_gateway_reader_lag_events_max 0.0" in text


async def test_an_unknown_path_and_method_are_problems(running: Fleet):
    unknown = await running.read("/v2/events")
    refused = await open_reader(running.address, "/v1/events", method="DELETE")

    assert (unknown.status, unknown.headers["content-type"]) == (404, "application/problem+json")
    assert (refused.status, refused.headers["content-type"]) == (405, "application/problem+json")
    assert "get" in refused.headers["allow"]
    await refused.close()


async def test_browsers_of_other_origins_may_read_if_they_are_allowed(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_cors_origins=("https://dashboard.example",)) as running:
        allowed = await running.read(Origin="https://dashboard.example")
        foreign = await running.read(Origin="https://other.example")
        assert allowed.headers["access-control-allow-origin"] == "https://dashboard.example"
        assert "access-control-allow-origin" not in foreign.headers


async def test_too_many_readers_are_told_to_come_back(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_readers_max=2) as running:
        first, _second = await running.read(), await running.read()
        refused = await running.read()
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        await first.close()
        await running.until(lambda: running.metric("readers") == 1)
        assert (await running.read()).status == 200


async def test_history_that_nobody_can_give_is_a_503_where_a_status_is_possible(running: Fleet):
    running.feed.unavailable = True
    for query in ("format=json", "follow=false", "after=nonsense"):
        answer = await running.read(f"/v1/events?{query}")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")

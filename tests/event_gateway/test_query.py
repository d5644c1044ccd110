from __future__ import annotations

import pytest
from missioncontrol.v1 import event_pb2
from starlette.datastructures import Headers, QueryParams

from services.event_gateway.entry import encode, json_string
from services.event_gateway.event_filter import EventFilter, types_of
from services.event_gateway.formats import NDJSON, SSE
from services.event_gateway.query import Query, QueryError, parse_query
from tests.event_gateway.conftest import make_event, matches


def parsed(query: str = "", **headers: str) -> Query:
    return parse_query(QueryParams(query), Headers({name.replace("_", "-"): value for name, value in headers.items()}))


def test_nothing_asked_for_is_everything_of_the_default_namespace():
    assert parsed() == Query(after="", wanted=EventFilter(), format="sse", follow=True, limit=100)


def test_types_are_repeated_separated_and_abbreviated():
    wanted = parsed("type=task.created,task.ready&type=queue.*").wanted
    assert wanted.types == {1, 2, 30, 31, 32, 33, 34, 35}


def test_a_star_is_every_type():
    assert types_of(["*"]) == set(event_pb2.EventType.values()) - {0}


@pytest.mark.parametrize(
    ("accept", "format_name"),
    [
        ("*/*", "sse"),
        ("text/event-stream", "sse"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "sse"),
        ("application/x-ndjson", "ndjson"),
        ("application/json; charset=utf-8", "json"),
    ],
)
def test_the_accept_header_chooses_the_format(accept: str, format_name: str):
    assert parsed(accept=accept).format == format_name


def test_the_parameter_wins_over_the_accept_header():
    assert parsed("format=ndjson", accept="application/json").format == "ndjson"


def test_a_format_that_cannot_be_given_is_refused():
    with pytest.raises(QueryError, match="Accept: none of image/png can be given"):
        parsed(accept="image/png")


@pytest.mark.parametrize("pattern", ["", "task", "task.", "*.created", "tas*", "task.exploded", "TASK.CREATED"])
def test_a_type_that_does_not_exist_is_refused(pattern: str):
    with pytest.raises(QueryError) as caught:
        parsed(f"type={pattern}")
    assert caught.value.parameter == "type"


@pytest.mark.parametrize(
    "wanted",
    [
        EventFilter(),
        EventFilter(namespace="*"),
        EventFilter(task_id="task-3"),
        EventFilter(queue="b", types=types_of(["task.*"])),
        EventFilter(agent_id="a1"),
    ],
)
def test_the_ring_filters_as_the_coordinator_does(wanted: EventFilter):
    events = [
        make_event(
            number, queue="ab"[number % 2], agent_id=f"a{number % 3}", namespace=["default", "x"][number % 5 == 0]
        )
        for number in range(1, 50)
    ]
    entries = [encode(event, "e1", json_string("s")) for event in events]
    by_contract = [event.sequence for event in events if matches(wanted.to_proto(), event)]
    assert [entry.sequence for entry in wanted.select(entries)] == by_contract


@pytest.mark.parametrize("format_", [SSE, NDJSON])
def test_chunks_join_many_events_and_are_bounded(format_):
    entries = [encode(make_event(number), "e1", json_string("s")) for number in range(1, 1001)]
    chunks = list(format_.chunks(entries))
    assert b"".join(chunks) == b"".join(format_.piece(entry) for entry in entries)
    assert len(chunks) < 12
    assert max(len(chunk) for chunk in chunks) < 66_000

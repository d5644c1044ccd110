"""What a request to `/v1/events` asks for.

Anything that is not understood is refused by name: a filter that is silently ignored would be taken for one that
matched everything. The parameters:

    after       a position, "head", or nothing for the oldest event that is kept. The header Last-Event-ID wins over
                it, since a browser that reconnects sends the header with the first URL
    type        "task.created", "task.*"; may be repeated and comma-separated
    queue, task, agent
    namespace   "default" if not given; "*" means all
    follow      "false" ends the stream at the head
    format      sse, ndjson or json; without it the header Accept decides, and SSE is the default
    limit       events of one page, 1 to 1000; only with json
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers, QueryParams

from services.event_gateway import limits
from services.event_gateway.event_filter import DEFAULT_NAMESPACE, EventFilter, EventTypeValue, types_of

FormatName = Literal["sse", "ndjson", "json"]
FORMATS: Mapping[str, FormatName] = {"sse": "sse", "ndjson": "ndjson", "json": "json"}
MEDIA_TYPES: Mapping[str, FormatName] = {
    "text/event-stream": "sse",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json": "json",
    "application/*": "json",
    "text/*": "sse",
    "*/*": "sse",
}
_SINGLE = ("after", "queue", "task", "agent", "namespace", "follow", "format", "limit")
_KNOWN = frozenset((*_SINGLE, "type"))
# The form of a namespace, as the contract's EventFilter has it.
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?|\*|", re.ASCII)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class QueryError(Exception):
    """A parameter is wrong: which, and why."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason


@dataclass(frozen=True)
class Query:
    """A request that was understood. `after` is as it came: "", "head", or what should be a position."""

    after: str
    wanted: EventFilter
    format: FormatName
    follow: bool
    limit: int


def parse_query(parameters: QueryParams, headers: Headers) -> Query:
    """Reads a request. Raises QueryError for the first thing that is wrong."""
    _refuse_unknown(parameters)
    values = {name: _text(name, value) for name, value in parameters.items() if name != "type"}
    format_name = _format(values, headers)
    if "limit" in values and format_name != "json":
        raise QueryError("limit", "only pages have one; ask for format=json")
    return Query(
        after=headers.get("last-event-id") or values.get("after", ""),
        wanted=EventFilter(
            namespace=_namespace(values.get("namespace", "")),
            types=_types(parameters),
            queue=values.get("queue", ""),
            task_id=values.get("task", ""),
            agent_id=values.get("agent", ""),
        ),
        format=format_name,
        follow=_boolean("follow", values.get("follow", "true")),
        limit=_limit(values.get("limit")),
    )


def _refuse_unknown(parameters: QueryParams) -> None:
    for name in parameters:
        if name not in _KNOWN:
            raise QueryError(name, f"no such parameter; there are {', '.join(sorted(_KNOWN))}")
    for name in _SINGLE:
        if len(parameters.getlist(name)) > 1:
            raise QueryError(name, "may be given once only")


def _text(name: str, value: str) -> str:
    bytes_max = limits.PARAMETER_BYTES_MAX.get(name)
    if bytes_max is None:
        return value
    # What a wrong byte was decoded to: it would be a filter that silently matches nothing.
    if "\ufffd" in value:
        raise QueryError(name, "must be valid UTF-8")
    if len(value.encode()) > bytes_max or "\0" in value:
        raise QueryError(name, f"must be at most {bytes_max} bytes, without NUL")
    return value


def _namespace(value: str) -> str:
    if not _NAMESPACE.fullmatch(value):
        raise QueryError("namespace", "must be lower-case letters, digits and hyphens, or * for all")
    return value or DEFAULT_NAMESPACE


def _types(parameters: QueryParams) -> frozenset[EventTypeValue]:
    patterns = [part.strip() for value in parameters.getlist("type") for part in value.split(",")]
    try:
        return types_of(patterns)
    except ValueError as error:
        raise QueryError("type", str(error)) from None


def _boolean(name: str, value: str) -> bool:
    if value not in _BOOLEANS:
        raise QueryError(name, f"must be true or false, not {value!r}")
    return _BOOLEANS[value]


def _limit(value: str | None) -> int:
    if value is None:
        return limits.PAGE_EVENTS_DEFAULT
    # Python reads no number of more than 4,300 digits.
    if not value.isascii() or not value.isdigit() or len(value) > 4 or not 1 <= int(value) <= limits.PAGE_EVENTS_MAX:
        raise QueryError("limit", f"must be a number from 1 to {limits.PAGE_EVENTS_MAX}, not {value!r}")
    return int(value)


def _format(values: Mapping[str, str], headers: Headers) -> FormatName:
    if "format" in values:
        if values["format"] not in FORMATS:
            raise QueryError("format", f"must be sse, ndjson or json, not {values['format']!r}")
        return FORMATS[values["format"]]
    accepted = [part.split(";")[0].strip().lower() for part in headers.get("accept", "*/*").split(",")]
    for media_type in accepted:
        if media_type in MEDIA_TYPES:
            return MEDIA_TYPES[media_type]
    raise QueryError(
        "Accept", f"none of {', '.join(accepted)} can be given; text/event-stream and application/json can"
    )

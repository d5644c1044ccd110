"""The options of `missionctl submit` in groups, and what each group says in a submit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.values import (
    parse_amounts,
    parse_duration,
    parse_instant,
    parse_pairs,
    read_payload,
    read_selector,
    read_text,
)
from missioncontrol.command import CommandInput
from missioncontrol.requests import RetryPolicy, dependency_policy, failure_reason
from missioncontrol.selectors import parse_preference
from missioncontrol.v1 import task_pb2

Many = list[str] | None


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """What a handler gets: for tasks that are no commands."""

    kind: Annotated[str, typer.Option(help="Which handler runs it.")] = ""
    payload: Annotated[str | None, typer.Option(help="Its input: JSON or text, @FILE, or - for stdin.")] = None
    content_type: Annotated[str | None, typer.Option(help="The input's media type, if not what it looks like.")] = None

    @property
    def given(self) -> list[str]:
        """Those that were given, as they are written."""
        return _given({"--kind": self.kind, "--payload": self.payload, "--content-type": self.content_type})

    def read(self) -> tuple[bytes | None, Mapping[str, object]]:
        """The input, and what it says in a submit."""
        if self.payload is None:
            return None, {"content_type": self.content_type}
        data, guessed = read_payload(self.payload)
        return data, {"content_type": self.content_type or guessed}


@dataclass(frozen=True, kw_only=True)
class ProcessOptions:
    """How a command is run."""

    shell: Annotated[bool, typer.Option("--shell", help="The first word of ARGV is a script for /bin/sh.")] = False
    cwd: Annotated[str | None, typer.Option(help="The command's working folder.")] = None
    env: Annotated[Many, typer.Option(help="KEY=VALUE for the command; may be repeated.")] = None
    stdin: Annotated[str | None, typer.Option(help="What the command reads: text, @FILE, or -.")] = None

    @property
    def given(self) -> list[str]:
        """Those that were given, as they are written."""
        return _given({"--shell": self.shell, "--cwd": self.cwd, "--env": self.env, "--stdin": self.stdin})

    def document(self, argv: list[str]) -> CommandInput:
        """The command."""
        return CommandInput(
            argv=argv,
            shell=self.shell,
            cwd=self.cwd,
            env=parse_pairs(self.env or (), option="--env"),
            stdin=read_text(self.stdin, option="--stdin") if self.stdin is not None else None,
        )


@dataclass(frozen=True, kw_only=True)
class RoutingOptions:
    """Where, when and under which names a task runs."""

    queue: Annotated[str | None, typer.Option(help="The queue.")] = None
    priority: Annotated[int | None, typer.Option(min=-100, max=100, help="Higher goes first.")] = None
    label: Annotated[Many, typer.Option(help="KEY=VALUE, for filters; may be repeated.")] = None
    capability: Annotated[Many, typer.Option(help="The agent must have it; may be repeated.")] = None
    selector: Annotated[
        Many, typer.Option(help='On the agent\'s labels: "zone=eu", "!gpu", "disk_gib>16", …; may be repeated.')
    ] = None
    resource: Annotated[Many, typer.Option(help="NAME=AMOUNT that the task holds; may be repeated.")] = None
    prefer: Annotated[
        Many, typer.Option(help='Selector and weight, rather such an agent: "zone=eu:10", "spot:-5"; may be repeated.')
    ] = None
    affinity_key: Annotated[str | None, typer.Option(help="Prefer an agent that ran this key before.")] = None
    fairness_key: Annotated[
        str | None, typer.Option(help="Whose turn it uses up, such as a user; for queues that are fair by key.")
    ] = None
    depends_on: Annotated[
        Many, typer.Option(metavar="TASK_ID", help="BLOCKED until this task has ended; may be repeated.")
    ] = None
    if_dependency_fails: Annotated[
        str | None, typer.Option(metavar="FAIL|CANCEL|RUN", help="What becomes of it then; FAIL if left out.")
    ] = None
    not_before: Annotated[str | None, typer.Option(help='Not ready before: an instant, or "+5m".')] = None
    queue_time_limit: Annotated[str | None, typer.Option(help="EXPIRED if nothing starts it within this.")] = None
    run_time_limit: Annotated[str | None, typer.Option(help="An attempt fails after this.")] = None
    request_id: Annotated[str | None, typer.Option(help="The same id gives the same task; else one is made.")] = None
    wait_for_room: Annotated[str | None, typer.Option(help="If the queue takes no more, ask again for so long.")] = None

    @property
    def patience(self) -> timedelta | None:
        """How long to wait for room in the queue."""
        return _duration(self.wait_for_room, "--wait-for-room")

    def read(self, *, now: datetime) -> Mapping[str, object]:
        """What they say in a submit."""
        return {
            "queue": self.queue,
            "priority": self.priority,
            "labels": parse_pairs(self.label or (), option="--label"),
            "capabilities": self.capability,
            "selectors": [read_selector(each) for each in self.selector or ()],
            "resources": parse_amounts(self.resource or (), option="--resource"),
            "preferences": [_preference(each) for each in self.prefer or ()],
            "affinity_key": self.affinity_key,
            "fairness_key": self.fairness_key,
            "depends_on": self.depends_on,
            "dependency_policy": _known_policy(self.if_dependency_fails),
            "not_before": parse_instant(self.not_before, now=now, option="--not-before") if self.not_before else None,
            "queue_time_limit": _duration(self.queue_time_limit, "--queue-time-limit"),
            "run_time_limit": _duration(self.run_time_limit, "--run-time-limit"),
            "request_id": self.request_id,
        }


@dataclass(frozen=True, kw_only=True)
class RetryOptions:
    """When a failed attempt is tried again."""

    attempts: Annotated[int | None, typer.Option(min=1, max=1000, help="Failed attempts allowed in all.")] = None
    backoff: Annotated[str | None, typer.Option(help="Wait after the first failure; it doubles.")] = None
    backoff_max: Annotated[str | None, typer.Option(help="No wait is longer.")] = None
    retry_on: Annotated[Many, typer.Option(help="Retry only this reason, such as TIMEOUT; may be repeated.")] = None
    no_retry_code: Annotated[Many, typer.Option(help="Never retry this code, such as exit:3; may be repeated.")] = None
    redeliveries: Annotated[int | None, typer.Option(min=1, max=1000, help="How often it may lose its agent.")] = None

    def read(self) -> Mapping[str, object]:
        """What they say in a submit; nothing if none was given."""
        if self == RetryOptions():
            return {}
        backoff, longest = _duration(self.backoff, "--backoff"), _duration(self.backoff_max, "--backoff-max")
        policy = RetryPolicy(
            attempts_max=self.attempts or 0,
            initial_backoff_seconds=backoff.total_seconds() if backoff is not None else None,
            backoff_seconds_max=longest.total_seconds() if longest is not None else None,
            retry_reasons=tuple(_known_reason(name) for name in self.retry_on or ()),
            no_retry_codes=tuple(self.no_retry_code or ()),
            redeliveries_max=self.redeliveries or 0,
        )
        return {"retry_policy": policy}


def _given(options: Mapping[str, Any]) -> list[str]:
    return [name for name, value in options.items() if value]


def _preference(text: str) -> task_pb2.Preference:
    try:
        return parse_preference(text)
    except ValueError as error:
        raise RefusedInputError(f"--prefer {error}") from None


def _known_reason(name: str) -> str:
    try:
        failure_reason(name)
    except ValueError as error:
        raise RefusedInputError(f"--retry-on {error}") from None
    return name


def _known_policy(name: str | None) -> str | None:
    try:
        if name is not None:
            dependency_policy(name)
    except ValueError as error:
        raise RefusedInputError(f"--if-dependency-fails {error}") from None
    return name


def _duration(text: str | None, option: str) -> timedelta | None:
    return parse_duration(text, option=option) if text is not None else None

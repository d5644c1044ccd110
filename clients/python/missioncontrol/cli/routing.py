"""Why tasks wait and where they would go: `tasks explain`, `queues simulate`, `queues depths`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from missioncontrol.cli import mapping
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.printer import write_line
from missioncontrol.cli.queue_files import read_queue_files
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.submit_options import Many
from missioncontrol.cli.task_view import TaskId, reason_name, state_name, waiting_text
from missioncontrol.cli.values import parse_amounts, read_selector
from missioncontrol.requests import task_request
from missioncontrol.v1 import queue_pb2, scheduler_service_pb2, task_pb2

_LANE_COLUMNS = ("QUEUE", "LANE", "PENDING", "LEASED", "RUNNING")
_CAPABILITY_COLUMNS = ("CAPABILITY", "PENDING", "AGENTS", "SLOTS", "IN USE")
_AGENT_COLUMNS = ("AGENT", "SLOTS", "RUNNING", "LEASED")
_SIMULATED_COLUMNS = ("AGENT", "TASKS", "LEASES AFTER THAT")


@connected
async def explain_task(session: Session, task_id: TaskId) -> None:
    """Says why a task waits, and what would help."""
    response = await session.client.routing.explain(task_id)
    if session.printer.is_json:
        session.printer.line(mapping.to_json(response))
        return
    fields = {"task": response.task.id, "state": state_name(response.task), **_explained(response.explanation)}
    fields["since"] = mapping.to_json(response.since_time) if response.HasField("since_time") else ""
    if response.task.state == task_pb2.TASK_STATE_PENDING:
        fields["ahead in its queue"] = f"{response.position}{'+' if response.position >= 10_000 else ''}"
    fields["depends on"] = ", ".join(response.blocked_by)
    session.printer.fields(fields, value=None)
    for past in response.history:
        write_line(f"before: {mapping.to_json(past.since_time)}  {waiting_text(past)}")


@dataclass(frozen=True, kw_only=True)
class SimulatedOptions:
    """The tasks that would be submitted."""

    kind: Annotated[str, typer.Option(help="The kind of the tasks.")]
    queue: Annotated[str, typer.Option(help="The queue.")] = ""
    require: Annotated[Many, typer.Option(help="A capability that the agent must have; may be repeated.")] = None
    selector: Annotated[Many, typer.Option(help='On the agent\'s labels: "zone=eu"; may be repeated.')] = None
    resource: Annotated[Many, typer.Option(help="NAME=AMOUNT that a task holds; may be repeated.")] = None
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first.")] = 0
    fairness_key: Annotated[str, typer.Option(help="Whose tasks they are.")] = ""
    affinity_key: Annotated[str, typer.Option(help="Prefer an agent that ran this key before.")] = ""

    def spec(self) -> task_pb2.TaskSpec:
        """One of them."""
        request = task_request(
            self.kind,
            queue=self.queue,
            priority=self.priority,
            capabilities=self.require or (),
            selectors=[read_selector(each) for each in self.selector or ()],
            resources=parse_amounts(self.resource or (), option="--resource"),
            affinity_key=self.affinity_key,
        )
        request.spec.fairness_key = self.fairness_key
        return request.spec


@connected
async def simulate(
    session: Session,
    *,
    count: Annotated[int, typer.Option(min=1, max=1000, help="So many of them.")] = 1,
    policy: Annotated[
        str, typer.Option(help="A file as `queues apply` takes it, with the policy that the queue would have.")
    ] = "",
    tasks: SimulatedOptions,
) -> None:
    """Shows where tasks would go now, without submitting any."""
    asked_policy = read_policy(policy, tasks.queue) if policy else None
    response = await session.client.routing.simulate(tasks.spec(), count=count, policy=asked_policy)
    if session.printer.is_json:
        session.printer.line(mapping.to_json(response))
        return
    if response.placements:
        session.printer.table(_SIMULATED_COLUMNS, _simulated_rows(response.placements), value=None)
    write_line(f"placed: {len(response.placements)} of {count}")
    if len(response.placements) < count:
        session.printer.fields(_explained(response.explanation), value=None)


@connected
async def depths(session: Session, queue: Annotated[str, typer.Option(help="Only this queue.")] = "") -> None:
    """Shows how deep the queues are: by lane, by capability, by agent."""
    response = await session.client.routing.depths(queue)
    if session.printer.is_json:
        session.printer.line(mapping.to_json(response))
        return
    tables: tuple[tuple[Sequence[str], list[tuple[str, ...]]], ...] = (
        (
            _LANE_COLUMNS,
            [_cells(each.queue, each.lane, each.pending, each.leased, each.running) for each in response.lanes],
        ),
        (
            _CAPABILITY_COLUMNS,
            [
                _cells(each.capability, each.pending, each.agents, each.slots, each.slots_used)
                for each in response.capabilities
            ],
        ),
        (_AGENT_COLUMNS, [_cells(each.agent_id, each.slots, each.running, each.leased) for each in response.agents]),
    )
    for columns, rows in tables:
        session.printer.table(columns, rows, value=None)


def read_policy(file: str, queue: str) -> queue_pb2.QueuePolicy:
    """The policy in a file as `queues apply` takes it: of several queues, the one of that name."""
    try:
        documents = read_queue_files([file])
    except OSError as error:
        raise RefusedInputError(f"--policy {file}: {error.strerror}") from None
    chosen = documents if len(documents) == 1 else [document for document in documents if document.name == queue]
    if not chosen:
        raise RefusedInputError(f"--policy {file} has {len(documents)} queues: name one of them with --queue")
    return chosen[0].policy


def _explained(explanation: scheduler_service_pb2.Explanation) -> dict[str, str]:
    """An explanation, field by field."""
    reason = reason_name(explanation.reason)
    never = " (never, with the agents that are known)" if explanation.never else ""
    agents = f"{explanation.agents} connected, {explanation.eligible} could run it, {explanation.free} free for it"
    return {
        "waits for": f"{reason}{never}" if reason else "nothing",
        "because": explanation.message,
        "agents": agents if explanation.agents else "",
        "left out": "; ".join(f"{each.agents} by {_lack(each)}" for each in explanation.filtered),
        "nearest": "; ".join(
            f"{miss.agent_id} ({', '.join(_lack(each) for each in miss.lacks)})" for miss in explanation.near_misses
        ),
        "lane": explanation.lane,
        "first at the latest": mapping.to_json(explanation.promote_time)
        if explanation.HasField("promote_time")
        else "",
    }


def _lack(reason: scheduler_service_pb2.UnplaceableReason) -> str:
    name = scheduler_service_pb2.FilterReason.Name(reason.reason).removeprefix("FILTER_REASON_")
    return f"{name} {reason.subject}".strip()


def _simulated_rows(placements: Iterable[scheduler_service_pb2.SimulatedPlacement]) -> list[tuple[str, ...]]:
    """By agent: how many tasks it would get."""
    placed = list(placements)
    tasks = Counter(each.agent_id for each in placed)
    leases = {each.agent_id: each.leases for each in placed}
    return [_cells(agent_id, count, leases[agent_id]) for agent_id, count in tasks.items()]


def _cells(*values: Any) -> tuple[str, ...]:
    return tuple(map(str, values))

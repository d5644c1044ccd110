"""What a task waits for, in one line for people, that says what would help.

Two forms of it. What is kept for all tasks with the same needs has no counts, for they change all the time; what a
person is told who asks about one task has them, and the agents that come nearest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.domain.requirements import FilterReason, WaitReason
from services.domain.schedule import UnplaceableReason

# Reasons and agents that are named in one line; of the others, how many there are.
NAMED_MAX = 4

# The line is part of events: it must not make them long, whatever names there are.
MESSAGE_LENGTH_MAX = 500

# What is kept where only agents that are away could run it.
AGENT_AWAY = "no agent that is connected can run it; one that is away could: bring it back, or start another like it"

_WAITS = {
    WaitReason.NONE: "nothing keeps it: it is on its way to an agent",
    WaitReason.QUEUE_PAUSED: "queue {queue} is paused: resume it",
    WaitReason.QUEUE_LIMIT: "queue {queue} has as many leases as its limit allows: some have to end",
    WaitReason.KEY_LIMIT: "its fairness key has as many leases as the limit of queue {queue} allows: some have to end",
    WaitReason.RATE_LIMIT: "the rate limit of queue {queue} lets the next lease through in a moment",
    WaitReason.AGENTS_NOT_ACCEPTING: "the agents that could run it take no work now: all are cordoned or draining",
    WaitReason.SLOTS: "the agents that could run it have all their slots in use: it waits for one, more would help",
    WaitReason.RESERVED: "the slots that are free for it are kept for a higher lane, of this queue or another",
    WaitReason.AFFINITY: "it waits for an agent that is warm for it, although others could run it",
    WaitReason.AVOIDED: "the agents that are free for it rejected, failed or lost it a moment ago",
    WaitReason.TURN: "an agent is free for it, and others go first",
    WaitReason.NO_SCHEDULER: "no scheduler is there: nothing is placed until one is",
}

# What is wrong with agents that may never run it: of all of them, of some, of one.
_LACKS = {
    FilterReason.KIND: ("has a handler for kind {subject}", "have no handler for kind {subject}"),
    FilterReason.QUEUE: ("takes work of queue {queue}", "take no work of queue {queue}"),
    FilterReason.CAPABILITY: ("has capability {subject}", "lack capability {subject}"),
    FilterReason.LABEL: ("has a fitting label {subject}", "have no fitting label {subject}"),
    FilterReason.RESOURCE: ("has as much of {subject} as it needs", "have less of {subject} than it needs"),
}
_ONE_LACKS = {
    FilterReason.KIND: "has no handler for kind {subject}",
    FilterReason.QUEUE: "takes no work of queue {queue}",
    FilterReason.CAPABILITY: "lacks capability {subject}",
    FilterReason.LABEL: "has no fitting label {subject}",
    FilterReason.RESOURCE: "has less of {subject} than it needs",
    FilterReason.NOT_ACCEPTING: "is cordoned or draining",
    FilterReason.SLOTS_FULL: "has all slots in use",
    FilterReason.RESOURCES_FULL: "has too little {subject} left",
    FilterReason.RESERVED: "keeps its free slots for a higher lane",
    FilterReason.AVOIDED: "is avoided",
    FilterReason.NOT_WARM: "is not warm for it",
}


def wait_message(
    wait: WaitReason, reasons: Sequence[UnplaceableReason], *, queue: str, counted: bool = False, nearest: str = ""
) -> str:
    """What tasks of the queue wait for; with the numbers of agents if they are wanted, and who comes nearest."""
    match wait:
        case WaitReason.NO_AGENT:
            said = _no_agent(reasons, queue, counted=counted)
        case WaitReason.RESOURCES:
            short = sorted({each.subject for each in reasons if each.reason is FilterReason.RESOURCES_FULL})
            said = f"the agents that could run it have too little {listed(short)} left: some has to come back"
        case _:
            said = _WAITS[wait].format(queue=queue)
    return _cut(f"{said}; nearest: {nearest}" if nearest else said)


def away_message(names: Sequence[str]) -> str:
    """No agent that is connected may ever run it, but these could, by name."""
    return _cut(f"no agent that is connected can run it; {listed(names)} could, and {_are(names)} away")


def near_miss_message(agent_id: str, lacks: Sequence[UnplaceableReason], *, queue: str) -> str:
    """What one agent lacks."""
    return f"{agent_id} {listed([_phrase(_ONE_LACKS, each, queue) for each in lacks])}"


def _no_agent(reasons: Sequence[UnplaceableReason], queue: str, *, counted: bool) -> str:
    found = [each for each in reasons if each.reason in _LACKS]
    if not found:
        return "no agent is connected in its namespace: start one that can run it"
    if len(found) == 1:
        said = f"no agent {_LACKS[found[0].reason][0].format(subject=found[0].subject, queue=queue)}"
        return f"{said} ({_agents(found[0].agents)} connected)" if counted else said
    return f"no agent can run it: {listed(list(_shares(found, queue, counted=counted)))}"


def _shares(found: Sequence[UnplaceableReason], queue: str, *, counted: bool) -> Iterator[str]:
    """What is wrong with how many agents; the most first, if they are counted."""
    for each in sorted(found, key=lambda reason: -reason.agents) if counted else found:
        if counted and each.agents == 1:
            yield f"1 {_phrase(_ONE_LACKS, each, queue)}"
        else:
            lacks = _LACKS[each.reason][1].format(subject=each.subject, queue=queue)
            yield f"{each.agents if counted else 'some'} {lacks}"


def _phrase(table: dict[FilterReason, str], reason: UnplaceableReason, queue: str) -> str:
    return table[reason.reason].format(subject=reason.subject, queue=queue)


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c", of many only the first."""
    if len(parts) > NAMED_MAX:
        parts = [*parts[:NAMED_MAX], f"{len(parts) - NAMED_MAX} more"]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""


def _agents(count: int) -> str:
    return f"{count} agent is" if count == 1 else f"{count} agents are"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_LENGTH_MAX else f"{text[: MESSAGE_LENGTH_MAX - 1]}…"

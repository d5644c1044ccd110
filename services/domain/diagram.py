"""The state diagram of a task, drawn from the transition table: `python -m services.domain.diagram` prints it.

It stands in ARCHITECTURE.md between two marks; a test compares the two.
"""

from __future__ import annotations

import sys

from services.domain.task import TERMINAL, TRANSITIONS, TaskState


def diagram() -> str:
    """The diagram, in Mermaid."""
    lines = ["stateDiagram-v2"]
    lines += [
        f"    [*] --> {state.name}: submitted" for state in (TaskState.BLOCKED, TaskState.SCHEDULED, TaskState.PENDING)
    ]
    lines += [f"    {before.name} --> {after.name}: {reason}" for (before, after), reason in TRANSITIONS.items()]
    lines += [f"    {state.name} --> [*]" for state in sorted(TERMINAL)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(diagram() + "\n")

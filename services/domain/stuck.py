"""Noting why tasks cannot be placed: an event for each change of the reason, for all tasks with the same needs.

The scheduler's word is the source; several coordinators hear it, of different tasks of one group, and note the same. So
what is noted already is no news, whoever noted it.
"""

from __future__ import annotations

from services.domain.commands import NoteStuck, StuckNote
from services.domain.event import EventType
from services.domain.ledger import Ledger, Touches
from services.domain.requirements import WaitReason
from services.domain.stuck_group import HISTORY_MAX, PastWait, StuckGroup


def touch_stuck(command: NoteStuck, touches: Touches) -> None:
    """What noting reads: what is noted of these groups."""
    touches.stuck.update(note.key for note in command.notes)


def note_stuck(ledger: Ledger, command: NoteStuck) -> None:
    """Notes what has changed of each group."""
    for note in command.notes:
        before = ledger.stuck.get(note.key)
        if note.reason is WaitReason.NONE:
            if before is not None and before.reason:
                ledger.put_stuck(_placeable(ledger, before), EventType.QUEUE_UNSTUCK)
        elif before is None or (before.reason, before.never, before.message) != (note.reason, note.never, note.message):
            ledger.put_stuck(_noted(ledger, note, before), EventType.QUEUE_STUCK)


def _placeable(ledger: Ledger, before: StuckGroup) -> StuckGroup:
    return StuckGroup(
        *before.key,
        kind=before.kind,
        reason=WaitReason.NONE,
        never=False,
        message="",
        since_time=ledger.now,
        version=before.version + 1,
    )


def _noted(ledger: Ledger, note: StuckNote, before: StuckGroup | None) -> StuckGroup:
    """A version begins with the time, so that no two lives of a row have the same one."""
    return StuckGroup(
        *note.key,
        kind=note.kind,
        reason=note.reason,
        never=note.never,
        message=note.message,
        since_time=ledger.now,
        version=ledger.now if before is None else before.version + 1,
        history=() if before is None else _history(before),
    )


def _history(before: StuckGroup) -> tuple[PastWait, ...]:
    if not before.reason:
        return before.history
    last = PastWait(before.reason, before.never, before.message, before.since_time)
    return (last, *before.history)[:HISTORY_MAX]

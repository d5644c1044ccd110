"""Tasks of one queue and priority with the same needs that cannot be placed, and why, as it is remembered."""

from __future__ import annotations

import msgspec

from services.domain.requirements import WaitReason

StuckKey = tuple[str, str, int, str]  # namespace, queue, priority, needs id

# Reasons of before that are kept: enough to see what changes to and fro.
HISTORY_MAX = 10


class PastWait(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What they waited for, and since when."""

    reason: WaitReason
    never: bool
    message: str
    since_time: int


class StuckGroup(msgspec.Struct, frozen=True, array_like=True):
    """See the module. With the reason NONE they can be placed again: such a group is not kept.

    `history` are the reasons before, newest first, since they could be placed last.
    """

    namespace: str
    queue: str
    priority: int
    needs_id: str
    kind: str
    reason: WaitReason
    never: bool
    message: str
    since_time: int
    version: int
    history: tuple[PastWait, ...] = ()

    @property
    def key(self) -> StuckKey:
        """What tells groups apart."""
        return (self.namespace, self.queue, self.priority, self.needs_id)

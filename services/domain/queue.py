"""Queues and their policies. A queue that nobody configured has the default policy and version 0."""

from __future__ import annotations

import msgspec

QueueKey = tuple[str, str]  # (namespace, name)


class QueuePolicy(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a queue does with its tasks; 0 means "the default" or "none", limits are microseconds."""

    strategy: int = 1
    lease_ttl_micros: int = 0
    queue_limit_micros: int = 0
    run_limit_micros: int = 0


class Queue(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One queue, as configured."""

    namespace: str
    name: str
    policy: QueuePolicy = QueuePolicy()
    paused: bool = False
    version: int = 0
    update_time: int = 0

    @property
    def key(self) -> QueueKey:
        """Namespace and name."""
        return (self.namespace, self.name)

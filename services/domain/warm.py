"""Which agents are warm for which affinity keys.

What a coordinator tells of an agent counts, and what was placed on it and has no result yet: the next task with the key
goes to the same agent. The memory is bounded by what the agents tell.
"""

from __future__ import annotations

from collections import Counter

from services.domain.capacity import AgentRecord

Key = tuple[str, str]  # (namespace, affinity key)


class WarmAgents:
    """See the module. Instants are microseconds since 1970 UTC."""

    def __init__(self) -> None:
        self._told: dict[Key, dict[AgentRecord, int]] = {}
        self._pending: dict[Key, Counter[AgentRecord]] = {}

    def replace(self, record: AgentRecord, before: dict[str, int], after: dict[str, int]) -> None:
        """Take in what is told of an agent now, instead of what was told before."""
        namespace = record.agent.namespace
        for key in before.keys() - after.keys():
            _drop(self._told, (namespace, key), record)
        for key, time in after.items():
            self._told.setdefault((namespace, key), {})[record] = time

    def expect(self, record: AgentRecord, key: str) -> None:
        """A task with this key was placed on the agent."""
        self._pending.setdefault((record.agent.namespace, key), Counter())[record] += 1

    def settle(self, record: AgentRecord, key: str) -> None:
        """The result of that placement is there: from now on it is the agent's to tell."""
        name = (record.agent.namespace, key)
        pending = self._pending.get(name)
        if pending is None or record not in pending:
            return
        pending[record] -= 1
        if not pending[record]:
            _drop(self._pending, name, record)

    def forget(self, record: AgentRecord) -> None:
        """The agent has left."""
        self.replace(record, dict(record.agent.warm_keys), {})
        for name in [name for name, pending in self._pending.items() if record in pending]:
            _drop(self._pending, name, record)

    def bits(self, namespace: str, key: str, *, since: int) -> int:
        """The agents that are warm for the key, used at that instant or later, one bit each."""
        bits = 0
        for record, time in self._told.get((namespace, key), {}).items():
            if time >= since:
                bits |= record.bit
        for record in self._pending.get((namespace, key), ()):
            bits |= record.bit
        return bits


def _drop(
    index: dict[Key, dict[AgentRecord, int]] | dict[Key, Counter[AgentRecord]], name: Key, record: AgentRecord
) -> None:
    known = index.get(name)
    if known is not None:
        known.pop(record, None)
        if not known:
            del index[name]

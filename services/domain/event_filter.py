"""Which events a reader of the feed wants. The store asks the same of its rows as the live feed asks of its values."""

from __future__ import annotations

import msgspec

from services.domain.event import Event


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """All that are set must hold; what is empty asks for nothing. `namespace` empty means every namespace."""

    namespace: str = ""
    types: frozenset[int] = frozenset()
    queue: str = ""
    task_id: str = ""
    agent_id: str = ""

    @property
    def narrows(self) -> bool:
        """Whether it asks for more than a namespace."""
        return bool(self.types or self.queue or self.task_id or self.agent_id)

    def wants(self, event: Event) -> bool:
        """Whether the event is one of those."""
        return (
            (not self.namespace or event.namespace == self.namespace)
            and (not self.types or event.type in self.types)
            and (not self.queue or event.queue == self.queue)
            and (not self.task_id or event.task_id == self.task_id)
            and (not self.agent_id or event.agent_id == self.agent_id)
        )

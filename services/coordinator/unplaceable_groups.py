"""What the scheduler says of groups that it cannot place, on one stream.

It speaks of them by numbers. Those with the same queue, priority and needs, in different shards and with different
fairness keys, are one group for everybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from missioncontrol.v1 import scheduler_service_pb2 as wire

from services.coordinator.window import Group
from services.domain.commands import StuckNote
from services.domain.requirements import WaitReason
from services.domain.stuck_group import StuckKey
from services.domain.wait_message import wait_message
from services.store.away_agents import Wanted
from services.transport import convert_explanation


class Said(msgspec.Struct, frozen=True, order=True):
    """Why a group waits, as it would be noted. In this order: of several, the first keeps it up first."""

    reason: WaitReason
    message: str
    never: bool


class UnplaceableGroups:
    """See the module. `group_numbered` finds a group, as long as it is remembered."""

    def __init__(self, group_numbered: Callable[[int], Group | None]) -> None:
        self._group_numbered = group_numbered
        self._groups: dict[int, Group] = {}
        self._said: dict[StuckKey, dict[int, Said]] = {}

    def clear(self) -> None:
        """Another stream begins: nothing is said on it yet."""
        self._groups.clear()
        self._said.clear()

    def hear(self, news: Iterable[wire.Unplaceable]) -> list[StuckKey]:
        """Takes in what is said; of a group without reasons, that it does not wait. Returns what that is about."""
        keys = []
        for each in news:
            wait = convert_explanation.wait_reason(each.wait)
            group = self._group_numbered(each.group_id) if wait else None
            if group is None:
                keys += self._drop(each.group_id)
                continue
            key = key_of(group)
            message = wait_message(wait, convert_explanation.reasons(each.reasons), queue=key[1])
            self._groups[group.number] = group
            self._said.setdefault(key, {})[group.number] = Said(wait, message, each.never)
            keys.append(key)
        return keys

    def drop_forgotten(self) -> list[StuckKey]:
        """Drops groups that are not remembered any more. Returns what that is about."""
        forgotten = [number for number in self._groups if self._group_numbered(number) is None]
        return [key for number in forgotten for key in self._drop(number)]

    def _drop(self, number: int) -> list[StuckKey]:
        group = self._groups.pop(number, None)
        if group is None:
            return []
        key = key_of(group)
        del self._said[key][number]
        if not self._said[key]:
            del self._said[key]
        return [key]

    def __contains__(self, key: object) -> bool:
        return key in self._said

    def keys(self) -> Iterable[StuckKey]:
        """What anything is said of."""
        return self._said.keys()

    def hopeless(self) -> list[StuckKey]:
        """Those that nobody whom the scheduler knows could ever run."""
        return [key for key, parts in self._said.items() if min(parts.values()).never]

    def note(self, key: StuckKey) -> StuckNote | None:
        """What is to be noted of a group; None if nothing is said of it."""
        parts = self._said.get(key)
        if parts is None:
            return None
        said = min(parts.values())
        return StuckNote(key, self._any_group(key).kind, said.reason, said.never, said.message)

    def wanted(self, key: StuckKey) -> Wanted:
        """What an agent must meet to run tasks of a group that something is said of."""
        group = self._any_group(key)
        return Wanted(group.key[0], group.key[1], group.kind, group.requirements)

    def _any_group(self, key: StuckKey) -> Group:
        return self._groups[next(iter(self._said[key]))]


def key_of(group: Group) -> StuckKey:
    """What a group has in common with those in other shards and with other fairness keys."""
    return group.key[:4]

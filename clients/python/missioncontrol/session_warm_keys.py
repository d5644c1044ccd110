"""The affinity keys that an agent is warm for: what it said of itself at the start, and what it has run since.

Pure and bounded: the newest count, the oldest are forgotten. Hello tells them, so that a coordinator that has only just
started knows them, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from missioncontrol import agent_limits as limits


class WarmKeys:
    """See the module. `declared` stand newest first."""

    def __init__(self, declared: Iterable[str] = ()) -> None:
        self._keys = dict.fromkeys(reversed(list(declared)))  # the newest last

    def used(self, key: str) -> None:
        """Work with this key has run. "" is none."""
        if not key:
            return
        self._keys.pop(key, None)
        self._keys[key] = None
        if len(self._keys) > limits.WARM_KEYS_MAX:
            del self._keys[next(iter(self._keys))]

    def newest_first(self, running: Iterable[str] = ()) -> list[str]:
        """The keys, with those of what runs now before all others. As many as Hello may name."""
        current = dict.fromkeys(key for key in running if key)
        return list(current | dict.fromkeys(reversed(self._keys)))[: limits.WARM_KEYS_MAX]

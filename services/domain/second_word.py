"""What further streams say of a task or an agent that is another stream's already.

It counts when the first one's word is taken back. Nearly always there is none, and then this is an empty dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class SecondWords(Generic[T]):
    """By name, and then by the stream, in the order in which they were first said."""

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: dict[str, dict[int, T]] = {}

    def __bool__(self) -> bool:
        return bool(self._said)

    def put(self, name: str, source: int, *, said: T) -> None:
        """Remember what a stream says of a name, instead of what it said before."""
        self._said.setdefault(name, {})[source] = said

    def of(self, name: str) -> Mapping[int, T]:
        """Return what is said of a name."""
        return self._said.get(name, {})

    def drop(self, name: str, source: int) -> None:
        """Forget what a stream says of a name, if it does."""
        by_source = self._said.get(name)
        if by_source is not None:
            by_source.pop(source, None)
            if not by_source:
                del self._said[name]

    def drop_source(self, source: int) -> None:
        """Forget everything that a stream says."""
        for name in [name for name, by_source in self._said.items() if source in by_source]:
            self.drop(name, source)

    def take_all(self, name: str) -> Iterator[T]:
        """Take out what is said of a name, one after the other."""
        while self._said.get(name):
            source, said = next(iter(self._said[name].items()))
            self.drop(name, source)
            yield said

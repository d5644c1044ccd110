"""Which tasks wait for which, as far as a flush changes it.

A link is a task and one that it waits for. It stands as long as the task is BLOCKED and the end of the other was not
taken into account. So a task has as many links as blockers, and a link to a task that has ended is work left to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

Link = tuple[str, str]  # (the task that is waited for, the task that waits)


class Links:
    """What one flush makes and takes away."""

    def __init__(self) -> None:
        self._made: defaultdict[str, list[Link]] = defaultdict(list)  # by the task that is waited for
        self._cut: dict[Link, None] = {}
        self._freed: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._made or self._cut or self._freed)

    def __len__(self) -> int:
        """How many tasks were moved on."""
        return len(self._cut) + len(self._freed)

    def make(self, link: Link) -> None:
        """A new task waits for another one."""
        self._made[link[0]].append(link)

    def cut(self, link: Link) -> None:
        """The end of the one was taken into account by the other."""
        self._cut[link] = None

    def free(self, task_id: str) -> None:
        """The task waits for nothing any more."""
        self._freed[task_id] = None

    def after(self, before: Iterable[Link], waited_for: Iterable[str]) -> list[Link]:
        """The links to these tasks, given those that stood before this flush."""
        made = (link for task_id in waited_for for link in self._made.get(task_id, ()))
        return [link for link in (*before, *made) if self._stands(link)]

    def made(self) -> Iterator[Link]:
        """Those that are new, and still stand at the end of the flush."""
        return (link for links in self._made.values() for link in links if self._stands(link))

    def cuts(self) -> Iterable[Link]:
        """Those that stood before, perhaps, and do not any more."""
        return self._cut

    def freed(self) -> Iterable[str]:
        """The tasks of which no link stands any more."""
        return self._freed

    def _stands(self, link: Link) -> bool:
        return link not in self._cut and link[1] not in self._freed

"""What this machine, or this container, can carry: CPUs and memory, and the number of slots that follows from them.

Limits of control groups count (both versions, and every group from the process's own up to the root), since a container
sees all of its host's CPUs and memory otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from missioncontrol import agent_limits as limits

SLOT_MEMORY_BYTES = 1024**3
# cgroup v1 writes "no limit" as a number near 2**63.
_NO_LIMIT_BYTES = 1 << 60


@dataclass(frozen=True)
class Capacity:
    """What tasks may use. `cpus` may be a fraction."""

    cpus: float
    memory_bytes: int

    @property
    def resources(self) -> dict[str, float]:
        """The resources that an agent declares by default."""
        return {"cpus": self.cpus, "memory_bytes": float(self.memory_bytes)}


def default_slots(capacity: Capacity) -> int:
    """One slot for each whole CPU, but no more than one for each GiB of memory, and at least one.

    A coding agent waits for its model most of the time, but its builds and tests do not, and they come in bursts: a
    slot is therefore a CPU. Give `slots` yourself for work that only waits (more), or that fills the machine by
    itself (one).
    """
    return max(1, min(int(capacity.cpus), capacity.memory_bytes // SLOT_MEMORY_BYTES, limits.SLOTS_MAX))


def read_capacity(root: Path = Path("/")) -> Capacity:
    """Reads the machine's, or the container's, capacity. `root` is the root of the file system, for tests."""
    groups = tuple(_groups(root))
    cpu_limits = [limit for group in groups if (limit := _cpu_limit(group)) is not None]
    memory_limits = [limit for group in groups if (limit := _memory_limit(group)) is not None]
    cpus = min([float(_host_cpus()), *cpu_limits])
    memory = min([_host_memory(root), *memory_limits])
    return Capacity(cpus=cpus, memory_bytes=memory)


def _host_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _host_memory(root: Path) -> int:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _groups(root: Path) -> Iterator[Path]:
    """The folders of the process's control groups and of all above them."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(",") if controllers else [""]:
            top = root / "sys/fs/cgroup" / controller
            own = top / path.lstrip("/")
            # Inside a container the path may be the host's, and not exist: then the top is the container's own group.
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(top))


def _cpu_limit(group: Path) -> float | None:
    quota, _, period = _read(group / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = _read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _memory_limit(group: Path) -> int | None:
    text = _read(group / "memory.max").strip() or _read(group / "memory.limit_in_bytes").strip()
    return int(text) if text.isdigit() and int(text) < _NO_LIMIT_BYTES else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

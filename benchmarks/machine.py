"""What the figures were measured on, and the CPU time of a process. Linux tells it; elsewhere it is 0 or empty."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from pathlib import Path


def machine() -> dict[str, str | int | float]:
    """The machine, for latest.json, and how busy others kept it before the benchmark began."""
    return {
        "cpu": _value("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memory_bytes": 1024 * int((_value("/proc/meminfo", "MemTotal") or "0").split()[0]),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "kernel": f"{platform.system()} {platform.release()}",
        "busy_before": round(busy_fraction(), 2),
    }


def busy_fraction() -> float:
    """How much of all cores was in use during a second; 0 where /proc does not tell."""
    before = _cpu_ticks()
    time.sleep(1.0)
    total, idle = (after - earlier for after, earlier in zip(_cpu_ticks(), before, strict=True))
    return 1 - idle / total if total else 0.0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads; 0 where /proc is not there."""
    try:
        # The name is in brackets and may hold spaces; what is counted comes after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that a process has started; none where /proc does not tell."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _cpu_ticks() -> tuple[int, int]:
    """Of all cores since the start of the machine: all ticks, and the idle ones."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0, 0
    ticks = [int(field) for field in path.read_text().splitlines()[0].split()[1:9]]
    # user, nice, system, idle, iowait, …
    return sum(ticks), ticks[3] + ticks[4]


def _value(file: str, key: str) -> str:
    path = Path(file)
    if not path.exists():
        return ""
    lines = (line.partition(":") for line in path.read_text().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")

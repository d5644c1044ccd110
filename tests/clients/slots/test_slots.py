from __future__ import annotations

from pathlib import Path

import pytest
from missioncontrol.slots import Capacity, default_slots, read_capacity

GIB = 1024**3


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/meminfo", f"MemTotal:       {64 * GIB // 1024} kB\n")
    write(tmp_path, "proc/self/cgroup", "0::/kubepods/pod1\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("cpus", "memory_gib", "slots"), [(4.0, 16, 4), (4.0, 2, 2), (0.5, 16, 1), (8.0, 0, 1), (2.9, 16, 2)]
)
def test_one_slot_for_each_cpu_but_no_more_than_one_for_each_gib(cpus: float, memory_gib: int, slots: int) -> None:
    assert default_slots(Capacity(cpus=cpus, memory_bytes=memory_gib * GIB)) == slots


def test_the_limits_of_the_own_group_count(root: Path) -> None:
    write(root, "sys/fs/cgroup/kubepods/pod1/cpu.max", "50000 100000\n")
    write(root, "sys/fs/cgroup/kubepods/pod1/memory.max", f"{2 * GIB}\n")

    assert read_capacity(root) == Capacity(cpus=0.5, memory_bytes=2 * GIB)


def test_the_limits_of_groups_above_count(root: Path) -> None:
    write(root, "sys/fs/cgroup/kubepods/cpu.max", "25000 100000\n")
    write(root, "sys/fs/cgroup/kubepods/pod1/cpu.max", "max 100000\n")
    write(root, "sys/fs/cgroup/memory.max", f"{GIB}\n")

    assert read_capacity(root) == Capacity(cpus=0.25, memory_bytes=GIB)


def test_version_1_of_control_groups_is_read_too(root: Path) -> None:
    write(root, "proc/self/cgroup", "3:cpu,cpuacct:/docker/1\n2:memory:/docker/1\n")
    write(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "10000\n")
    write(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    write(root, "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", f"{3 * GIB}\n")

    assert read_capacity(root) == Capacity(cpus=0.1, memory_bytes=3 * GIB)


def test_no_limit_means_the_machine(root: Path) -> None:
    write(root, "sys/fs/cgroup/kubepods/pod1/memory.max", "max\n")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{2**63 - 4096}\n")

    assert read_capacity(root).memory_bytes == 64 * GIB


def test_the_capacity_of_this_machine_is_declared_as_resources() -> None:
    capacity = read_capacity()

    assert capacity.cpus > 0
    assert capacity.resources == {"cpus": capacity.cpus, "memory_bytes": float(capacity.memory_bytes)}

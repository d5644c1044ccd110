"""File systems of a test's own: one whose power can be cut, and one that is small. They need root, and mount(8).

Each is an ordinary context manager that unmounts and detaches whatever happens inside. What has files open there must
have ended before.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FS_IOC_SHUTDOWN = 0x8004587D
# What is not on the disk by now never gets there, and neither does the file system's own log.
SHUTDOWN_WITHOUT_LOG_FLUSH = 2
IMAGE_BYTES = 256 << 20
# The file system writes its own log back so seldom that a lost write stays lost; only a sync brings it to the disk.
MOUNT_OPTIONS = "commit=600"
UNMOUNT_SECONDS = 20.0
POLL_SECONDS = 0.05
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class DiskImpossible(Exception):
    """This machine does not let us: says why."""


class PowerDisk:
    """ext4 in a file behind a loop device. Made by `power_disk`."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder = folder
        self._device = device

    def mount(self) -> None:
        """Mounts it; what was cut is recovered from the file system's log, as after a boot."""
        _run("mount", "-t", "ext4", "-o", MOUNT_OPTIONS, self._device, str(self.folder))

    def unmount(self) -> None:
        """Unmounts it. Nobody may have a file open."""
        _unmount(self.folder)
        _wait_until_gone(Path("/sys/fs/ext4") / Path(self._device).name)

    def cut(self) -> None:
        """From here on nothing reaches the disk, and every write is refused."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", SHUTDOWN_WITHOUT_LOG_FLUSH))
        finally:
            os.close(descriptor)


@contextmanager
def power_disk(folder: Path) -> Iterator[PowerDisk]:
    """A mounted disk in `folder`/mounted. Raises DiskImpossible."""
    _require("losetup", "mkfs.ext4", "mount", "umount")
    image, mounted = folder / "image", folder / "mounted"
    mounted.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    device = _run("losetup", "--find", "--show", str(image))
    try:
        _run("mkfs.ext4", "-q", device)
        disk = PowerDisk(mounted, device)
        disk.mount()
        try:
            yield disk
        finally:
            if mounted.is_mount():
                disk.unmount()
    finally:
        _run("losetup", "--detach", device)


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    """A tmpfs of this size, mounted on `folder`. Raises DiskImpossible."""
    _require("mount", "umount")
    folder.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder))
    try:
        yield
    finally:
        _unmount(folder)


def _require(*programs: str) -> None:
    if os.geteuid() != 0:
        raise DiskImpossible("only root may mount")
    if missing := [program for program in programs if not shutil.which(program, path=_PATH)]:
        raise DiskImpossible(f"there is no {', no '.join(missing)} (Debian: e2fsprogs, mount)")


def _unmount(folder: Path) -> None:
    """A process that was killed may have its files open for a moment longer."""
    deadline = time.monotonic() + UNMOUNT_SECONDS
    while True:
        try:
            _run("umount", str(folder))
        except DiskImpossible:
            if time.monotonic() > deadline:
                # Out of sight at least; it goes when its last file is closed.
                _run("umount", "--lazy", str(folder))
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


def _wait_until_gone(file_system: Path) -> None:
    """Waits until the kernel has let go of it.

    A container that was started meanwhile has a copy of every mount: what is mounted next would be the same file
    system, without power as it is.
    """
    deadline = time.monotonic() + UNMOUNT_SECONDS
    while file_system.exists():
        if time.monotonic() > deadline:
            raise DiskImpossible(f"{file_system.name} is still mounted elsewhere: in the namespace of a container?")
        time.sleep(POLL_SECONDS)


def _run(program: str, *arguments: str) -> str:
    path = shutil.which(program, path=_PATH)
    assert path is not None, program
    ended = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise DiskImpossible(f"{program}: {ended.stderr.strip()}")
    return ended.stdout.strip()

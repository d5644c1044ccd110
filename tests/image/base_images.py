"""The images that ours is built on, made of Debian's packages, since no registry is asked: `runtime` and `build`.

`runtime` is a Debian of the machine's own release with python3, `build` the same with python3-venv.
"""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from pathlib import Path

from tests.image.tools import REPOSITORY, run

PACKAGES = "python3"
# Security updates of the base are not what is tested; a week saves a developer a minute each time.
KEPT_SECONDS = 7 * 24 * 3600
DEFAULT_RELEASE = "bookworm"
_KEPT_FOLDER = REPOSITORY / "build" / "container"


class Buildah:
    """`buildah` with images and containers in a folder of its own, in plain folders that need no kernel's help."""

    def __init__(self, folder: Path) -> None:
        self._options = ("--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs")

    def __call__(self, command: str, *arguments: str) -> str:
        """What `buildah <command>` writes. Raises ToolError."""
        return run("buildah", *self._options, command, *arguments)


@dataclass(frozen=True)
class BaseImages:
    """Names of images."""

    runtime: str
    build: str


def make_base_images(buildah: Buildah) -> BaseImages:
    """Makes both from one archive, which is kept for a while."""
    images = BaseImages("localhost/debian-python", "localhost/debian-python-build")
    empty = buildah("from", "scratch")
    buildah("add", "--quiet", empty, str(_archive()), "/")
    _commit(buildah, empty, images.runtime)
    bare = buildah("from", "--pull-never", images.runtime)
    install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv"
    buildah("run", "--isolation", "chroot", bare, "sh", "-c", install)
    _commit(buildah, bare, images.build)
    return images


def _commit(buildah: Buildah, container: str, name: str) -> None:
    buildah("commit", "--quiet", container, name)
    buildah("rm", container)


def _archive() -> Path:
    release = _release()
    archive = _KEPT_FOLDER / f"{release}-{PACKAGES}.tar"
    if not archive.exists() or time.time() - archive.stat().st_mtime > KEPT_SECONDS:
        _KEPT_FOLDER.mkdir(parents=True, exist_ok=True)
        made = archive.with_suffix(".new.tar")
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", release, str(made))
        made.replace(archive)
    return archive


def _release() -> str:
    """Debian's own name for its release: what the machine's keys and mirrors are surely good for."""
    system = platform.freedesktop_os_release()
    return system.get("VERSION_CODENAME", DEFAULT_RELEASE) if system.get("ID") == "debian" else DEFAULT_RELEASE

"""The image: built once for all tests, with its files in a folder that can be looked at and run from."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.image.base_images import Buildah, make_base_images
from tests.image.package_index import index_secrets
from tests.image.tools import REPOSITORY

NAME = "localhost/missioncontrol"
BUILD_ARGUMENTS = {"VERSION": "1.2.3", "REVISION": "abc"}


@dataclass(frozen=True)
class BuiltImage:
    """`root` is a folder with a container's files, which nobody else writes to. `config` is that of the OCI image."""

    root: Path
    config: Mapping[str, Any]
    build_seconds: float
    description: str

    @property
    def environment(self) -> dict[str, str]:
        """What the image puts into the environment of its processes."""
        return dict(each.split("=", 1) for each in self.config["Env"])

    def files(self, *folders: str) -> list[Path]:
        """All files in these folders of the image, all folders if none is named; links are not followed."""
        tops = [self.root / folder.lstrip("/") for folder in folders or ("/",)]
        return [path for top in tops for path in top.rglob("*") if path.is_file() and not path.is_symlink()]

    def bytes_of(self, *folders: str) -> int:
        """How large the files in these folders are."""
        return sum(path.stat().st_size for path in self.files(*folders))


def build_image(folder: Path) -> BuiltImage:
    """Builds it from the working tree with images, containers and secrets in the folder. Raises ToolError."""
    buildah = Buildah(folder)
    base = make_base_images(buildah)
    arguments = {"BASE_IMAGE": base.runtime, "BUILD_IMAGE": base.build, **BUILD_ARGUMENTS}
    started = time.monotonic()
    buildah(
        "build", "--isolation", "chroot", "--pull-never", "--quiet", "--tag", NAME,
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *index_secrets(folder), "--file", "Dockerfile", str(REPOSITORY),
    )  # fmt: skip
    seconds = time.monotonic() - started
    described = buildah("inspect", "--type", "image", NAME)
    root = Path(buildah("mount", buildah("from", "--pull-never", NAME)))
    # Which any engine puts there for a container's name resolution.
    (root / "etc" / "hosts").touch()
    return BuiltImage(root, json.loads(described)["OCIv1"]["config"], seconds, described)

"""The image that the tests of this folder share, and a fleet that runs from it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.image.built_image import BuiltImage, build_image
from tests.image.container_fleet import ContainerFleet
from tests.image.container_network import container_network
from tests.image.tools import require


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    require("buildah", "mmdebstrap", "ip", "unshare", "chroot", "setpriv")
    folder = tmp_path_factory.mktemp("image")
    yield build_image(folder)
    # A gigabyte, of which pytest would keep three.
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def containers(image: BuiltImage, tmp_path: Path) -> AsyncIterator[ContainerFleet]:
    with container_network() as network:
        fleet = ContainerFleet(image, network, tmp_path)
        yield fleet
        fleet.kill()

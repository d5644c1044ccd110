"""`compose.yaml` as values: what each service of it runs, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.image.tools import REPOSITORY

FILE = REPOSITORY / "compose.yaml"
OUR_IMAGE = "missioncontrol:local"


@dataclass(frozen=True)
class ComposeService:
    """One service. `told` is all that the file says of it."""

    name: str
    told: Mapping[str, Any]

    @property
    def ours(self) -> bool:
        """Whether it runs from our image."""
        return bool(self.told["image"] == OUR_IMAGE)

    @property
    def command(self) -> tuple[str, ...]:
        return tuple(self.told.get("command", ()))

    @property
    def environment(self) -> Mapping[str, str]:
        return {name: str(value) for name, value in self.told.get("environment", {}).items()}

    @property
    def probe(self) -> tuple[str, ...]:
        """The command of its health check; empty if it has none."""
        return tuple(self.told.get("healthcheck", {}).get("test", ()))[1:]

    @property
    def volumes(self) -> Mapping[str, str]:
        """Which volume is mounted where."""
        return dict(each.split(":", 1) for each in self.told.get("volumes", ()))

    @property
    def published(self) -> Mapping[int, str]:
        """Its ports that can be reached from outside, with where."""
        pairs = (each.rpartition(":") for each in self.told.get("ports", ()))
        return {int(inside): outside for outside, _, inside in pairs}

    @property
    def waits_for(self) -> Mapping[str, str]:
        """The services that must be there before it, with the condition of each."""
        return {name: told["condition"] for name, told in self.told.get("depends_on", {}).items()}

    @property
    def profiles(self) -> tuple[str, ...]:
        return tuple(self.told.get("profiles", ()))


def read_compose_file() -> dict[str, ComposeService]:
    """All services of the file."""
    services = yaml.safe_load(FILE.read_text())["services"]
    return {name: ComposeService(name, told) for name, told in services.items()}


def in_starting_order(names: Iterable[str]) -> list[ComposeService]:
    """These services, and all that they wait for, each behind what it waits for."""
    services, found = read_compose_file(), dict[str, ComposeService]()

    def visit(name: str) -> Iterator[ComposeService]:
        for each in services[name].waits_for:
            yield from visit(each)
        yield services[name]

    for service in (each for name in names for each in visit(name)):
        found.setdefault(service.name, service)
    return list(found.values())

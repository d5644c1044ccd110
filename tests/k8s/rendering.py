"""What `kubectl kustomize` makes of the overlays, and of overlays with components on top."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[2] / "k8s"
BIN = Path(sys.executable).parent
OVERLAYS = ("local", "production")
# `image` is part of each overlay; these may be added to one, in any combination: k8s/README.md says so.
COMPONENTS = ("network-policies", "monitoring", "tls", "opentelemetry")
Object = dict[str, Any]
Combination = tuple[str, ...]

SUBSETS = [chosen for size in range(len(COMPONENTS) + 1) for chosen in itertools.combinations(COMPONENTS, size)]
# An overlay, and the components on top of it.
COMBINATIONS: list[Combination] = [(overlay, *chosen) for overlay in OVERLAYS for chosen in SUBSETS]
# `make test` looks at an overlay alone and with everything; what lies between is for `make k8s-test`.
_SHORT = (0, len(COMPONENTS))
every_combination = pytest.mark.parametrize(
    "combination",
    [
        pytest.param(each, id="+".join(each), marks=() if len(each) - 1 in _SHORT else pytest.mark.k8s)
        for each in COMBINATIONS
    ],
)


@cache
def render(combination: Combination) -> list[Object]:
    """The objects of an overlay with components, made as k8s/README.md tells people to."""
    overlay, *components = combination
    if not components:
        return _kustomize(K8S / "overlays" / overlay)
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "resources": [_beside(folder, K8S / "overlays" / overlay)],
            "components": [_beside(folder, K8S / "components" / component) for component in components],
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
        return _kustomize(Path(folder))


def _beside(folder: str, target: Path) -> str:
    """The relative path from a folder; kustomize takes no absolute ones."""
    return str(Path(*[".."] * (len(Path(folder).resolve().parts) - 1)) / target.relative_to("/"))


def _kustomize(folder: Path) -> list[Object]:
    command = [str(BIN / "kubectl"), "kustomize", str(folder)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rendered.returncode == 0, rendered.stderr
    assert not rendered.stderr, f"kustomize warns: {rendered.stderr}"
    return list(yaml.safe_load_all(rendered.stdout))


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """Those of these kinds."""
    return [each for each in objects if each["kind"] in kinds]


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The one of this kind and name."""
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found


def name_of(thing: Object) -> str:
    """Kind and name, for messages."""
    return f"{thing['kind']}/{thing['metadata']['name']}"

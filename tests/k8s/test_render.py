"""Every overlay and every combination of components renders, and is what the API of Kubernetes knows."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.k8s.custom_resources import SCHEMAS
from tests.k8s.rendering import (
    COMPONENTS,
    K8S,
    OVERLAYS,
    Combination,
    Object,
    every_combination,
    name_of,
    of_kind,
    render,
)
from tests.k8s.workloads import workloads

ROOT = Path(__file__).parents[2]
RECOMMENDED = {"name", "instance", "component", "part-of", "managed-by"}


@every_combination
def test_every_object_is_strictly_what_the_api_says(combination: Combination):
    for thing in render(combination):
        validate(json.dumps(thing, sort_keys=True))


@cache
def validate(text: str) -> None:
    """By the schema of its kind: Kubernetes' own, or for custom resources the small one of ours. There is no third.

    Takes JSON, so that what many combinations have in common is looked at once: it takes a tenth of a second.
    """
    thing: Object = json.loads(text)
    own = SCHEMAS.get((thing["apiVersion"], thing["kind"]))
    if own is not None:
        jsonschema.validate(thing, own)
        return
    # A kind without a schema is an error here, since kubernetes-validate would only warn and pass.
    kubernetes_validate.validate(thing, kubernetes_validate.latest_version(), strict=True)


def test_a_field_that_does_not_exist_is_found():
    (thing, *_) = of_kind(render(("local",)), "Deployment")
    with pytest.raises(Exception, match="replica_count"):
        validate(json.dumps({**thing, "spec": {**thing["spec"], "replica_count": 1}}))


def test_a_kind_that_nobody_knows_is_found():
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        validate(json.dumps({"apiVersion": "example.com/v1", "kind": "Unknown", "metadata": {"name": "x"}}))


@every_combination
def test_no_object_is_there_twice(combination: Combination):
    names = [(name_of(thing), thing["metadata"].get("namespace")) for thing in render(combination)]
    assert len(names) == len(set(names))


@every_combination
def test_everything_carries_the_recommended_labels(combination: Combination):
    objects = [each for each in render(combination) if each["kind"] != "ConfigMap"]
    assert {name_of(each): missing(each["metadata"]) for each in objects if missing(each["metadata"])} == {}


def missing(metadata: Any) -> set[str]:
    return RECOMMENDED - {label.removeprefix("app.kubernetes.io/") for label in metadata.get("labels", {})}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_say_the_version_of_the_program(overlay: str):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for each in workloads(render((overlay,))):
        assert missing(each.template["metadata"]) == set()
        assert each.template["metadata"]["labels"]["app.kubernetes.io/version"] == version


@every_combination
def test_the_image_is_said_in_one_place(combination: Combination):
    images = {container["image"] for each in workloads(render(combination)) for container in each.containers}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert images == {f"missioncontrol:{version}"}
    assert [file for file in K8S.rglob("*.yaml") if "newTag" in file.read_text()] == [
        K8S / "components" / "image" / "kustomization.yaml"
    ]


PARTS = [*(f"overlays/{each}" for each in OVERLAYS), *(f"components/{each}" for each in COMPONENTS)]


@pytest.mark.parametrize("folder", ["base", *PARTS])
def test_each_folder_says_what_it_is(folder: str):
    assert (K8S / folder / "README.md").read_text().startswith("# ")


def test_the_readme_names_every_part():
    page = (K8S / "README.md").read_text()
    assert [part for part in PARTS if part not in page] == []
    assert {folder.name for folder in (K8S / "components").iterdir()} == {*COMPONENTS, "image"}

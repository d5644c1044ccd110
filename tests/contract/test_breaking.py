"""The wire contract only grows: what would break a generated client is refused by `buf breaking`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "protos" / "baseline.binpb"
BUF = Path(sys.executable).parent / "buf"


def breaking(image: Path) -> subprocess.CompletedProcess[str]:
    """What `make check` asks, of another image."""
    return subprocess.run(
        [BUF, "breaking", image, "--against", BASELINE], cwd=ROOT, capture_output=True, text=True, check=False
    )


def file_named(name: str, descriptors: FileDescriptorSet) -> FileDescriptorProto:
    return next(file for file in descriptors.file if file.name == f"missioncontrol/v1/{name}.proto")


def without_a_field(descriptors: FileDescriptorSet) -> None:
    del file_named("task", descriptors).message_type[0].field[0]


def with_another_type(descriptors: FileDescriptorSet) -> None:
    file_named("agent", descriptors).message_type[0].field[0].type = FieldDescriptorProto.TYPE_BYTES


def without_a_method(descriptors: FileDescriptorSet) -> None:
    del file_named("agent_service", descriptors).service[0].method[-1]


def without_a_value(descriptors: FileDescriptorSet) -> None:
    del file_named("task", descriptors).enum_type[0].value[-1]


@pytest.mark.parametrize("change", [without_a_field, with_another_type, without_a_method, without_a_value])
def test_what_breaks_a_client_is_refused(tmp_path: Path, change: Callable[[FileDescriptorSet], None]) -> None:
    descriptors = FileDescriptorSet.FromString(BASELINE.read_bytes())
    change(descriptors)
    image = tmp_path / "changed.binpb"
    image.write_bytes(descriptors.SerializeToString())

    refused = breaking(image)

    assert refused.returncode == 100, refused.stderr
    assert "missioncontrol/v1" in refused.stdout


def test_what_only_adds_is_taken(tmp_path: Path) -> None:
    descriptors = FileDescriptorSet.FromString(BASELINE.read_bytes())
    file_named("task", descriptors).message_type[0].field.add(
        name="added", number=1999, type=FieldDescriptorProto.TYPE_BOOL, label=FieldDescriptorProto.LABEL_OPTIONAL
    )
    image = tmp_path / "changed.binpb"
    image.write_bytes(descriptors.SerializeToString())

    assert breaking(image).returncode == 0

"""Builds the descriptor image and the generated Python code from `protos/`.

    python protos/generate.py            writes build/missioncontrol.binpb and clients/python/missioncontrol/v1/
    python protos/generate.py --check    writes the image only, and fails if the committed Python code is stale

The rules of `buf/validate/validate.proto` are part of the image. Its descriptor is taken from the installed
protovalidate, which ships no .proto file. The Python code is generated with the import of that file left out, the
rules staying in the options as they are: so the SDK needs no validation library, and the server's validator still
finds every rule.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import status_pb2
from protovalidate._gen.buf.validate import validate_pb

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "build" / "missioncontrol.binpb"
GENERATED = ROOT / "clients" / "python" / "missioncontrol" / "v1"
VALIDATE_PROTO = "buf/validate/validate.proto"
# FileDescriptorProto field 8042, buf.alpha.image.v1.ImageFileExtension { is_import = 1 }: true.
BUF_IMPORT_MARK = b"\xd2\xf6\x03\x02\x08\x01"


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="fail if the committed code is not what would be generated"
    )
    check = parser.parse_args().check
    IMAGE.parent.mkdir(exist_ok=True)
    build_image(IMAGE)
    with tempfile.TemporaryDirectory() as scratch:
        generate_python(IMAGE, Path(scratch))
        fresh = Path(scratch) / "missioncontrol" / "v1"
        if check:
            return report_stale(fresh, GENERATED)
        replace_tree(fresh, GENERATED)
    return 0


def sources() -> list[str]:
    """The project's proto files, as protoc names them."""
    protos = ROOT / "protos"
    return sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))


def build_image(target: Path) -> None:
    """Writes the descriptor image of every proto file with its imports and comments."""
    with tempfile.TemporaryDirectory() as scratch:
        validate = Path(scratch) / "validate.binpb"
        validate.write_bytes(validate_descriptors().SerializeToString())
        protoc(
            f"--proto_path={ROOT / 'protos'}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--proto_path={Path(status_pb2.__file__).parents[2]}",
            f"--descriptor_set_in={validate}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={target}",
            *sources(),
        )
    target.write_bytes(mark_imports(target.read_bytes()))


def mark_imports(image: bytes) -> bytes:
    """Marks the files that are not ours as imports, in the way of buf's images, so that buf checks only ours."""
    descriptors = FileDescriptorSet.FromString(image)
    for file in descriptors.file:
        if file.name not in sources():
            file.MergeFromString(BUF_IMPORT_MARK)
    return descriptors.SerializeToString()


def validate_descriptors() -> FileDescriptorSet:
    """The descriptor of validate.proto, out of the installed protovalidate, with what it imports."""
    own = descriptor_pb2.FileDescriptorProto.FromString(validate_pb._DESC.proto.to_binary())
    return FileDescriptorSet(file=[own])


def generate_python(image: Path, target: Path) -> None:
    """Generates messages, services and type stubs from the image, without the import of validate.proto."""
    descriptors = FileDescriptorSet.FromString(image.read_bytes())
    for file in descriptors.file:
        kept = [name for name in file.dependency if name != VALIDATE_PROTO]
        del file.dependency[:]
        file.dependency.extend(kept)
    stripped = target / "stripped.binpb"
    stripped.write_bytes(descriptors.SerializeToString())
    protoc(
        f"--descriptor_set_in={stripped}",
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out=quiet:{target}",
        f"--mypy_grpc_out=quiet:{target}",
        *sources(),
    )


def protoc(*arguments: str) -> None:
    """Runs the protoc of grpcio-tools, with the plugins of this environment; exits with its message if it fails."""
    plugins = Path(sys.executable).parent
    command = [sys.executable, "-m", "grpc_tools.protoc"]
    command += [f"--plugin=protoc-gen-{name}={plugins / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"protoc failed:\n{done.stderr}")


def replace_tree(fresh: Path, target: Path) -> None:
    """Puts the fresh files in place of all generated ones; `__init__.py` stays."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*_pb2*"):
        old.unlink()
    for new in fresh.iterdir():
        shutil.copy(new, target / new.name)


def report_stale(fresh: Path, target: Path) -> int:
    """Prints what differs between the fresh and the committed files; returns 1 if anything does."""
    expected = {path.name for path in fresh.iterdir()}
    present = {path.name for path in target.glob("*_pb2*")}
    stale = sorted(expected ^ present)
    stale += sorted(name for name in expected & present if not filecmp.cmp(fresh / name, target / name, shallow=False))
    for name in stale:
        print(f"stale: {target.relative_to(ROOT) / name}")
    if stale:
        print("generated code is not up to date: run `make proto` and commit the result")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

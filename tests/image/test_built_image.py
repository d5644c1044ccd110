"""What is in the image, and what is not. Built without a Docker engine: see `built_image`."""

from __future__ import annotations

import re

import pytest

from tests.image.built_image import BUILD_ARGUMENTS, BuiltImage

pytestmark = pytest.mark.container

COMMANDS = ("missioncontrol-coordinator", "missioncontrol-scheduler", "missioncontrol-event-gateway", "missionctl")
COMPILERS = re.compile(r"(.*-)?(gcc|cc|g\+\+|c\+\+|cpp|clang|ld|as|make|rustc|cargo|go|javac)(-\d+)?")
INSTALLERS = re.compile(r"(pip|uv|easy_install|setuptools|wheel)(\d.*)?")
MEBIBYTE = 1 << 20
# What we add to the base: mostly gRPC, SQLAlchemy, uvloop and the client of PostgreSQL, with byte code.
OWN_MEBIBYTES_MAX = 180
# The word of flags in the head of byte code: hash-based, and never compared with the source.
UNCHECKED_HASH = 0b01
_OURS = "/opt/missioncontrol"


def test_it_is_as_large_as_it_has_to_be(image: BuiltImage) -> None:
    own, whole = image.bytes_of(_OURS) / MEBIBYTE, image.bytes_of() / MEBIBYTE

    print(f"\nimage: {whole:.0f} MiB, {own:.0f} MiB of it ours; built on the base in {image.build_seconds:.0f} s")
    assert own < OWN_MEBIBYTES_MAX


def test_its_user_is_a_number_and_not_root(image: BuiltImage) -> None:
    assert image.config["User"] == "65532:65532"


def test_it_says_what_it_is(image: BuiltImage) -> None:
    labels = image.config["Labels"]

    assert labels["org.opencontainers.image.title"] == "Mission Control"
    assert labels["org.opencontainers.image.version"] == BUILD_ARGUMENTS["VERSION"]
    assert labels["org.opencontainers.image.revision"] == BUILD_ARGUMENTS["REVISION"]
    assert image.config["StopSignal"] == "SIGTERM"
    assert image.config.get("Entrypoint") is None
    assert image.config["Cmd"] == ["missionctl", "--help"]
    assert {"7070", "7071", "7080", "7081"} <= {each.partition("/")[0] for each in image.config["ExposedPorts"]}


def test_it_has_the_commands_and_an_interpreter_for_them(image: BuiltImage) -> None:
    folder = image.root / "opt/missioncontrol/bin"
    interpreter = (folder / "python3").readlink()

    assert image.environment["PATH"].split(":")[0] == f"{_OURS}/bin"
    assert all((folder / name).read_text().startswith(f"#!{_OURS}/bin/python") for name in COMMANDS)
    assert (image.root / str(interpreter).lstrip("/")).exists()


def test_it_has_no_compiler_and_no_installer(image: BuiltImage) -> None:
    programs = {
        path.name for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "opt/missioncontrol/bin")
        for path in (image.root / folder).iterdir()
    }  # fmt: skip
    packages = {path.parent.name for path in image.files(_OURS, "/usr/local") if path.name == "__init__.py"}

    assert {name for name in programs if COMPILERS.fullmatch(name) or INSTALLERS.fullmatch(name)} == set()
    assert {name for name in packages if INSTALLERS.fullmatch(name)} == set()


def test_no_program_has_the_rights_of_another_user(image: BuiltImage) -> None:
    assert [path for path in image.files() if path.stat().st_mode & 0o6000] == []


def test_nothing_is_left_of_building_it(image: BuiltImage) -> None:
    indexes = [path for path in image.files("/var/lib/apt/lists") if path.name != "lock"]
    archives = list(image.files("/var/cache/apt/archives"))
    tests = [path for path in image.files(_OURS) if "tests" in path.parts[len(image.root.parts) :]]

    assert indexes == tests == []
    assert [path for path in archives if path.suffix == ".deb"] == []
    assert not any(
        (image.root / each).exists() for each in ("source", "tools", "wheels", "root/.cache", "etc/pip.conf")
    )
    assert "pip-ca" not in image.description


def test_its_user_can_change_nothing_of_it(image: BuiltImage) -> None:
    state = image.root / "var/lib/missioncontrol"
    owned = [path for path in image.root.rglob("*") if path.lstat().st_uid == 65532]
    open_to_all = [path for path in image.files(_OURS) if path.stat().st_mode & 0o002]

    assert owned == [state]
    assert open_to_all == []


def test_all_of_our_code_is_byte_code_that_never_gets_stale(image: BuiltImage) -> None:
    sources = [path for path in image.files(_OURS) if path.suffix == ".py" and "services" in path.parts]
    compiled = [path for path in image.files(_OURS) if path.suffix == ".pyc"]

    assert len(sources) > 100
    for source in sources:
        assert list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")), source
    assert {path.read_bytes()[4] for path in compiled} == {UNCHECKED_HASH}

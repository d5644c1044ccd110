"""Importing the SDK costs next to nothing, and gives everything that it names."""

from __future__ import annotations

import subprocess
import sys

import missioncontrol
import pytest


def test_the_import_brings_neither_grpc_nor_pydantic_nor_asyncio() -> None:
    code = (
        "import sys, missioncontrol; "
        "print([each for each in ('grpc', 'google.protobuf', 'pydantic', 'asyncio', 'typer') if each in sys.modules])"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", missioncontrol.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(missioncontrol, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Clinet"):
        _ = missioncontrol.Clinet

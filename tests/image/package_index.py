"""How this machine's pip reaches its package index, as the two secrets that the Dockerfile takes.

They are mounted while it is built, and are in no layer.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from tests.image.tools import run

# What of pip's settings is about reaching the index; all else is the machine's own business.
_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout")


def index_secrets(folder: Path) -> list[str]:
    """Writes the files; the arguments for `buildah build`."""
    settings = pip_settings(run(sys.executable, "-m", "pip", "config", "list"))
    lines = ["[global]", *(f"{name} = {settings[name]}" for name in _SETTINGS if name in settings)]
    secrets = {"pip.conf": folder / "pip.conf"}
    if "cert" in settings:
        secrets["pip-ca.pem"] = Path(settings["cert"])
        lines.append("cert = /run/secrets/pip-ca.pem")
    secrets["pip.conf"].write_text("\n".join(lines) + "\n")
    return [f"--secret=id={name},src={path}" for name, path in secrets.items()]


def pip_settings(listed: str) -> dict[str, str]:
    """Reads `pip config list`: files first and the environment last, which wins."""
    ordered = sorted(listed.splitlines(), key=lambda line: line.startswith(":env:"))
    pairs = (line.partition("=") for line in ordered if line)
    return {name.rpartition(".")[2]: "".join(shlex.split(value)) for name, _, value in pairs}

"""The file in which a process says where it listens, for whoever started it with port 0."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_address_file(path: Path | None, service: str, *, address: str, metrics_address: str) -> None:
    """Writes one JSON object {service, address, metrics_address, pid}, atomically. Does nothing without a path.

    Called once, after everything listens: the file's existence means that the process can be reached.
    """
    if path is None:
        return
    content = {"service": service, "address": address, "metrics_address": metrics_address, "pid": os.getpid()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
    temporary.replace(path)

"""Whom a client or an agent trusts, and what it shows of itself: files that the environment names.

    MISSIONCONTROL_TLS_CA_FILE            CA of the coordinators' certificates; with it, TLS is spoken and nothing else
    MISSIONCONTROL_TLS_SERVER_NAME        the name in their certificate, where it is not that of the address
    MISSIONCONTROL_TLS_CERTIFICATE_FILE   what to show to coordinators that ask for a certificate,
    MISSIONCONTROL_TLS_KEY_FILE           and its key

They are read whenever a channel is opened, so an agent that connects again shows its renewed certificate.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

CA_FILE = "MISSIONCONTROL_TLS_CA_FILE"
SERVER_NAME = "MISSIONCONTROL_TLS_SERVER_NAME"
CERTIFICATE_FILE = "MISSIONCONTROL_TLS_CERTIFICATE_FILE"
KEY_FILE = "MISSIONCONTROL_TLS_KEY_FILE"


class TrustError(ValueError):
    """The variables do not go together, or what they name is of no use; the message says which."""


class FileUnreadable(TrustError):
    """A file is not there: a mistake, or it is being replaced."""


@dataclass(frozen=True)
class Trust:
    """What one channel speaks TLS with. `server_name` is empty where the address says it."""

    credentials: grpc.ChannelCredentials
    server_name: str = ""


def trust_from(environment: Mapping[str, str] = os.environ) -> Trust | None:
    """What the environment says; None for plain text. Raises TrustError, which names the variable.

    FileUnreadable, if another time may do.
    """
    if not environment.get(CA_FILE):
        if environment.get(CERTIFICATE_FILE):
            raise TrustError(f"{CERTIFICATE_FILE} needs {CA_FILE}, too: without it nothing is encrypted")
        return None
    if bool(environment.get(CERTIFICATE_FILE)) != bool(environment.get(KEY_FILE)):
        raise TrustError(f"{CERTIFICATE_FILE} and {KEY_FILE} go together")
    credentials = grpc.ssl_channel_credentials(
        _read(environment, CA_FILE),
        private_key=_read(environment, KEY_FILE),
        certificate_chain=_read(environment, CERTIFICATE_FILE),
    )
    return Trust(credentials, environment.get(SERVER_NAME, ""))


def trust_stamp(environment: Mapping[str, str] = os.environ) -> tuple[int, ...]:
    """Changes when the files do; empty without TLS, and while one of them is not there."""
    paths = [path for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE) if (path := environment.get(name))]
    try:
        return file_stamp(Path(path) for path in paths)
    except OSError:
        return ()


def file_stamp(paths: Iterable[Path]) -> tuple[int, ...]:
    """Changes when one of the files does. Kubernetes replaces what a link points at, which changes the inode.

    Raises OSError if one is not there.
    """
    found = [path.stat() for path in paths]
    return tuple(number for stat in found for number in (stat.st_ino, stat.st_mtime_ns, stat.st_size))


def _read(environment: Mapping[str, str], variable: str) -> bytes | None:
    path = environment.get(variable)
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileUnreadable(f"{variable}: {path}: {error.strerror or error}") from None

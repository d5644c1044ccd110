"""TLS as files: what a server shows, and how a process that dials makes sure of whom it speaks to.

Renewed certificates are taken without a restart. A server looks at its files with each handshake and reads them when
they have changed; who dials reads them whenever it opens a channel. Half of a renewal (a key that does not fit) is left
aside until the other half is there.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from missioncontrol.tls import file_stamp

from services.config import ServiceSettings

log = structlog.get_logger()


@dataclass(frozen=True)
class ServerFiles:
    """A server's certificate chain and key; with `client_ca`, only who shows a certificate of that CA gets in."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A context of them. Raises OSError, which names the files, if they are missing or do not belong together."""
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:
            raise OSError(f"TLS: {self._names()}: {error}") from error
        return context

    def stamp(self) -> tuple[int, ...]:
        """Changes when one of the files does. Raises OSError if one is not there."""
        return file_stamp(self._paths())

    def read(self) -> grpc.ServerCertificateConfiguration:
        """What the next handshakes use."""
        client_ca = self.client_ca.read_bytes() if self.client_ca else None
        chain = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([chain], root_certificates=client_ca)

    def _paths(self) -> list[Path]:
        return [path for path in (self.certificate, self.key, self.client_ca) if path]

    def _names(self) -> str:
        return ", ".join(map(str, self._paths()))


class Renewal:
    """Looks at the files with each handshake. Called by gRPC, in threads of its own."""

    def __init__(self, files: ServerFiles) -> None:
        self._files = files
        self._stamp = files.stamp()

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """The new configuration, or None to go on with the one before."""
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return None
            self._files.context()
            fresh = self._files.read()
        except OSError as error:
            log.warning("the renewed certificate cannot be used; the one before stays", error=str(error))
            return None
        self._stamp = stamp
        log.info("a renewed certificate is in use", certificate=str(self._files.certificate))
        return fresh


def server_files(settings: ServiceSettings) -> ServerFiles | None:
    """What the settings name; None without TLS."""
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    return ServerFiles(settings.tls_certificate_file, settings.tls_key_file, settings.tls_client_ca_file)


def server_credentials(files: ServerFiles) -> grpc.ServerCredentials:
    """Credentials that follow their files. Raises OSError if these are of no use now."""
    files.context()  # to say now what gRPC would not say before the first handshake
    renewal = Renewal(files)  # before they are read: what is replaced meanwhile has another stamp
    return grpc.dynamic_ssl_server_credentials(
        files.read(),
        renewal,  # type: ignore[arg-type] # None means "as before", which the stubs do not know
        require_client_authentication=files.client_ca is not None,
    )


@dataclass(frozen=True)
class Dialling:
    """How this process opens channels to other services: in plain text, unless it is told whom to trust.

    `server_name` is the name that the certificate must have, where it is another one than that in the address.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    def stamp(self) -> tuple[int, ...]:
        """Changes when a channel should be opened anew. Raises OSError if a file is not there."""
        paths = (self.ca, self.certificate, self.key) if self.ca else ()
        return file_stamp(path for path in paths if path)

    def open(self, address: str, options: Sequence[tuple[str, int | str]]) -> grpc.aio.Channel:
        """A channel; it connects when it is first used. Raises OSError if a file cannot be read."""
        if self.ca is None:
            return grpc.aio.insecure_channel(address, options=options)
        if self.server_name:
            options = [*options, ("grpc.ssl_target_name_override", self.server_name)]
        return grpc.aio.secure_channel(address, self._credentials(self.ca), options=options)

    def _credentials(self, ca: Path) -> grpc.ChannelCredentials:
        shown = self.certificate is not None and self.key is not None
        return grpc.ssl_channel_credentials(
            ca.read_bytes(),
            private_key=self.key.read_bytes() if shown and self.key else None,
            certificate_chain=self.certificate.read_bytes() if shown and self.certificate else None,
        )


def dialling(settings: ServiceSettings) -> Dialling:
    """How the settings have this process dial. A service shows the certificate that it serves with."""
    return Dialling(
        settings.tls_ca_file, settings.tls_certificate_file, settings.tls_key_file, settings.tls_server_name
    )

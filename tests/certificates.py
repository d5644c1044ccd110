"""A certificate authority for tests, which writes what it issues as the files that the settings name."""

from __future__ import annotations

from pathlib import Path

import trustme

from services.transport.tls import ServerFiles


class Authority:
    """A CA, and files of certificates that it has issued."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.folder = folder
        self.ca = folder / "ca.crt"
        self._ca.cert_pem.write_to_path(str(self.ca))

    def issue(self, name: str, *names: str) -> tuple[Path, Path]:
        """Writes a certificate for these names, over one of before."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        issued = self._ca.issue_cert(*names)
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key

    def server(self, *names: str, client_ca: Path | None = None) -> ServerFiles:
        """A server's files."""
        return ServerFiles(*self.issue("server", *names), client_ca)

"""The same certificates for servers that are not gRPC's: a context whose connections get the newest certificate."""

from __future__ import annotations

import ssl

import structlog

from services.transport.tls import ServerFiles

log = structlog.get_logger()


def following_context(files: ServerFiles) -> ssl.SSLContext:
    """A context that looks at its files with each handshake. Raises OSError if these are of no use now."""
    newest = _Newest(files)
    context = files.context()
    context.sni_callback = newest.take
    return context


class _Newest:
    """The context of the newest certificate that could be read."""

    def __init__(self, files: ServerFiles) -> None:
        self._files = files
        self._stamp = files.stamp()
        self._context = files.context()

    def take(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Gives a connection its context, when its peer has said hello."""
        try:
            stamp = self._files.stamp()
            if stamp != self._stamp:
                self._context, self._stamp = self._files.context(), stamp
        except OSError as error:
            log.warning("the renewed certificate cannot be used; the one before stays", error=str(error))
        connection.context = self._context

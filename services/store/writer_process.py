"""The writer in a process of its own, beside the coordinator's.

SQL is a third of what the coordinator does for a task, and it needs nothing of the rest: with it in another process the
two share a machine's cores instead of one interpreter lock. Between them go batches and short answers, one at a time,
through a socket pair. The child lives as long as the parent: it ends when the socket does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from struct import Struct
from typing import cast

import msgspec
import structlog
from sqlalchemy.engine import URL, make_url

from services.store.database import prepare_sqlite
from services.store.limits import SQLITE_BUSY_SECONDS, WRITER_STATEMENTS_MAX, WRITER_STOP_SECONDS
from services.store.postgres_writer import PostgresWriter
from services.store.sqlite_writer import SqliteWriter
from services.store.writer import (
    Batch,
    Identity,
    OutcomeUnknown,
    RequestsKnown,
    RowsRefused,
    TermLost,
    Writer,
    WriteRefused,
)
from services.telemetry import configure_logging

log = structlog.get_logger(__name__)

LENGTH = Struct("=I")
MODULE = "services.store.writer_process"
URL_VARIABLE = "MISSIONCONTROL_WRITER_URL"


class WriterGone(Exception):
    """The writer's process has ended: what became of the batch that it had is not known."""


class Verdict(IntEnum):
    """What became of a batch."""

    WRITTEN = 0
    TERM_LOST = 1
    WRITE_REFUSED = 2
    ROWS_REFUSED = 3
    REQUESTS_KNOWN = 4


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The child's answer to a batch."""

    verdict: Verdict
    message: str = ""


_ERRORS: dict[Verdict, type[Exception]] = {
    Verdict.TERM_LOST: TermLost,
    Verdict.WRITE_REFUSED: WriteRefused,
    Verdict.ROWS_REFUSED: RowsRefused,
    Verdict.REQUESTS_KNOWN: RequestsKnown,
}
_encode = msgspec.msgpack.Encoder().encode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode
_decode_batch = msgspec.msgpack.Decoder(Batch).decode


class WriterProcess(asyncio.Protocol):
    """The parent's end. Made by `start_writer`, used on its event loop."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._transport: asyncio.WriteTransport | None = None
        self._written: asyncio.Future[None] | None = None
        self._received = b""

    def commit(self, batch: Batch) -> asyncio.Future[None]:
        """Has a batch written; done when it is on disk.

        Raises TermLost, WriteRefused, RowsRefused, RequestsKnown, WriterGone. The one before must be done.
        """
        assert self._written is None or self._written.done(), "one batch at a time"
        self._written = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            self._written.set_exception(WriterGone("the writer's process has ended"))
            return self._written
        try:
            encoded = _encode(batch)
        except (TypeError, ValueError, OverflowError) as error:
            self._written.set_exception(RowsRefused(f"{type(error).__name__}: {error}"))
        else:
            self._transport.write(LENGTH.pack(len(encoded)) + encoded)
        return self._written

    def kill(self) -> None:
        """Ends the child whatever it is doing. What became of its batch is not known then."""
        self._child.kill()

    async def stop(self) -> None:
        """Lets the child end. One that does not is killed."""
        if self._transport is not None:
            self._transport.close()
        try:
            await asyncio.to_thread(self._child.wait, WRITER_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            await asyncio.to_thread(self._child.wait)

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """A part of an answer, or all of it."""
        self._received += data
        if len(self._received) < LENGTH.size:
            return
        end = LENGTH.size + LENGTH.unpack_from(self._received)[0]
        if len(self._received) < end:
            return
        answer, self._received = _decode_answer(self._received[LENGTH.size : end]), self._received[end:]
        assert self._written is not None, "answers follow batches"
        if self._written.done():
            return
        if answer.verdict is Verdict.WRITTEN:
            self._written.set_result(None)
        else:
            self._written.set_exception(_ERRORS[answer.verdict](answer.message))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """The child has ended, or we let it."""
        if self._written is not None and not self._written.done():
            self._written.set_exception(WriterGone("the writer's process has ended"))


async def start_writer(url: URL, identity: Identity) -> WriterProcess:
    """Starts the child for this database. The URL, which may hold a password, goes through its environment."""
    ours, theirs = socket.socketpair()
    arguments = (str(theirs.fileno()), identity.coordinator_id, str(identity.term))
    environment = {**os.environ, URL_VARIABLE: url.render_as_string(hide_password=False)}
    # Ctrl-C reaches the whole group, but only the parent's end may end the child: it inherits that it hears of neither.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        child = subprocess.Popen(  # noqa: ASYNC220 - it only starts it
            [sys.executable, "-m", MODULE, *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        theirs.close()
    ours.setblocking(False)
    _, writer = await asyncio.get_running_loop().create_connection(lambda: WriterProcess(child), sock=ours)
    return writer


# The child.


def main() -> None:
    """The child's process: writes what comes until the parent is gone."""
    descriptor, coordinator_id, term = sys.argv[1:]
    configure_logging("writer", level="info", log_format="json")
    parent_id = os.getppid()
    writer = open_writer(
        make_url(os.environ[URL_VARIABLE]),
        Identity(coordinator_id, int(term)),
        wanted=lambda: os.getppid() == parent_id,
    )
    # A parent that was killed may leave an answer unread: that is an error of the connection, not its end.
    with socket.socket(fileno=int(descriptor)) as parent, suppress(ConnectionError):
        try:
            serve(parent, writer)
        except OutcomeUnknown as error:
            log.critical("the writer ends, and its coordinator with it", error=str(error))
            sys.exit(1)
    writer.close()


def serve(parent: socket.socket, writer: Writer) -> None:
    """Writes what comes until nothing comes any more."""
    with parent.makefile("rb") as batches:
        while len(header := batches.read(LENGTH.size)) == LENGTH.size:
            length = LENGTH.unpack(header)[0]
            encoded = batches.read(length)
            if len(encoded) < length:
                return
            answer = _encode(answer_to(_decode_batch(encoded), writer))
            parent.sendall(LENGTH.pack(len(answer)) + answer)


def open_writer(url: URL, identity: Identity, *, wanted: Callable[[], bool] = lambda: True) -> Writer:
    """The writer for this database. `wanted` tells whether a server that is away is to be waited for still."""
    if url.get_backend_name() == "postgresql":
        conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
        return PostgresWriter(conninfo, identity, wanted=wanted)
    connection = sqlite3.connect(
        url.database or "",
        timeout=SQLITE_BUSY_SECONDS,
        isolation_level=None,
        cached_statements=WRITER_STATEMENTS_MAX,
    )
    prepare_sqlite(connection, None)
    return SqliteWriter(connection, identity)


def answer_to(batch: Batch, writer: Writer) -> Answer:
    """Writes a batch; what became of it."""
    try:
        writer.write(batch)
    except TermLost as error:
        return Answer(Verdict.TERM_LOST, str(error))
    except WriteRefused as error:
        return Answer(Verdict.WRITE_REFUSED, str(error))
    except RequestsKnown as error:
        return Answer(Verdict.REQUESTS_KNOWN, str(error))
    except OutcomeUnknown:
        raise  # the process ends, and the parent with it: nobody may be told anything
    except RowsRefused as error:
        return Answer(Verdict.ROWS_REFUSED, str(error))
    except Exception as error:  # our own mistake: the batch is at fault until it is bisected
        return Answer(Verdict.ROWS_REFUSED, f"{type(error).__name__}: {error}")
    return Answer(Verdict.WRITTEN)


if __name__ == "__main__":
    main()

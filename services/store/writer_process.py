"""The writer in a process of its own, beside the coordinator's.

SQL is a third of what the coordinator does for a task, and it needs nothing of the rest: with it in another process the
two share a machine's cores instead of one interpreter lock. Between them go batches and short answers, in the same
order, through a socket pair. The child lives as long as the parent: it ends when the socket does.

A batch may be sent before the one ahead of it is answered. It stands on that one: if that fails, the child leaves it
out. So each batch says how many failures its sender has heard of, and the child writes it only if it knows of no more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from struct import Struct
from types import NoneType
from typing import cast

import msgspec
import structlog
from sqlalchemy.engine import URL, make_url

from services.logs import configure_logging
from services.store.database import conninfo_of, prepare_sqlite
from services.store.limits import SQLITE_BUSY_SECONDS, WRITER_STATEMENTS_MAX, WRITER_STOP_SECONDS
from services.store.postgres_writer import PostgresWriter
from services.store.sqlite_writer import SqliteWriter
from services.store.writer import (
    Batch,
    Conflict,
    Identity,
    OutcomeUnknown,
    RequestsKnown,
    RowsRefused,
    TermLost,
    Writer,
    WriteRefused,
)

log = structlog.get_logger(__name__)

LENGTH = Struct("=I")
# The length of the batch that follows, 0 for one that cannot be put into bytes; the failures that the sender knows of.
BATCH_HEAD = Struct("=II")
MODULE = "services.store.writer_process"
URL_VARIABLE = "MISSIONCONTROL_WRITER_URL"


class WriterGone(Exception):
    """The writer's process has ended: what became of the batch that it had is not known."""


class LeftOut(Exception):
    """A batch ahead of this one was not written, so neither was this one."""


class Verdict(IntEnum):
    """What became of a batch."""

    WRITTEN = 0
    TERM_LOST = 1
    WRITE_REFUSED = 2
    ROWS_REFUSED = 3
    REQUESTS_KNOWN = 4
    LEFT_OUT = 5
    CONFLICT = 6


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The child's answer to a batch. `base` is what its events are numbered from."""

    verdict: Verdict
    message: str = ""
    base: int = 0


_ERRORS: dict[Verdict, type[Exception]] = {
    Verdict.TERM_LOST: TermLost,
    Verdict.WRITE_REFUSED: WriteRefused,
    Verdict.ROWS_REFUSED: RowsRefused,
    Verdict.REQUESTS_KNOWN: RequestsKnown,
    Verdict.LEFT_OUT: LeftOut,
    Verdict.CONFLICT: Conflict,
}
_VERDICTS = {error: verdict for verdict, error in _ERRORS.items()}
_encode = msgspec.msgpack.Encoder().encode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode
_decode_batch = msgspec.msgpack.Decoder(Batch).decode


class WriterProcess(asyncio.Protocol):
    """The parent's end. Made by `start_writer`, used on its event loop."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._transport: asyncio.WriteTransport | None = None
        # Batches that are not answered, oldest first; with an error, those that could not be put into bytes.
        self._unanswered: deque[tuple[asyncio.Future[int], RowsRefused | None]] = deque()
        self._failures = 0
        self._received = b""

    def commit(self, batch: Batch) -> asyncio.Future[int]:
        """Has a batch written after those before it; done when it is on disk. They are done in the order of the calls.

        The sequence before its first event. Raises TermLost, WriteRefused, RowsRefused, RequestsKnown, Conflict,
        LeftOut, WriterGone.
        """
        written: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        written.add_done_callback(self._note_failure)
        if self._transport is None or self._transport.is_closing():
            written.set_exception(WriterGone("the writer's process has ended"))
            return written
        encoded, unfit = b"", None
        try:
            encoded = _encode(batch)
        except (TypeError, ValueError, OverflowError) as error:
            unfit = RowsRefused(f"{type(error).__name__}: {error}")
        self._unanswered.append((written, unfit))
        self._transport.write(BATCH_HEAD.pack(len(encoded), self._failures) + encoded)
        return written

    def _note_failure(self, written: asyncio.Future[int]) -> None:
        """Runs just before the caller hears of it: what is sent from then on no longer stands on that batch."""
        if not written.cancelled() and not isinstance(written.exception(), (NoneType, LeftOut)):
            self._failures += 1

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
        """Parts of answers."""
        self._received += data
        while len(self._received) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._received)[0]
            if len(self._received) < end:
                return
            answer, self._received = _decode_answer(self._received[LENGTH.size : end]), self._received[end:]
            self._take_in(answer)

    def _take_in(self, answer: Answer) -> None:
        written, unfit = self._unanswered.popleft()
        if written.cancelled():  # nobody will hear of it
            self._failures += answer.verdict not in (Verdict.WRITTEN, Verdict.LEFT_OUT)
            return
        if answer.verdict is Verdict.WRITTEN:
            written.set_result(answer.base)
        elif unfit is not None and answer.verdict is Verdict.ROWS_REFUSED:
            written.set_exception(unfit)
        else:
            written.set_exception(_ERRORS[answer.verdict](answer.message))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """The child has ended, or we let it."""
        for written, _ in self._unanswered:
            if not written.done():
                written.set_exception(WriterGone("the writer's process has ended"))
        self._unanswered.clear()


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
    # A flush that loses against another coordinator's aborts its pipeline, and the driver warns of that: it is made
    # again, and what comes of it is ours to tell.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
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
    failures = 0
    with parent.makefile("rb") as batches:
        while len(head := batches.read(BATCH_HEAD.size)) == BATCH_HEAD.size:
            length, failures_known = BATCH_HEAD.unpack(head)
            encoded = batches.read(length)
            if len(encoded) < length:
                return
            if failures_known < failures:
                answer = Answer(Verdict.LEFT_OUT, "a batch ahead of it was not written")
            else:
                answer = answer_to(_decode_batch(encoded), writer) if encoded else Answer(Verdict.ROWS_REFUSED)
                failures += answer.verdict is not Verdict.WRITTEN
            said = _encode(answer)
            parent.sendall(LENGTH.pack(len(said)) + said)


def open_writer(url: URL, identity: Identity, *, wanted: Callable[[], bool] = lambda: True) -> Writer:
    """The writer for this database. `wanted` tells whether a server that is away is to be waited for still."""
    if url.get_backend_name() == "postgresql":
        return PostgresWriter(conninfo_of(url), identity, wanted=wanted)
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
        base = writer.write(batch)
    except OutcomeUnknown:
        raise  # the process ends, and the parent with it: nobody may be told anything
    except tuple(_VERDICTS) as error:
        return Answer(_VERDICTS[type(error)], str(error))
    except Exception as error:  # our own mistake: the batch is at fault until it is bisected
        return Answer(Verdict.ROWS_REFUSED, f"{type(error).__name__}: {error}")
    return Answer(Verdict.WRITTEN, base=base)


if __name__ == "__main__":
    main()

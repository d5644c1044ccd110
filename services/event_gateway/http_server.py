"""uvicorn as the gateway runs it: started and stopped by us, with limits where uvicorn has none.

uvicorn waits for ever for the rest of a request, for a peer to read what is left after the end of a response, and
takes any number of headers and connections. Each of these is a way to hold the gateway's memory with a few bytes a
minute.
"""

from __future__ import annotations

import asyncio
import math
import socket
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.config import split_address
from services.event_gateway import limits
from services.transport.tls import ServerFiles
from services.transport.tls_context import following_context


@dataclass(frozen=True)
class HttpLimits:
    """What a peer of the server may cost."""

    request_timeout_seconds: float
    write_timeout_seconds: float
    connections_max: int
    grace_seconds: float


class HttpServer:
    """Serves one ASGI application. `start()` and `stop()` are symmetric."""

    def __init__(self, app: Any, *, listen: str, http_limits: HttpLimits, tls: ServerFiles | None = None) -> None:
        self._listen = listen
        self._tls = tls
        self._handshake_seconds = http_limits.request_timeout_seconds
        self._config = uvicorn.Config(
            app,
            http=_protocol(http_limits),
            ws="none",
            lifespan="off",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=math.ceil(http_limits.grace_seconds),
        )
        self._server = uvicorn.Server(self._config)
        self._sockets: list[socket.socket] = []
        self._ticks: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listens and returns "host:port". Raises OSError with a clear message."""
        host, port = split_address(self._listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise OSError(f"event_gateway cannot listen on {self._listen}: {error.strerror or error}") from error
        self._sockets = [listener]
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[])
        self._server.servers.append(await self._accept_on(listener))
        self._ticks = asyncio.create_task(self._server.main_loop())
        bound = listener.getsockname()[1]
        return f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"

    async def _accept_on(self, listener: socket.socket) -> asyncio.Server:
        """As uvicorn does, but a handshake has to come in time, too: else it waits a minute, and nobody counts it."""
        context = following_context(self._tls) if self._tls else None
        return await asyncio.get_running_loop().create_server(
            self._make_protocol,
            sock=listener,
            ssl=context,
            ssl_handshake_timeout=self._handshake_seconds if context else None,
            backlog=self._config.backlog,
        )

    def _make_protocol(self) -> asyncio.Protocol:
        make: Any = self._config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self._config, server_state=self._server.server_state, app_state=self._server.lifespan.state
        )
        return protocol

    async def stop(self) -> None:
        """Stops listening, waits for responses up to the grace time, cancels the rest."""
        if self._ticks is None:
            return
        self._server.should_exit = True
        await self._ticks
        await self._server.shutdown(sockets=self._sockets)
        self._ticks = None


def _protocol(http_limits: HttpLimits) -> type[asyncio.Protocol]:
    """uvicorn takes a class, not a factory with arguments."""

    return type("Protocol", (LimitedProtocol,), {"http_limits": http_limits})


class LimitedProtocol(HttpToolsProtocol):
    """One connection: a request must arrive whole in time, with a head of bounded size; an ended response must go."""

    http_limits: HttpLimits
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_body = False
    _stalled: asyncio.TimerHandle | None = None
    _unsent_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Starts the time for the first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=limits.WRITE_BUFFER_BYTES_MAX)
        if len(self.connections) > self.http_limits.connections_max:
            transport.abort()
        else:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops every clock."""
        self._stop_deadline()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer does not read. A stream ends by itself then, but not one that waits behind a large answer."""
        super().pause_writing()
        if self._stalled is None:
            self._watch_unsent()

    def _watch_unsent(self) -> None:
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(2 * self.http_limits.write_timeout_seconds, self._end_if_stalled)

    def _end_if_stalled(self) -> None:
        if self.transport.get_write_buffer_size() < self._unsent_bytes:
            self._watch_unsent()  # it reads, however slowly
        else:
            self.transport.abort()

    def resume_writing(self) -> None:
        """It has read."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of a request's head, and starts its time."""
        # Also while an answer goes out: then it is the head of the next request. An empty line before it is nothing.
        if not self._in_body and data.strip(b"\r\n"):
            self._start_deadline()
            self._head_bytes += len(data)
            if self._head_bytes > limits.REQUEST_HEAD_BYTES_MAX:
                self._refuse_head()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Gives the application a way to end a connection whose peer does not read."""
        super().on_message_begin()
        self.scope["state"]["abort"] = self.transport.abort

    def on_headers_complete(self) -> None:
        """The head has arrived."""
        self._head_bytes = 0
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request has arrived whole."""
        self._stop_deadline()
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """What a peer does not read after the end is thrown away after a while."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._linger()

    def timeout_keep_alive_handler(self) -> None:
        """Closes an idle connection, with what a peer may have left unread on it."""
        super().timeout_keep_alive_handler()
        self._linger()

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.http_limits.request_timeout_seconds, self.transport.abort)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _linger(self) -> None:
        self.loop.call_later(limits.LINGER_SECONDS_MAX, self.transport.abort)

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()
            self._linger()

"""The live output of a command on this terminal: each byte once, stdout to stdout, everything else to stderr."""

from __future__ import annotations

import codecs
import sys
from typing import TextIO

from missioncontrol.cli.printer import note
from missioncontrol.command import CommandOutput
from missioncontrol.v1.task_service_pb2 import OUTPUT_STREAM_STDERR, OUTPUT_STREAM_STDOUT, OutputChunk


class LiveOutput:
    """Writes chunks as they come, and at the end what the stream did not bring."""

    def __init__(self) -> None:
        self._token = 0
        self._shown_bytes: dict[int, int] = {}
        # On a terminal there is a progress bar, which takes whole lines and puts them above itself.
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}
        self._line_begun: dict[int, str] = {}

    def write(self, chunk: OutputChunk) -> None:
        """Shows a chunk. One of a further attempt begins anew."""
        if chunk.token != self._token:
            self._token, self._shown_bytes = chunk.token, {}
        expected = self._shown_bytes.get(chunk.stream, 0)
        if chunk.offset > expected:
            note(f"missionctl: {chunk.offset - expected} bytes of live output were skipped")
        self._shown_bytes[chunk.stream] = chunk.offset + len(chunk.data)
        self._emit(chunk.stream, chunk.data)

    def complete(self, output: CommandOutput, *, token: int) -> None:
        """Shows what of the result's output was not shown live."""
        if token != self._token:
            self._token, self._shown_bytes = token, {}
        self._complete(OUTPUT_STREAM_STDOUT, output.stdout, output.stdout_bytes)
        self._complete(OUTPUT_STREAM_STDERR, output.stderr, output.stderr_bytes)

    def close(self) -> None:
        """Shows lines that were begun, once the progress bar has gone."""
        for stream, text in self._line_begun.items():
            file = _file(stream)
            file.write(text)
            file.flush()
        self._line_begun = {}

    def _complete(self, stream: int, text: str, total_bytes: int) -> None:
        shown = self._shown_bytes.get(stream, 0)
        if shown >= total_bytes:
            return
        data = text.encode()
        if shown == 0:
            self._emit(stream, data)
        elif len(data) == total_bytes:
            self._emit(stream, data[shown:])
        else:
            note(f"missionctl: {total_bytes - shown} bytes at the end were not shown live; see `missionctl tasks get`")

    def _emit(self, stream: int, data: bytes) -> None:
        file = _file(stream)
        if not file.isatty():
            file.buffer.write(data)
            file.flush()
            return
        decoder = self._decoders.setdefault(stream, codecs.getincrementaldecoder("utf-8")("replace"))
        lines, newline, begun = (self._line_begun.pop(stream, "") + decoder.decode(data)).rpartition("\n")
        self._line_begun[stream] = begun
        file.write(lines + newline)
        file.flush()


def _file(stream: int) -> TextIO:
    return sys.stdout if stream == OUTPUT_STREAM_STDOUT else sys.stderr

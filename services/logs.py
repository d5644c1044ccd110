"""The log of a process: one JSON object a line on stdout, or text for people."""

from __future__ import annotations

import logging
import sys

import structlog

# Without local variables: they hold payloads, which belong to the users.
_JSON_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def configure_logging(service: str, *, level: str = "info", log_format: str = "json") -> None:
    """Sends every log line, structlog's and the standard library's, to stdout in one format with `service` in it."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if log_format == "console"
        else [_JSON_TRACEBACKS, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    _redirect_standard_library(shared, renderer, level)


def _redirect_standard_library(
    shared: list[structlog.types.Processor], renderer: list[structlog.types.Processor], level: str
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries at "debug" drown our own lines; theirs start at "info" whatever is asked for.
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level.upper()]))

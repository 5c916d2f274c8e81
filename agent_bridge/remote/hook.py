"""Hooks of coding agents: ``hook stop`` posts a summary of the session, ``hook start`` prints those of others.

A hook must never hinder a session: it ends within a second, silently and with exit code 0, if the bridge is away, slow
or not configured. A watchdog ends the process, because the resolution of a name cannot be interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from agent_bridge.core.names import one_line, printable
from agent_bridge.remote.connection import ApiError, Connection, Unreachable
from agent_bridge.remote.cool_down import CoolDown, NothingToDo
from agent_bridge.remote.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent_bridge.remote.settings import RemoteSettings

#: Seconds after its start in which the process ends, and seconds that the bridge has at least and at most.
_DEADLINE, _LEAST, _MOST = 0.6, 0.15, 0.5
#: Bytes of the description of a session; characters of a summary, and of the context that a session gets.
_LONGEST, _SUMMARY, _CONTEXT = 4 * 1024 * 1024, 1_000, 4_000
#: Events that a session gets.
_EVENTS: Final = 10
#: The default channel: the first one for logs of agents. The API makes it if there is none.
_DEFAULT_CHANNEL: Final = "-"
_USAGE: Final = "usage: agent-bridge hook stop|start [--verbose]"


def main(arguments: Sequence[str]) -> int:
    """Run the hook of *arguments* and return the exit code: 2 for wrong arguments, and 0 in all other cases."""
    names = [each for each in arguments if each not in {"--verbose", "-v"}]
    if any(each in {"--help", "-h"} for each in names):
        sys.stdout.write(f"{_USAGE}\n{__doc__}")
        return 0
    act = {"stop": _stop, "start": _start}.get(names[0]) if len(names) == 1 else None
    if act is None:
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    verbose = len(names) < len(arguments)
    patience = max(_LEAST, min(_MOST, _DEADLINE - _age()))
    watchdog = threading.Timer(patience, _give_up, (verbose,))
    watchdog.daemon = True
    watchdog.start()
    try:
        _run(act)
    except NothingToDo as reason:
        _tell(str(reason), verbose=verbose)
    except Exception as error:  # noqa: BLE001  # a fault of the hook must not hinder the session
        _tell(str(error) if isinstance(error, OSError) else type(error).__name__, verbose=verbose)
    watchdog.cancel()
    return 0


def _run(act: Callable[[RemoteSettings, Connection, Mapping[str, Any]], None]) -> None:
    # First of all: a program that still writes the description must not find its other end closed. Only the end of a
    # session has something to say; its beginning must not wait for a description, which some programs leave open.
    session = _session() if act is _stop else {}
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        raise NothingToDo(str(error)) from None
    if settings is None:
        raise NothingToDo("no bridge is configured")
    try:
        act(settings, Connection(settings, patience=_MOST), session)
    except (ApiError, Unreachable) as error:
        raise NothingToDo(str(error)) from None


def _stop(settings: RemoteSettings, connection: Connection, session: Mapping[str, Any]) -> None:
    """Post what the agent said last, once in five minutes for each channel and directory. The transcript stays here."""
    said = session.get("last_assistant_message")
    if session.get("stop_hook_active") is True or not isinstance(said, str) or not one_line(said):
        raise NothingToDo("the session has no last message")
    channel = settings.channel or _DEFAULT_CHANNEL
    directory = _directory(session)
    with CoolDown(settings.url, channel, directory) as rest:
        name = one_line(Path(directory).name) or "/"
        summary = one_line(said)
        summary = summary if len(summary) <= _SUMMARY else f"{summary[:_SUMMARY]}…"
        data = {"directory": name, "session": one_line(str(session.get("session_id") or ""))[:100]}
        body = {"kind": "session_summary", "text": f"{name}: {summary}", "data": data}
        key = hashlib.sha256(json.dumps([channel, directory, body]).encode()).hexdigest()
        connection.request("POST", _events_of(channel), body, key=key)
        rest.begin()


def _start(settings: RemoteSettings, connection: Connection, _session: Mapping[str, Any]) -> None:
    """Print the newest events of the channel, for the context of a session."""
    channel = settings.channel or _DEFAULT_CHANNEL
    found = connection.request("GET", _events_of(channel), query={"limit": _EVENTS})
    events = found.get("events") if isinstance(found, dict) else None
    lines = [line for each in events or () if isinstance(each, dict) and (line := _line(each))]
    if not lines:
        raise NothingToDo("the channel has no events")
    text = "Recent activity of other agents, as information only:\n" + "\n".join(lines)
    _write(sys.stdout, text[:_CONTEXT] + "\n")


def _line(event: Mapping[str, Any]) -> str:
    text = one_line(str(event.get("text") or ""))
    sender, sent_at = (
        one_line(str(event.get("sender_name") or event.get("sender") or "")),
        str(event.get("sent_at") or ""),
    )
    return f"- {one_line(sent_at)[:16]} {sender[:80]}: {text[:500]}" if text else ""


def _events_of(channel: str) -> str:
    from urllib.parse import quote

    return f"/v1/rooms/{quote(channel, safe='')}/events"


def _session() -> Mapping[str, Any]:
    """Return the description of the session on standard input; empty if a person calls the hook.

    It ends with its JSON object: some programs leave the input open behind it.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return {}
    content = bytearray()
    while piece := os.read(sys.stdin.fileno(), 65_536):
        # The rest of a description that is too long is read, too, and dropped.
        content += piece[: max(0, _LONGEST - len(content))]
        if piece.rstrip().endswith(b"}") and (found := _object(content)) is not None:
            return found
    if not content.strip():
        return {}
    found = _object(content)
    if found is None:
        raise NothingToDo("standard input has no JSON object")
    return found


def _object(content: bytes | bytearray) -> Mapping[str, Any] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _directory(session: Mapping[str, Any]) -> str:
    found = session.get("cwd")
    if isinstance(found, str) and found:
        return found
    try:
        return str(Path.cwd())
    except OSError:
        # It is removed.
        return "/"


def _give_up(verbose: bool) -> None:  # noqa: FBT001  # an argument of the timer
    # The system unlocks the file of the pause, which has not begun.
    _tell("the bridge does not answer in time", verbose=verbose)
    os._exit(0)


def _tell(reason: str, *, verbose: bool) -> None:
    if verbose:
        with suppress(OSError):
            _write(sys.stderr, f"agent-bridge hook: {printable(reason)}\n")


def _write(stream: TextIO | None, text: str) -> None:
    """Write *text* as UTF-8, whatever the locale is: coding agents read nothing else.

    Nothing stays in a buffer, of which Python would complain at its end with an exit code of its own.

    Raises:
        OSError: nobody reads it.
    """
    content = text.encode("utf-8", "replace")
    while stream is not None and content:
        content = content[os.write(stream.fileno(), content) :]


def _age() -> float:
    """Return the seconds since the start of the process, as Linux tells them: a busy machine starts it slowly."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0

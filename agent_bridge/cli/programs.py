"""The API for commands: settings, exit codes, and repeats that have no further effect."""

from __future__ import annotations

import io
import os
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer

from agent_bridge.cli.terminal import note
from agent_bridge.remote.connection import ApiError, Connection, Unreachable
from agent_bridge.remote.settings import TOKEN, URL, SettingsError, read_settings, settings_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import NoReturn

#: Exit codes.
FAILED, NOT_CONFIGURED, UNKNOWN, FORBIDDEN = 1, 2, 4, 5
#: HTTP statuses, and the exit codes of their problems; of all others it is :data:`FAILED`.
_CODES = {400: NOT_CONFIGURED, 401: FORBIDDEN, 403: FORBIDDEN, 404: UNKNOWN}
#: Those of problems that differ from other ones with the status.
_PROBLEM_CODES = {"agent_at_rest": FORBIDDEN}
#: Seconds for which a write without a response is repeated, with the same key, and between two attempts.
_REPEATS, _PAUSE = 20.0, 1.0
#: Seconds after which a stream is opened again, and seconds that a request waits at most beside its own wait.
_RECONNECT, _SLACK = 2.0, 30.0
_TRANSIENT = frozenset({429, 503})


def _end(code: int, line: str) -> NoReturn:
    note(f"agent-bridge: {line}")
    raise typer.Exit(code)


def text_or_input(words: Sequence[str] | None) -> str:
    """Return *words* as a text; without any, the standard input."""
    text = " ".join(words) if words else _input()
    if not text.strip():
        _end(NOT_CONFIGURED, "there is no text: name it, or write it to the standard input")
    return text


def _input() -> str:
    """Return the standard input; empty if it is closed, or a terminal."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    if isinstance(sys.stdin, io.TextIOWrapper):
        # Without a locale, Python keeps bytes that are no text as half characters, which cannot be sent.
        sys.stdin.reconfigure(errors="strict")
    try:
        text = sys.stdin.read()
    except UnicodeDecodeError as error:
        _end(NOT_CONFIGURED, f"the standard input is no text in {error.encoding}")
    return text


class Client:
    """Sends requests. A problem is printed, and ends the command with its exit code."""

    def __init__(self) -> None:
        try:
            settings = read_settings(os.environ)
        except SettingsError as error:
            _end(NOT_CONFIGURED, str(error))
        if settings is None:
            _end(NOT_CONFIGURED, f"set {URL} and {TOKEN}, in the environment or in {settings_file(os.environ)}")
        self.url = settings.url
        self._channel = settings.channel
        self._connection = Connection(settings)

    @staticmethod
    def agent(name: str) -> str:
        """Return the path of an agent."""
        return f"/v1/agents/{quote(name, safe='')}"

    @staticmethod
    def room(name: str, part: str) -> str:
        """Return the path of a part of the room *name*, such as its votes."""
        return f"/v1/rooms/{quote(name, safe='')}/{part}"

    def events_of(self, room: str | None) -> str:
        """Return the path of the agent events of *room*; None: of the configured one, or the first log of agents."""
        return self.room(room or self._channel or "-", "events")

    def get(self, path: str, query: Mapping[str, str | float] | None = None, *, patience: float = 0.0) -> Any:
        """Return the JSON of a path. *patience*: seconds that the bridge may wait."""
        values = {key: str(value) for key, value in (query or {}).items()}
        seconds = patience + _SLACK
        return self._carried_out(lambda: self._connection.request("GET", path, query=values, patience=seconds))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a write; see :meth:`request`."""
        return self.request("POST", path, body)

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, patience: float = 0.0) -> Any:
        """Send a write once: it is repeated with the same key while there is no response."""
        key = secrets.token_urlsafe(16)

        def send() -> Any:
            return self._connection.request(method, path, body, key=key, patience=patience + _SLACK)

        return self._carried_out(send)

    def ask(self, body: Mapping[str, Any], timeout: float) -> Any:
        """Ask, and wait for *timeout* seconds for the answers, longer than one request may take."""
        deadline = time.monotonic() + timeout
        found = self.request("POST", "/v1/ask", {**body, "timeout": timeout}, patience=timeout)
        while not found["is_complete"] and (left := deadline - time.monotonic()) > 0:
            found = self.get(f"/v1/asks/{found['handle']}", {"wait": left}, patience=left)
        return found

    def messages(self, room: str, query: Mapping[str, str | float]) -> list[dict[str, Any]]:
        """Return messages of *room*, oldest first."""
        found: list[dict[str, Any]] = self.get(self.room(room, "messages"), query)["messages"]
        return found

    def own_room(self) -> str:
        """Return the name of the room of the agent whose token it is."""
        me = self.get("/v1/me")
        if not me["is_agent"]:
            _end(NOT_CONFIGURED, "the token is a person's, which has no room of its own: name a room")
        return str(me["user_id"])

    def events(self, room: str | None, types: str) -> Iterator[dict[str, Any]]:
        """Subscribe now, and yield the events, for ever: a lost connection goes on behind the last one."""
        query = {"types": types} | ({} if room is None else {"rooms": room})
        stream = self._carried_out(lambda: self._begun(query, None))
        return self._followed(query, stream)

    def _begun(self, query: Mapping[str, str], last_id: str | None) -> Iterator[tuple[str, str, Any]]:
        """Return a stream whose first event, ``ready``, has come."""
        stream = self._connection.events("/v1/events", query, last_id)
        return _with_first(next(stream), stream)

    def _followed(self, query: Mapping[str, str], stream: Iterator[tuple[str, str, Any]]) -> Iterator[dict[str, Any]]:
        last_id: str | None = None
        while True:
            try:
                for found, kind, data in stream:
                    last_id = found or last_id
                    if kind != "ready":
                        yield data
            except Unreachable as error:
                note(f"agent-bridge: {error}; connecting again")
            time.sleep(_RECONNECT)
            try:
                stream = self._connection.events("/v1/events", query, last_id)
            except Unreachable:
                continue

    def _carried_out(self, send: Any) -> Any:
        """Return the result of *send*, repeated while there is none."""
        deadline = time.monotonic() + _REPEATS
        while True:
            try:
                return send()
            except ApiError as error:
                pause = max(_PAUSE, error.retry_after or 0.0)
                if error.status not in _TRANSIENT or time.monotonic() + pause > deadline:
                    _end(_PROBLEM_CODES.get(error.code, _CODES.get(error.status, FAILED)), str(error))
            except Unreachable as error:
                pause = _PAUSE
                if time.monotonic() + pause > deadline:
                    _end(FAILED, str(error))
            time.sleep(pause)


def _with_first(first: tuple[str, str, Any], rest: Iterator[tuple[str, str, Any]]) -> Iterator[tuple[str, str, Any]]:
    yield first
    yield from rest

"""The pictures of the agents of an App Server: the file ``profile.png`` in the memory of each agent.

The server announces no change of a memory that it keeps itself. So the bridge looks every few minutes, over a WebSocket
that it opens for this purpose: an agent that makes its file too large for one frame ends that WebSocket only.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog

from agent_bridge.core.errors import UpstreamRefused, UpstreamUnreachable
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.capabilities import PICTURE
from agent_bridge.upstream.letta.connection import CommandSilent, ConnectionEnded, without_events
from agent_bridge.upstream.transport.json_values import objects, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from agent_bridge.upstream.letta.connection import Connection

    #: Opens a WebSocket that ends at a message of more than so many bytes.
    OpenSocket = Callable[[int], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]]

_log = structlog.stdlib.get_logger(__name__)

_FILE = "profile.png"
#: Seconds between two looks at the pictures, and for the response to a command.
_EVERY, _COMMAND = 300.0, 10.0
#: Seconds of one call, so that the list of agents does not wait for all pictures.
_AT_ONCE = 1.0
#: Seconds after which a new agent is looked at. Measured with version 0.34.12: the server makes the memory of an agent
#: when the agent is made and when it is read, and if both come at once, it reports that the agent could not be made.
_MADE = 10.0
#: Bytes of a frame: base64 of a picture that the bridge takes (2 MB), and of its envelope.
_MAX_FRAME = 2_700_000
#: Characters of the name of a picture.
_DIGITS = 32
#: Words of the server for an agent without the file, or without a memory of files.
_MISSING = ("ENOENT", "memfs is not enabled")


@dataclass(frozen=True, slots=True)
class _Known:
    """The picture of an agent at the last look."""

    #: Name of the content, empty without a picture.
    name: str
    #: The last commit that changed the file; empty if it is not known, so that the file has to be read again.
    commit: str = ""


class LettaPictures:
    """See :class:`agent_bridge.upstream.capabilities.Pictures`. *clock* returns seconds."""

    def __init__(self, upstream: str, open_socket: OpenSocket, clock: Callable[[], float]) -> None:
        self._upstream = upstream
        self._open_socket = open_socket
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._looked_at = -_EVERY
        #: When each agent was listed first; None before the first list, whose agents were made before.
        self._listed_at: dict[str, float] | None = None
        #: The agents whose pictures are to be looked at.
        self._due: list[str] = []
        #: Whether the server responds to the command that names the last commit.
        self._has_history = True

    async def __call__(self, model: str) -> bytes | None:
        """See :class:`agent_bridge.upstream.capabilities.Pictures`."""
        try:
            async with without_events(self._open_socket(_MAX_FRAME)) as connection:
                return await self._read(connection, model)
        except (ConnectionEnded, CommandSilent):
            raise UpstreamUnreachable(Text("upstream_cut", upstream=self._upstream)) from None

    @property
    def is_behind(self) -> bool:
        """Whether another call of :meth:`names` is due at once."""
        return bool(self._due or self._new(self._clock()))

    async def names(self, models: Sequence[str]) -> Mapping[str, str]:
        """Return a name for the picture of each of *models*, which changes with the picture; empty without one.

        Each picture is looked at every five minutes, that of a new agent first after ten seconds. One call looks at
        pictures for about a second, because the server may have to make the memory of each agent first: the result
        lacks the agents whose turn has not come yet. A picture that cannot be read now keeps the name that it had.

        Raises:
            UpstreamError: the server cannot be reached.
        """
        now, present, listed_at = self._clock(), set(models), self._listed_at
        self._listed_at = {each: -_MADE if listed_at is None else listed_at.get(each, now) for each in models}
        self._known = {model: known for model, known in self._known.items() if model in present}
        if now - self._looked_at >= _EVERY:
            self._looked_at, self._due = now, list(self._known)
        self._due = [each for each in self._due if each in present]
        self._due += [each for each in self._new(now) if each not in self._due]
        while self._due and self._clock() - now < _AT_ONCE:
            async with without_events(self._open_socket(_MAX_FRAME)) as connection:
                try:
                    while self._due and self._clock() - now < _AT_ONCE:
                        self._known[self._due[0]] = await self._look(connection, self._due[0])
                        self._due.pop(0)
                except ConnectionEnded:
                    # The frame of this agent is too large, or the server is ending.
                    _log.info("the picture of an agent is not read", upstream=self._upstream, agent=self._due[0])
                    self._known.setdefault(self._due.pop(0), _Known(""))
                except CommandSilent:
                    _log.warning("the server does not return the pictures of agents", upstream=self._upstream)
                    self._known = {each: _Known("") for each in self._due} | self._known
                    self._due = []
        return {model: known.name for model, known in self._known.items()}

    def _new(self, now: float) -> list[str]:
        """Return the agents whose pictures were never looked at, and which the server has made by *now*."""
        listed = (self._listed_at or {}).items()
        return [each for each, since in listed if each not in self._known and now - since >= _MADE]

    async def _look(self, connection: Connection, model: str) -> _Known:
        known = self._known.get(model, _Known(""))
        # Before the content: a change between both has another commit at the next look.
        commit = await self._commit(connection, model) if known.name else ""
        if commit and commit == known.commit:
            return known
        try:
            content = await self._read(connection, model)
        except UpstreamRefused:
            return known
        if content is None:
            return _Known("")
        return _Known(PICTURE + sha256(content).hexdigest()[:_DIGITS], commit)

    async def _read(self, connection: Connection, model: str) -> bytes | None:
        """Return the content of the file; None if there is no file, or no content.

        Raises:
            UpstreamRefused: the server cannot read it now.
        """
        command: dict[str, Any] = {"agent_id": model, "path": _FILE, "encoding": "base64"}
        response = await connection.request("read_memory_file", within=_COMMAND, **command)
        if response.get("success") is not True:
            if any(sign in text(response.get("error")) for sign in _MISSING):
                return None
            raise UpstreamRefused(Text("upstream_command", upstream=self._upstream))
        with suppress(ValueError):
            return base64.b64decode(text(response.get("content")), validate=True) or None
        return None

    async def _commit(self, connection: Connection, model: str) -> str:
        """Return the last commit that changed the picture of an agent that has one; empty if the server tells none."""
        if not self._has_history:
            return ""
        command: dict[str, Any] = {"agent_id": model, "file_path": _FILE, "limit": 1}
        try:
            response = await connection.request("memory_history", within=_COMMAND, **command)
        except CommandSilent:
            self._has_history = False
            return ""
        return next((text(each.get("sha")) for each in objects(response.get("commits"))), "")

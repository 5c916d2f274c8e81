"""One request to an ASGI application, and its response, in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    from agent_bridge.core.programs import Token

    Message = MutableMapping[str, Any]
    Application = Callable[
        [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
    ]

#: Key of the scope of a request under which its token is.
TOKEN = "agent_bridge.token"  # noqa: S105 - no secret


@dataclass(slots=True)
class Exchange:
    """A POST request with a body that has arrived. Its response is kept, and not streamed."""

    path: str
    #: With names in lower case.
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    #: In the scope as :data:`TOKEN`.
    token: Token
    status: int = 0
    content_type: str = ""
    response: bytearray = field(default_factory=bytearray)
    _is_read: bool = False

    async def run(self, application: Application) -> None:
        """Let *application* respond."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": self.headers,
            "client": None,
            "server": None,
            "state": {},
            TOKEN: self.token,
        }
        await application(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._is_read:
            # The client stays connected for the length of the request.
            await asyncio.Event().wait()
        self._is_read = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            named = {key.decode("latin-1"): value.decode("latin-1") for key, value in message.get("headers", ())}
            self.content_type = named.get("content-type", "")
        else:
            self.response += message.get("body", b"")

"""The baseline *echo*: an application service with the handlers of mautrix, which repeats messages and stores nothing.

``python -m benchmarks.echo CONFIG [read]`` serves the application service of a bridge's configuration. The first ghost
of a room repeats each message of a person; with ``read`` it first sends a read receipt.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from mautrix.appservice import AppService
from mautrix.appservice.state_store import FileASStateStore
from mautrix.types import Event, EventType, Membership, MessageEvent, RoomID, StateEvent, UserID

from agent_bridge.config.load import load

if TYPE_CHECKING:
    from agent_bridge.config.model import Config


class Echo:
    """Repeats messages."""

    def __init__(self, service: AppService, prefix: str, *, reads: bool) -> None:
        self._service = service
        self._prefix = prefix
        self._reads = reads
        self._voices: dict[RoomID, UserID] = {}

    async def hear(self, event: Event) -> None:
        """Note the ghost of a room; repeat the message of a person."""
        if isinstance(event, StateEvent):
            joined = event.type == EventType.ROOM_MEMBER and event.content.membership == Membership.JOIN
            if joined and event.state_key.startswith(self._prefix):
                self._voices.setdefault(event.room_id, UserID(event.state_key))
        elif isinstance(event, MessageEvent) and not event.sender.startswith(self._prefix):
            ghost = self._service.intent.user(self._voices[event.room_id])
            if self._reads:
                await ghost.mark_read(event.room_id, event.event_id)
            await ghost.send_text(event.room_id, event.content.body)


async def serve(config: Config, folder: Path, *, reads: bool) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    service = AppService(
        server=config.homeserver.address,
        domain=config.homeserver.domain,
        as_token=config.appservice.as_token.get_secret_value(),
        hs_token=config.appservice.hs_token.get_secret_value(),
        bot_localpart=config.appservice.bot_username,
        id=config.appservice.id,
        loop=asyncio.get_running_loop(),
        state_store=FileASStateStore(folder / "state.json", binary=False),
    )
    service.matrix_event_handler(Echo(service, f"@{config.appservice.username_prefix}", reads=reads).hear)
    await service.start(config.appservice.hostname, config.appservice.port)
    print(json.dumps({"event": "listening"}), file=sys.stderr, flush=True)
    await stopped.wait()
    await service.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as state:
        # The event loop of the bridge.
        uvloop.run(serve(load(Path(sys.argv[1])), Path(state), reads="read" in sys.argv[2:]))

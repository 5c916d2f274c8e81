"""The round trip of a message in an encrypted chat, beside that in one in the clear."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nio import AsyncClient, AsyncClientConfig, LocalProtocolError, RoomCreateResponse, RoomMessage

from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.household import question
from benchmarks.upstream import Upstream
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nio import Event, MatrixRoom

    from benchmarks.ground import Ground

#: Blocks of messages of each kind, messages of a block, and of the warm-up.
_BLOCKS, _MESSAGES, _WARM_UP = 6, 25, 10
_PATIENCE = 60.0
#: Seconds between an answer and the next question, in which the bridge finishes its work.
_PAUSE = 0.05
_ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


class _Talker:
    """A person with one client for both chats."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._heard = asyncio.Condition()
        self._bodies: set[tuple[str, str]] = set()
        client.add_event_callback(self._on_event, RoomMessage)

    async def _on_event(self, room: MatrixRoom, event: Event) -> None:
        if event.sender != self._client.user_id:
            async with self._heard:
                self._bodies.add((room.room_id, event.source["content"].get("body", "")))
                self._heard.notify_all()

    async def chat(self, ghost: str, *state: Mapping[str, object]) -> str:
        """Begin a direct chat with *ghost*; return its room id."""
        answer = await self._client.room_create(is_direct=True, invite=[ghost], initial_state=state)
        if not isinstance(answer, RoomCreateResponse):
            raise TypeError(answer)
        room_id = str(answer.room_id)

        async def ready() -> bool:
            room = self._client.rooms.get(room_id)
            if room is None or ghost not in room.users or room.users[ghost].invited:
                return False
            if not state or any(self._client.device_store.active_user_devices(ghost)):
                return True
            # The library forgets a change of which it hears during a query.
            self._client.olm.users_for_key_query.add(ghost)
            with suppress(LocalProtocolError):
                await self._client.keys_query()
            return False

        await eventually(ready, "the agent is there", _PATIENCE)
        return room_id

    async def trip(self, room_id: str) -> float:
        """Send a message, wait for its answer, and return the milliseconds."""
        text = question()
        started = time.monotonic()
        content = {"msgtype": "m.text", "body": text}
        await self._client.room_send(room_id, "m.room.message", content, ignore_unverified_devices=True)
        async with asyncio.timeout(_PATIENCE), self._heard:
            await self._heard.wait_for(lambda: (room_id, text) in self._bodies)
        took = time.monotonic() - started
        await asyncio.sleep(_PAUSE)
        return took * 1000


async def encrypted(ground: Ground) -> list[Figure]:
    """Measure ``encrypted_to_plain_ratio``."""
    user_id, token = await ground.register()
    times: dict[str, list[float]] = {"plain": [], "encrypted": []}
    ratios = []
    with tempfile.TemporaryDirectory(prefix="ab-bench-keys-") as folder:
        async with Upstream() as upstream:
            upstream.add(["Agent 1", "Agent 2"])
            async with ground.bridge("encrypted", upstream.api_url) as bridge:
                await bridge.ready(2)
                names = bridge.config.namespace
                ghosts = [names.user_id(names.localpart(f"agent-{number}")) for number in (1, 2)]
                client = AsyncClient(
                    ground.synapse.url,
                    store_path=str(Path(folder)),
                    config=AsyncClientConfig(encryption_enabled=True, store_sync_tokens=False),
                )
                device = await client.send("GET", f"/_matrix/client/v3/account/whoami?access_token={token}")
                client.restore_login(user_id, (await device.json())["device_id"], token)
                talker = _Talker(client)
                syncing = asyncio.create_task(client.sync_forever(timeout=30_000, full_state=True))
                try:
                    await client.synced.wait()
                    rooms = {
                        "plain": await talker.chat(ghosts[0]),
                        "encrypted": await talker.chat(ghosts[1], _ENCRYPTION),
                    }
                    for room_id in rooms.values():
                        for _ in range(_WARM_UP):
                            await talker.trip(room_id)
                    for _ in range(_BLOCKS):
                        block = {
                            kind: [await talker.trip(room_id) for _ in range(_MESSAGES)]
                            for kind, room_id in rooms.items()
                        }
                        ratios.append(median(block["encrypted"]) / median(block["plain"]))
                        for kind, taken in block.items():
                            times[kind] += taken
                finally:
                    syncing.cancel()
                    await asyncio.wait({syncing})
                    await client.close()
    return [
        Figure(
            "encrypted_to_plain_ratio",
            median(times["encrypted"]) / median(times["plain"]),
            "Round trip of a message in an encrypted direct chat, divided by that in one in the clear: from the "
            "request of a person's client, which encrypts in Python, until it has read the whole answer; medians of "
            f"{_BLOCKS * _MESSAGES} messages each, in alternating blocks of {_MESSAGES}.",
            Aim(1.5),
            ratios,
            {
                "plain p50 ms": median(times["plain"]),
                "encrypted p50 ms": median(times["encrypted"]),
                "plain p95 ms": percentile(times["plain"], 95),
                "encrypted p95 ms": percentile(times["encrypted"], 95),
            },
        )
    ]

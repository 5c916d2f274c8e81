"""The baseline *stateless relay*: the bridge without its database. It makes the same requests and stores nothing.

``python -m benchmarks.relay CONFIG`` serves the application service of a bridge's configuration with the bridge's own
endpoint, rules, homeserver client, upstream client and rendition. It keeps ghosts and transcripts in memory.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import uvloop
from aiohttp import web

from agent_bridge import log
from agent_bridge.bridge.answering.history import within_budget
from agent_bridge.bridge.delivery.receipts import Receipts
from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.config.load import load
from agent_bridge.core.ids import mark, turn_key
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.roles import Roles
from agent_bridge.core.rooms import KindName, Participant, Room
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import NewTurn
from agent_bridge.matrix.appservice import MAX_BODY, AppServiceEndpoint
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.content import edit, message
from agent_bridge.render.rendition import Pace, Rendition, ops_for
from agent_bridge.upstream.answer import AnswerRequest, TextDelta
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.config.model import Config
    from agent_bridge.core.answers import Op
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.upstream.base import Upstream

#: Every room counts as the home of this agent.
_AGENT = Participant(1, "agent")
#: As in the bridge: messages of a transcript.
_TRANSCRIPT = 200


class StatelessRelay:
    """Answers each message in a new task."""

    def __init__(self, config: Config, homeserver: Homeserver, agents: Upstream) -> None:
        self._namespace = config.namespace
        self._rules = Rules(config.namespace, Roles.fixed(config.permissions, config.namespace), config.bot.prefix)
        self._history_tokens = config.upstreams[0].history_tokens
        self._homeserver = homeserver
        self._receipts = Receipts(homeserver)
        self._agents = agents
        self._ghosts: dict[str, str] = {}
        self._transcripts: defaultdict[str, deque[ChatMessage]] = defaultdict(lambda: deque(maxlen=_TRANSCRIPT))
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, transaction_id: str, events: Sequence[RoomEvent]) -> None:
        """Start the answers to *events*, without storing them."""
        del transaction_id
        for event in events:
            if event.type == "m.room.member" and event.state_key is not None:
                self._learn(event.room_id, event.state_key)
            room = Room(event.room_id, KindName.HOME, _AGENT.agent, (_AGENT,))
            turn = self._rules.decide(event, room)
            if isinstance(turn, NewTurn) and isinstance(turn.payload, MessagePayload):
                task = asyncio.create_task(self._answer(turn, turn.payload.body))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def add_dead_letter(self, transaction_id: str, reason: str, body: str) -> None:
        """Discard the dead letter."""

    async def request_backfill(self, reason: str) -> None:
        """Do nothing: the relay has no backfill."""

    async def schedule_backfill(self) -> None:
        """Do nothing: the relay has no backfill."""

    def _learn(self, room_id: str, user_id: str) -> None:
        """Note the ghost that created the room: it answers there."""
        if self._namespace.is_ours(user_id) and user_id != self._namespace.bot:
            self._ghosts.setdefault(room_id, user_id)

    async def _answer(self, turn: NewTurn, body: str) -> None:
        ghost, transcript = self._ghosts[turn.room_id], self._transcripts[turn.room_id]
        key = turn_key(turn.event_id, ghost)
        history = within_budget(list(transcript), self._history_tokens)
        ask = AnswerRequest(ghost, (*history, ChatMessage("user", body)), session=turn.room_id, idempotency_key=key)
        voice = Voice(self._homeserver, turn.room_id, ghost, key)
        rendition = Rendition(Pace(), max_parts=8)
        async with self._receipts.working(turn.room_id, turn.event_id, ghost):
            async for delta in self._agents.answer(ask):
                if isinstance(delta, TextDelta):
                    rendition.feed(delta.text, time.monotonic())
                for op in rendition.take(time.monotonic()):
                    await voice.show(op)
        transcript.extend((ChatMessage("user", body), ChatMessage("assistant", rendition.text.strip())))
        for op in ops_for(rendition.text):
            await voice.show(op)


class Voice:
    """A ghost in a room, for one answer."""

    def __init__(self, homeserver: Homeserver, room_id: str, ghost: str, key: str) -> None:
        self._homeserver = homeserver
        self._room_id = room_id
        self._ghost = ghost
        self._key = key
        self._said: dict[int, str] = {}
        self._requests = 0

    async def show(self, op: Op) -> None:
        """Send or edit the part."""
        content = message(op.text, mark=mark(self._key, op.part), notice=op.notice, live=op.live, plain=op.plain)
        self._requests += 1
        txn_id = f"ab.{self._key}.{self._requests}"
        if op.part in self._said:
            content = edit(content, self._said[op.part])
        event_id = await self._homeserver.send(self._room_id, content, txn_id=txn_id, as_user=self._ghost)
        self._said.setdefault(op.part, event_id)


async def serve(config: Config) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    service = config.appservice
    async with (
        homeserver_session() as matrix,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        token = service.as_token.get_secret_value()
        homeserver = Homeserver(config.homeserver.address, token, config.namespace, matrix)
        relay = StatelessRelay(config, homeserver, make_upstream(config.upstreams[0], session, MemoryConversations()))
        app = web.Application(client_max_size=MAX_BODY + 1)
        AppServiceEndpoint(service.hs_token.get_secret_value(), relay).add_routes(app)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, service.hostname, service.port).start()
        print(json.dumps({"event": "listening"}), file=sys.stderr, flush=True)
        await stopped.wait()
        await runner.cleanup()


if __name__ == "__main__":
    log.configure("warning", "json")
    # The event loop of the bridge.
    uvloop.run(serve(load(Path(sys.argv[1]))))

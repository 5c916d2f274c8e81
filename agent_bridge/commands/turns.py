"""Commands about messages: which wait, which failed and why; to stop, to ask again, to set aside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.commands.registry import Command
from agent_bridge.commands.trace import open_state, reference_of
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import Streaming, WhenBusy
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.bridge.queue.lanes import Lanes
    from agent_bridge.commands.registry import Call
    from agent_bridge.commands.trace import Traces
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.agents import Agents
    from agent_bridge.store.database import Connection, Database
    from agent_bridge.store.turn_admin import TurnAdmin, TurnSummary

    #: Changes a turn; returns its lane, None when that cannot be any more.
    Change = Callable[[Connection, int], Awaitable[int | None]]

_ROWS = 50


class TurnCommands:
    """``stop``, ``busy``, ``stream``, ``queue``, ``failed``, ``retry``, ``drop`` and ``why``."""

    def __init__(
        self,
        database: Database,
        turn_admin: TurnAdmin,
        agents: Agents,
        lanes: Lanes,
        traces: Traces,
        prefix: str,
        texts: Texts,
    ) -> None:
        self._database = database
        self._turn_admin = turn_admin
        self._agents = agents
        self._lanes = lanes
        self._traces = traces
        self._prefix = prefix
        self._texts = texts

    def commands(self) -> list[Command]:
        """Return the commands."""
        words = self._texts
        return [
            Command("stop", "stop", words.help_stop, Role.MEMBER, self.stop),
            Command("busy", "busy queue|collect", words.help_busy, Role.MODERATOR, self.busy),
            Command("stream", "stream edits|off", words.help_stream, Role.MODERATOR, self.stream),
            Command("queue", "queue", words.help_queue, Role.ADMIN, self.queue),
            Command("failed", "failed", words.help_failed, Role.ADMIN, self.failed),
            Command("retry", words.usage_retry, words.help_retry, Role.ADMIN, self.retry),
            Command("drop", words.usage_drop, words.help_drop, Role.ADMIN, self.drop),
            Command("why", words.usage_why, words.help_why, Role.ADMIN, self.why),
        ]

    async def stop(self, call: Call) -> str:
        """Tell what became of the wish, which intake has noted already: it must not wait in a lane."""
        return self._texts.stopping if await self._turn_admin.stopped_by(call.event_id) else self._texts.nothing_runs

    async def busy(self, call: Call) -> str:
        """Set what happens to messages that wait in the room of the command."""
        try:
            busy = WhenBusy(call.arguments.strip().lower())
        except ValueError:
            return self._texts.usage.format(prefix=self._prefix, usage="busy queue|collect")
        if not await self._agents.set_when_busy(call.room_id, busy):
            return self._texts.not_an_agents_room
        return self._texts.busy[busy]

    async def stream(self, call: Call) -> str:
        """Set how answers are shown in the room of the command."""
        try:
            stream = Streaming(call.arguments.strip().lower())
        except ValueError:
            return self._texts.usage.format(prefix=self._prefix, usage="stream edits|off")
        if not await self._agents.set_streaming(call.room_id, stream):
            return self._texts.not_an_agents_room
        return self._texts.stream[stream]

    async def queue(self, _call: Call) -> str:
        """List the open turns."""
        entries = await self._turn_admin.open(_ROWS + 1)
        if not entries:
            return self._texts.queue_empty
        lines = [self._line(summary, open_state(summary, self._texts)) for summary in entries[:_ROWS]]
        return "\n".join(lines + ([self._texts.more] if len(entries) > _ROWS else []))

    async def failed(self, _call: Call) -> str:
        """List the turns that failed."""
        entries = await self._turn_admin.failed(_ROWS + 1)
        if not entries:
            return self._texts.none_failed
        lines = [self._line(summary, escape(summary.error or self._texts.no_cause)) for summary in entries[:_ROWS]]
        return "\n".join(lines + ([self._texts.more] if len(entries) > _ROWS else []))

    async def retry(self, call: Call) -> str:
        """Have a closed turn asked anew."""
        return await self._decide(
            call, self._texts.usage_retry, self._turn_admin.retry, self._texts.retrying, self._texts.cannot_retry
        )

    async def drop(self, call: Call) -> str:
        """Set an open turn aside."""

        async def set_aside(connection: Connection, turn: int) -> int | None:
            return await self._turn_admin.drop(connection, turn, call.event_id)

        return await self._decide(
            call, self._texts.usage_drop, set_aside, self._texts.dropping, self._texts.cannot_drop
        )

    async def why(self, call: Call) -> str:
        """Tell what became of a message."""
        if not call.arguments.strip():
            return self._texts.usage.format(prefix=self._prefix, usage=self._texts.usage_why)
        return await self._traces.tell(call.arguments)

    async def _decide(self, call: Call, usage: str, change: Change, done: str, cannot: str) -> str:
        """Have the turn that the command names changed, and its lane woken."""
        if not call.arguments.strip():
            return self._texts.usage.format(prefix=self._prefix, usage=usage)
        summary = await self._meant(call)
        if summary is None:
            return self._texts.no_such_turn.format(turn=escape(call.arguments), prefix=self._prefix)
        async with self._database.transaction() as connection:
            lane = await change(connection, summary.id)
            if lane is not None:
                await self._lanes.wake(connection, [lane])
        return (cannot if lane is None else done).format(turn=summary.key, state=self._texts.states[summary.state])

    async def _meant(self, call: Call) -> TurnSummary | None:
        """Return the turn that the command names; for one that became a part of another, that one."""
        _, reference = reference_of(call.arguments)
        summary = await self._turn_admin.find(reference)
        if summary is not None and summary.collected_into is not None:
            return await self._turn_admin.find(summary.collected_into)
        return summary

    def _line(self, summary: TurnSummary, state: str) -> str:
        return self._texts.listed.format(
            turn=summary.key,
            sender=escape(summary.sender),
            agent=escape(summary.agent or self._texts.the_bot),
            age=self._texts.duration((datetime.now(UTC) - summary.said_at).total_seconds()),
            state=state,
        )

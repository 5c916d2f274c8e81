"""Commands about messages: which wait, which failed and why; to stop, to ask again, to set aside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.commands.registry import Command
from agent_bridge.commands.trace import open_state, reference_of
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import Streaming, WhenBusy
from agent_bridge.core.turns import TurnState
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from agent_bridge.bridge.inbound.intake import Wakes
    from agent_bridge.commands.registry import Call
    from agent_bridge.commands.trace import Traces
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.database import Connection, Database
    from agent_bridge.store.rooms import Rooms
    from agent_bridge.store.turn_admin import TurnAdmin, TurnSummary

    #: Changes a turn for the event of a command; returns its lane, None when its state does not permit that.
    Change = Callable[[Connection, int, str], Awaitable[int | None]]

_ROWS = 50
#: The states in which a message is asked again, and those in which it is set aside, rather than in others.
_FAILED = frozenset({TurnState.FAILED, TurnState.STOPPED})
_OPEN = frozenset({TurnState.QUEUED, TurnState.RUNNING})


class TurnCommands:
    """``stop``, ``busy``, ``stream``, ``queue``, ``failed``, ``retry``, ``drop`` and ``why``."""

    def __init__(
        self,
        database: Database,
        turn_admin: TurnAdmin,
        rooms: Rooms,
        lanes: Wakes,
        traces: Traces,
        prefix: str,
        texts: Texts,
    ) -> None:
        self._database = database
        self._turn_admin = turn_admin
        self._rooms = rooms
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
        if not await self._rooms.set_when_busy(call.room_id, busy):
            return self._texts.not_an_agents_room
        return self._texts.busy[busy]

    async def stream(self, call: Call) -> str:
        """Set how answers are shown in the room of the command."""
        try:
            stream = Streaming(call.arguments.strip().lower())
        except ValueError:
            return self._texts.usage.format(prefix=self._prefix, usage="stream edits|off")
        if not await self._rooms.set_streaming(call.room_id, stream):
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
        """Queue closed turns again."""
        return await self._decide(
            call,
            self._texts.usage_retry,
            self._turn_admin.retry,
            self._texts.retrying,
            self._texts.cannot_retry,
            _FAILED,
        )

    async def drop(self, call: Call) -> str:
        """Set open turns aside."""
        return await self._decide(
            call, self._texts.usage_drop, self._turn_admin.drop, self._texts.dropping, self._texts.cannot_drop, _OPEN
        )

    async def why(self, call: Call) -> str:
        """Tell what became of a message."""
        if not call.arguments.strip():
            return self._texts.usage.format(prefix=self._prefix, usage=self._texts.usage_why)
        return await self._traces.tell(call.arguments)

    async def _decide(
        self, call: Call, usage: str, change: Change, done: str, cannot: str, states: Collection[TurnState]
    ) -> str:
        """Have the turns that the command names changed, and their lanes woken.

        Of several turns of one event only those in *states* are meant, if there are any.
        """
        if not call.arguments.strip():
            return self._texts.usage.format(prefix=self._prefix, usage=usage)
        found = await self._meant(call)
        turns = [turn for turn in found if turn.state in states] or found
        if not turns:
            return self._texts.no_such_turn.format(turn=escape(call.arguments), prefix=self._prefix)
        async with self._database.transaction() as connection:
            lanes = [await change(connection, turn.id, call.event_id) for turn in turns]
            await self._lanes.wake(connection, list({lane for lane in lanes if lane is not None}))
        return "\n\n".join(
            (cannot if lane is None else done).format(turn=turn.key, state=self._texts.states[turn.state])
            for turn, lane in zip(turns, lanes, strict=True)
        )

    async def _meant(self, call: Call) -> list[TurnSummary]:
        """Return the turns that the command names; for one that was collected, the turn that it was collected into."""
        _, reference = reference_of(call.arguments)
        turns = await self._turn_admin.find(reference)
        return await self._turn_admin.summaries(list(dict.fromkeys(turn.head or turn.id for turn in turns)))

    def _line(self, summary: TurnSummary, state: str) -> str:
        return self._texts.listed.format(
            turn=summary.key,
            sender=escape(summary.sender),
            agent=escape(summary.agent or self._texts.the_bot),
            age=self._texts.duration((datetime.now(UTC) - summary.said_at).total_seconds()),
            state=state,
        )

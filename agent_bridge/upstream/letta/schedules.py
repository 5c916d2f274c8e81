"""The schedules on which the server asks its agents by itself ("crons" of the protocol)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.upstream.capabilities import ScheduleInfo
from agent_bridge.upstream.transport.agent_texts import description_of
from agent_bridge.upstream.transport.json_values import objects, text
from agent_bridge.upstream.transport.letta_past import time_of
from agent_bridge.upstream.transport.pieces import short_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link

_PAUSED = "paused"
#: The statuses of schedules that have not ended.
_LIVE = frozenset({"active", _PAUSED})
#: Targets that are no conversation: the agent's main one, and a new one for each run.
_NO_CONVERSATION = frozenset({"", "default", "new"})


class LettaSchedules:
    """The schedules on the server at *link*."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def __call__(self, model: str, /) -> Sequence[ScheduleInfo]:
        """See :class:`agent_bridge.upstream.capabilities.Schedules`."""
        found = objects((await self._link.request("cron_list", agent_id=model)).get("tasks"))
        return tuple(_schedule(each) for each in found if text(each.get("status")) in _LIVE)


def _schedule(task: Frame) -> ScheduleInfo:
    conversation = text(task.get("conversation_id"))
    return ScheduleInfo(
        text(task.get("id")),
        short_line(text(task.get("name"))),
        description_of([text(task.get("description"))]),
        short_line(text(task.get("cron"))),
        short_line(text(task.get("timezone"))),
        None if task.get("recurring") is True else time_of(task.get("scheduled_for")),
        task.get("status") == _PAUSED,
        None if conversation in _NO_CONVERSATION else conversation,
    )

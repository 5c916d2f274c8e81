"""The pages that people read. Each is made of one or two statements with a limit."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from agent_bridge.admin.configuration import config_lines
from agent_bridge.admin.plots import Span, beginning, days, points
from agent_bridge.admin.routes import Shown
from agent_bridge.commands.lookup import parse_reference
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import HomeserverError, HomeserverUnavailable
from agent_bridge.core.names import one_line
from agent_bridge.core.quotas import Period
from agent_bridge.core.results.usage import UsageBy
from agent_bridge.i18n.catalogue import Text
from agent_bridge.render.content import escape
from agent_bridge.store.admin_lists import MOST_OPEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.admin.routes import Visit
    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.commands.trace import Traces
    from agent_bridge.config.model import Config
    from agent_bridge.core.admin import TurnMoment
    from agent_bridge.core.live import Live
    from agent_bridge.core.quotas import QuotaBook
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.render.results import ResultRenderer
    from agent_bridge.store.admin_lists import AdminLists
    from agent_bridge.store.admin_sessions import AdminSessions
    from agent_bridge.store.operations import OperationStore
    from agent_bridge.store.rollups import RollupStore
    from agent_bridge.store.turn_admin import TurnAdmin
    from agent_bridge.store.usage import UsageStore

#: Rows of a page, of a list of operations, and of the parts of the use.
_ROWS, _OPERATIONS, _PARTS = 50, 50, 50
#: The time that the list of activity begins with, its rows, and characters of a name that is looked for.
_LATELY, _MOMENTS, _LONGEST = timedelta(hours=1), 50, 100
_LARGEST_ID = 2**63 - 1
#: Seconds for which a trace waits for the homeserver.
_HOMESERVER = 3.0


class Pages:
    """Makes the pages."""

    def __init__(
        self,
        lists: AdminLists,
        turns: TurnAdmin,
        operations: OperationStore,
        usage: UsageStore,
        rollups: RollupStore,
        sessions: AdminSessions,
        status: UpstreamStatus,
        traces: Traces,
        renderer: ResultRenderer,
        config: Live[Config],
        quotas: Live[QuotaBook],
        texts: Texts,
    ) -> None:
        self._lists = lists
        self._turns = turns
        self._operations = operations
        self._usage = usage
        self._rollups = rollups
        self._sessions = sessions
        self._status = status
        self._traces = traces
        self._renderer = renderer
        self._config = config
        self._quotas = quotas
        self._texts = texts

    async def overview(self, _visit: Visit) -> Shown:
        """Show the state of all parts."""
        return Shown(
            "overview.html",
            {
                "overview": await self._lists.overview(),
                "upstreams": await self._status.read(),
                "operations": await self._operations.running(),
                "most_open": MOST_OPEN,
            },
        )

    async def agents(self, visit: Visit) -> Shown:
        """Show the agents by name."""
        begin = one_line(visit.query("begins"))[:_LONGEST]
        upstreams = [each.name for each in self._config.value.every_upstream]
        state = next((each for each in AgentState if each == visit.query("state")), None)
        upstream = next((each for each in upstreams if each == visit.query("upstream")), None)
        name, _, number = visit.query("after").rpartition("|")
        after = (name, _number(number)) if number else ("", -1)
        found = await self._lists.agents(_ROWS + 1, after, begin=begin, state=state, upstream=upstream)
        last = found[_ROWS - 1] if len(found) > _ROWS else None
        chosen = {"begins": begin, "state": state or "", "upstream": upstream or ""}
        return Shown(
            "agents.html",
            {
                "agents": found[:_ROWS],
                "chosen": chosen,
                "upstreams": upstreams,
                "is_first": after == ("", -1),
                "next": None if last is None else {**chosen, "after": f"{last.sort_key}|{last.id}"},
                "domain": self._config.value.homeserver.domain,
            },
        )

    async def lanes(self, visit: Visit) -> Shown:
        """Show the lanes with open turns."""
        offset = min(_number(visit.query("from")), MOST_OPEN)
        found = await self._lists.lanes(_ROWS + 1, offset)
        return Shown(
            "lanes.html",
            {
                "lanes": found[:_ROWS],
                "is_first": offset == 0,
                "next": {"from": str(offset + _ROWS)} if len(found) > _ROWS else None,
                "notice": self._notice(visit),
            },
        )

    async def failures(self, visit: Visit) -> Shown:
        """Show the messages that failed, and those that have failed and are tried again."""
        at, _, number = visit.query("before").rpartition("|")
        try:
            before = (datetime.fromisoformat(at).astimezone(UTC), _number(number)) if at else None
        except (ValueError, OverflowError):
            before = None
        found = await self._lists.failed(_ROWS + 1, before)
        failed = await self._turns.summaries(found[:_ROWS])
        last = failed[-1] if len(found) > _ROWS and failed else None
        is_first = before is None
        return Shown(
            "failures.html",
            {
                "failed": failed,
                "failing": await self._turns.summaries(await self._lists.failing(_ROWS)) if is_first else [],
                "is_first": is_first,
                "next": None
                if last is None or last.finished_at is None
                else {"before": f"{last.finished_at.astimezone(UTC).isoformat()}|{last.id}"},
                "notice": self._notice(visit),
            },
        )

    async def trace(self, visit: Visit) -> Shown:
        """Show the trace of a message, by the function of the command ``why``."""
        reference = one_line(visit.query("message"))[: 4 * _LONGEST]
        markdown = ""
        if reference:
            try:
                async with asyncio.timeout(_HOMESERVER):
                    markdown = self._renderer.render(await self._traces.find(parse_reference(reference)))
            except HomeserverError as error:
                markdown = escape(error.says(self._texts))
            except TimeoutError as error:
                away = HomeserverUnavailable(Text("homeserver_away", said=type(error).__name__))
                markdown = escape(away.says(self._texts))
        return Shown("trace.html", {"reference": reference, "trace": markdown})

    async def usage(self, visit: Visit) -> Shown:
        """Show tokens and costs, as the command ``usage`` adds them up."""
        period = Period.MONTH if visit.query("period") == Period.MONTH else Period.DAY
        by = next((each for each in UsageBy if each == visit.query("by")), UsageBy.AGENT)
        since = period.start(datetime.now(UTC), self._quotas.value.zone)
        parts, number, total = await self._usage.parts(by, since, _PARTS)
        return Shown(
            "usage.html",
            {
                "period": period,
                "periods": (Period.DAY, Period.MONTH),
                "by": by,
                "parts_": parts,
                "more": max(0, number - _PARTS),
                "total": total,
            },
        )

    async def plots(self, visit: Visit) -> Shown:
        """Show the frames of the plots, and the same numbers as a table."""
        span = _span(visit)
        sums = await self._rollups.read(beginning(span, datetime.now(UTC)))
        return Shown("plots.html", {"span": span, "spans": tuple(Span), "days": days(sums, self._quotas.value.zone)})

    async def points(self, visit: Visit) -> web.Response:
        """Return the points of the plots as JSON."""
        span, now = _span(visit), datetime.now(UTC)
        found = points(await self._rollups.read(beginning(span, now)), span, now)
        return web.Response(text=json.dumps(found), content_type="application/json")

    async def activity(self, _visit: Visit) -> Shown:
        """Show the changes of the last hour; the live ones follow by events."""
        begin = await self._lists.now() - _LATELY
        found = await self._lists.moments(begin, _MOMENTS)
        return Shown("activity.html", {"moments": [self.described(each) for each in reversed(found[-_MOMENTS:])]})

    async def operations(self, _visit: Visit) -> Shown:
        """Show the operations with their progress."""
        return Shown("operations.html", {"operations": await self._operations.entries(_OPERATIONS)})

    async def configuration(self, _visit: Visit) -> Shown:
        """Show the configuration without secrets."""
        # With thousands of agents and people this takes longer than the event loop may.
        lines = await asyncio.to_thread(config_lines, self._config.value)
        return Shown("configuration.html", {"lines": lines})

    async def log(self, visit: Visit) -> Shown:
        """Show the actions of administrators."""
        before = _number(visit.query("before")) or None
        found = await self._sessions.actions(_ROWS + 1, before)
        has_more = len(found) > _ROWS
        return Shown(
            "log.html",
            {
                "actions": found[:_ROWS],
                "is_first": before is None,
                "next": {"before": str(found[_ROWS - 1].id)} if has_more else None,
            },
        )

    def described(self, moment: TurnMoment) -> dict[str, Any]:
        """Return a change of a turn as text of each column. It has no words of people."""
        words, commands = self._texts.admin, self._texts.commands
        kind = "" if moment.room_kind is None else words.room_kinds[moment.room_kind]
        number = "" if moment.number is None else words.chat.format(number=moment.number)
        seconds = "" if moment.seconds is None else words.seconds.format(seconds=f"{moment.seconds:.1f}")
        zone = self._quotas.value.zone
        return {
            "id": f"{moment.key}.{moment.state}.{moment.at.timestamp():.3f}",
            "key": moment.key,
            "at": f"{moment.at.astimezone(zone):%H:%M:%S}",
            "agent": one_line(moment.agent or "")[:_LONGEST],
            "room": number or kind or words.unknown_room,
            "kind": words.turn_kinds[moment.kind],
            "state": moment.state,
            "says": commands.states[moment.state],
            "seconds": seconds,
        }

    def _notice(self, visit: Visit) -> str | None:
        code = visit.query("notice")
        return code if code in self._texts.admin.notices else None


def routes_of(pages: Pages) -> dict[str, Any]:
    """Return the functions of *pages* by the ends of their paths."""
    named: Sequence[tuple[str, Any]] = (
        ("", pages.overview),
        ("/agents", pages.agents),
        ("/lanes", pages.lanes),
        ("/failures", pages.failures),
        ("/trace", pages.trace),
        ("/usage", pages.usage),
        ("/plots", pages.plots),
        ("/plots/points", pages.points),
        ("/activity", pages.activity),
        ("/operations", pages.operations),
        ("/configuration", pages.configuration),
        ("/log", pages.log),
    )
    return dict(named)


def _span(visit: Visit) -> Span:
    return Span.DAY if visit.query("span") == Span.DAY else Span.WEEK


def _number(text: str) -> int:
    """Return a row id or a place that a query names; 0 if it names none."""
    return (
        min(int(text), _LARGEST_ID) if text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST_ID)) else 0
    )

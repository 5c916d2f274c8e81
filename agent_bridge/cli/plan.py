"""``agent-bridge plan``: the changes of the next pass, and the rooms that keep their agents if a kind changes."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import aiohttp

from agent_bridge.bridge.agents.configured import entries_of
from agent_bridge.bridge.agents.pass_plan import PassPlanner, ask_all
from agent_bridge.bridge.agents.switch import Unclear, compare_kinds
from agent_bridge.cli.probe import without_credentials
from agent_bridge.cli.remedies import remedy_for
from agent_bridge.config.agents_source import AgentsSource
from agent_bridge.config.kinds import as_kind, parse_kind, unused_keys
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.live import Live
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.markdown.unmarked import to_unmarked
from agent_bridge.render.repairs import render_plan
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres import migrate
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.embedded import database_uri
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.servers import Servers
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.agents.pass_plan import Lists
    from agent_bridge.bridge.agents.switch import Switch
    from agent_bridge.config.model import Config
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.results.repairs import PassPlan
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.upstream.base import AgentInfo

_REASONS = {
    Unclear.NOT_LISTED: "the list has no agent of this name",
    Unclear.SEVERAL_LISTED: "the list has several agents of this name",
    Unclear.SEVERAL_KNOWN: "several rooms have agents of this name",
}


@dataclass(frozen=True, slots=True)
class PlanResult:
    """The result of ``agent-bridge plan``."""

    #: The comparison of upstreams whose kind changes, in words; empty without one.
    kinds: str
    #: Whether each upstream answered and, if its kind changes, each room keeps its agent.
    is_clear: bool
    passes: PassPlan

    @property
    def exit_code(self) -> int:
        """0: nothing to do; 1: an upstream does not answer, or an agent is unclear; 4: something to do."""
        if not self.is_clear:
            return 1
        return 4 if self.passes.has_changes or self.passes.is_held else 0

    @property
    def text(self) -> str:
        """The result for people."""
        return "\n\n".join(filter(None, [self.kinds, to_unmarked(render_plan(self.passes, ENGLISH))]))

    @property
    def json(self) -> str:
        """The result for programs: the fields of :class:`~agent_bridge.core.results.repairs.PassPlan`."""
        return json.dumps(asdict(self.passes), ensure_ascii=False, indent=2)


async def plan(config: Config, name: str | None, kind: str | None) -> PlanResult:
    """Compare the list of each upstream, or of the one called *name* as *kind*, with the agents that are known of it.

    Raises:
        ConfigError: there is no such upstream or kind, or *kind* needs the name of one.
        StoreError: the database cannot be used.
    """
    wanted = None if kind is None else parse_kind(kind)
    upstreams = [each if wanted is None else as_kind(each, wanted) for each in _chosen(config, name, kind)]
    entries = entries_of(await asyncio.to_thread(AgentsSource(config, None).read), config.upstreams)
    async with aiohttp.ClientSession() as session:
        async with database_uri(config.database) as uri:
            await asyncio.to_thread(migrate.check, uri)
            async with Database(uri) as database:
                agents = Agents(database)
                found = {each.name: await agents.of_upstream(each.name) for each in upstreams}
                lists = await ask_all(upstreams, session)
                kv, role_store = KeyValues(database), RoleStore(database)
                planner = PassPlanner(agents, kv, role_store, Servers(database), Live(config), ENGLISH)
                own = [each for each in entries if each.upstream.name in found]
                passes = await planner.plan(upstreams, lists, own)
        # The configuration tells the model of an agent that has an entry.
        rooms = {name: [each for each in known if each.agent.entry is None] for name, known in found.items()}
        before = {each.name: each for each in config.upstreams}
        sections = [await _section(each, rooms[each.name], lists) for each in upstreams]
        changed = [each for each in upstreams if before[each.name].kind != each.kind]
        changes = [await _change(before[each.name], each, session) for each in changed]
    kinds = "\n\n".join([*(text for text, _ in sections if text), *changes])
    return PlanResult(kinds, not lists.errors and all(is_clear for _, is_clear in sections), passes)


def _chosen(config: Config, name: str | None, kind: str | None) -> Sequence[UpstreamConfig]:
    names = ", ".join(each.name for each in config.upstreams)
    if name is None:
        if kind is not None and len(config.upstreams) > 1:
            raise ConfigError(f"--kind needs the name of an upstream: {names}")
        return config.upstreams
    chosen = [each for each in config.upstreams if each.name == name]
    if not chosen:
        raise ConfigError(f"no upstream is called {name}: {names}")
    return chosen


async def _section(config: UpstreamConfig, rooms: Sequence[AgentRoom], lists: Lists) -> tuple[str, bool]:
    """Return the comparison of one upstream in words, empty if its kind does not change, and whether it is clear."""
    head = f"{config.name} (kind: {config.kind}, {without_credentials(config.url)})"
    if (error := lists.errors.get(config.name)) is not None:
        remedy = await remedy_for(error, config)
        return f"{head}: {error.says(ENGLISH)}{f' → {remedy}' if remedy else ''}", False
    listed = lists.found[config.name]
    if not any(each.agent.kind != config.kind and not each.agent.state.is_at_rest for each in rooms):
        return "", True
    facts = ", ".join(filter(None, [lists.servers[config.name], ENGLISH.count(len(listed), ENGLISH.agent)]))
    switch = compare_kinds([each.agent for each in rooms], listed, config.kind)
    return "\n".join([f"{head}: {facts}", *_lines(config, rooms, listed, switch)]), not switch.unclear


def _lines(
    config: UpstreamConfig, rooms: Sequence[AgentRoom], listed: Sequence[AgentInfo], switch: Switch
) -> list[str]:
    room_ids = {each.agent.id: each.home.room_id or "no room yet" for each in rooms}
    settled = {each.agent.model for each in rooms if each.agent.kind == config.kind}
    settled |= {item.model for _, item in switch.found}
    new = [each for each in listed if each.model not in settled]
    held = [(agent, _reason(agent, reason, listed)) for agent, reason in switch.unclear]
    rows = [
        *(("keeps", agent.name, f"{agent.model} → {item.model}", room_ids[agent.id]) for agent, item in switch.found),
        *(("HELD", agent.name, reason, room_ids[agent.id]) for agent, reason in held),
        *(("waits" if held else "new", item.name, item.model, "no room yet") for item in new),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  " + "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)) for row in rows]
    return [*lines, *_explanation(held=bool(held), waits=bool(held and new))]


def _reason(agent: Agent, reason: Unclear, listed: Sequence[AgentInfo]) -> str:
    ids = ", ".join(item.model for item in listed if item.name == agent.name)
    return f"{_REASONS[reason]}{f': {ids}' if ids else ''}"


def _explanation(*, held: bool, waits: bool) -> list[str]:
    lines = ["Rooms, ghosts and the Space stay. Each conversation begins again on the server, with its last messages."]
    if held:
        lines.append(
            "HELD: the room stays, and its messages wait. After the change, !ab same <old> <new> tells which agent it "
            "is, and !ab sync all accepts the list as it is."
        )
    if waits:
        lines.append("waits: it gets no room before that, because it may be an agent that is HELD.")
    return [f"  {line}" for line in lines]


async def _change(before: UpstreamConfig, after: UpstreamConfig, session: aiohttp.ClientSession) -> str:
    """Return the change of the configuration that the comparison is about, and its effect on tools."""
    steps = ["stop all processes of the bridge", f"set kind: {after.kind}"]
    if unused := unused_keys(before, after.kind):
        steps.append(f"remove {', '.join(unused)}")
    told = f"Nothing was written. To change it, {', '.join(steps)}, and start them again."
    if await _has_approvals(before, session) and not await _has_approvals(after, session):
        told = f"With kind: {after.kind} the bridge asks nobody about tools: they run if the server lets them.\n{told}"
    return told


async def _has_approvals(config: UpstreamConfig, session: aiohttp.ClientSession) -> bool:
    async with aclosing(make_upstream(config, session, MemoryConversations())) as upstream:
        return upstream.can.approvals is not None

"""The next pass in numbers: the lists of the upstreams and the tables, compared without a change.

The plan applies the decisions of a pass to the records of the tables in memory, and compares the records before with
those after. It makes no request to the homeserver. How long the lists have lacked an agent is known to the leader
alone, so the plan counts each agent that a list lacks as one that goes.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.bridge.agents.decisions import Limits, decide
from agent_bridge.bridge.agents.desired import desired_again, desired_agent
from agent_bridge.bridge.agents.entries import changes
from agent_bridge.bridge.agents.identity import HeldChange
from agent_bridge.bridge.agents.switch import compare_kinds
from agent_bridge.bridge.rooms.access import can_restrict
from agent_bridge.config.retirement import rules_of
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import UpstreamError
from agent_bridge.core.results.repairs import PassPlan
from agent_bridge.core.roles import Role, RoleBook
from agent_bridge.store.agents import AgentRoom
from agent_bridge.store.kv import KeyValues
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.bridge.agents.decisions import PassDecision
    from agent_bridge.bridge.agents.entries import Entry
    from agent_bridge.config.model import Config
    from agent_bridge.config.retirement import RetirementRule
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.live import Live
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.agents import Agents, DesiredAgent
    from agent_bridge.store.roles import RoleStore
    from agent_bridge.store.servers import Servers
    from agent_bridge.upstream.base import AgentInfo


class Lists:
    """The lists of the upstreams, and the errors of those that returned none; both by name."""

    def __init__(
        self, found: Mapping[str, Sequence[AgentInfo]], errors: Mapping[str, UpstreamError], servers: Mapping[str, str]
    ) -> None:
        self.found = found
        self.errors = errors
        #: The software of the servers.
        self.servers = servers
        self._models = {name: {item.model for item in listed} for name, listed in found.items()}

    def lists(self, upstream: str, agent_id: str) -> bool | None:
        """Tell whether the list of *upstream* has *agent_id*; None if it returned no list."""
        return None if upstream in self.errors else agent_id in self._models.get(upstream, ())


async def ask_all(upstreams: Iterable[UpstreamConfig], session: aiohttp.ClientSession) -> Lists:
    """Ask *upstreams* for their agents with clients of its own: those of the leader leave out unchanged lists."""
    configs = list(upstreams)
    answers = await asyncio.gather(*(_ask(config, session) for config in configs))
    found: dict[str, Sequence[AgentInfo]] = {}
    errors: dict[str, UpstreamError] = {}
    servers: dict[str, str] = {}
    for config, (answer, server) in zip(configs, answers, strict=True):
        if isinstance(answer, UpstreamError):
            errors[config.name] = answer
        else:
            found[config.name], servers[config.name] = answer, server
    return Lists(found, errors, servers)


async def _ask(
    config: UpstreamConfig, session: aiohttp.ClientSession
) -> tuple[Sequence[AgentInfo] | UpstreamError, str]:
    """Return the agents of an upstream, or why it returned none, and the software of its server."""
    async with aclosing(make_upstream(config, session, MemoryConversations())) as upstream:
        try:
            listed = await upstream.agents()
        except UpstreamError as error:
            return error, ""
        return () if listed is UNCHANGED else listed, upstream.server


class PassPlanner:
    """Plans the next pass of the bridge with *config*."""

    def __init__(
        self, agents: Agents, kv: KeyValues, role_store: RoleStore, servers: Servers, config: Live[Config], texts: Texts
    ) -> None:
        self._agents = agents
        self._kv = kv
        self._role_store = role_store
        self._servers = servers
        self._config = config
        self._texts = texts

    async def next_pass(self) -> PassPlan:
        """Ask all upstreams for their agents, and return the changes of the next pass. Only reads.

        Raises:
            StoreError: the tables cannot be read.
        """
        upstreams = self._config.value.upstreams
        async with aiohttp.ClientSession() as session:
            lists = await ask_all(upstreams, session)
        return await self.plan(upstreams, lists)

    async def plan(
        self, upstreams: Sequence[UpstreamConfig], lists: Lists, entries: Sequence[Entry] | None = None
    ) -> PassPlan:
        """Return the changes of the next pass over *upstreams*, whose *lists* were just read. Only reads.

        *entries*: the configuration has these entries, and their changes are a part of the pass; None: the tables have
        the entries already.

        Raises:
            StoreError: the tables cannot be read.
        """
        names = {each.name for each in upstreams}
        # One list may have ten thousand agents.
        before = [each for each in await self._agents.all() if each.agent.upstream in names]
        values = await self._kv.some(KeyValues.SPACE, KeyValues.SPACE_TRUSTED, KeyValues.SPACE_INVITED)
        newest = (await self._role_store.current()).book
        # The leader publishes the permissions of its configuration before it invites.
        book = RoleBook(self._config.value.permissions, {} if newest is None else newest.assigned)
        config = self._config.value
        found = await asyncio.to_thread(plan_pass, config, upstreams, lists, entries, before, values, book)
        found = replace(found, places=tuple(await self._servers.pending()))
        return replace(found, away=tuple((name, error.says(self._texts)) for name, error in lists.errors.items()))


def plan_pass(
    config: Config,
    upstreams: Sequence[UpstreamConfig],
    lists: Lists,
    entries: Sequence[Entry] | None,
    before: Sequence[AgentRoom],
    values: Mapping[str, Any],
    book: RoleBook,
) -> PassPlan:
    """Return the changes of a pass over *upstreams* for the agents *before* it: a pure function.

    *values* are those of the table ``kv``, and *book* has the roles that count in the pass.
    """
    simulated = _Simulation(config, before)
    if entries is not None:
        simulated.apply_entries(entries, lists)
    decisions = [simulated.apply_list(each, lists.found[each.name]) for each in upstreams if each.name in lists.found]
    held = sum((each.held for each in decisions), HeldChange())
    put_away, delete = _retired(before, simulated, [each for each in rules_of(config) if each.upstream in lists.found])
    return replace(
        _changes(before, simulated, config, values, book),
        put_away=put_away,
        delete=delete,
        waiting=tuple(item.name for each in decisions for item in each.waiting),
        doubted=tuple(agent.name for each in decisions for agent in each.doubted),
        vanished=held.vanished_names,
        appeared=held.appeared_names,
    )


class _Simulation:
    """The records of the tables, to which the changes of a pass are applied."""

    def __init__(self, config: Config, before: Sequence[AgentRoom]) -> None:
        self._config = config
        #: By row id, without the new agents *added*.
        self.after = {each.agent.id: each for each in before}
        self.added: list[DesiredAgent] = []

    def apply_entries(self, entries: Sequence[Entry], lists: Lists) -> None:
        """Make the changes after which the agents of *entries* are those of the configuration."""
        known = list(self.after.values())
        made = changes(entries, known, lists.lists, self._config.templates, self._config.namespace)
        for row, is_listed in made.released:
            agent = self.after[row].agent
            stays = is_listed or agent.state is AgentState.RETIRED
            state = agent.state if stays else AgentState.GONE
            self._replace(row, replace(agent, model=agent.entry or agent.model, entry=None, state=state))
        for row, wanted in made.changed:
            self._write(row, wanted)
        self.added += made.added

    def apply_list(self, upstream: UpstreamConfig, listed: Sequence[AgentInfo]) -> PassDecision:
        """Make the changes that follow from a list; return the decision."""
        templates = self._config.templates
        own = {row: each for row, each in self.after.items() if each.agent.upstream == upstream.name}
        entries = {each.agent.entry for each in own.values()}
        entries |= {each.entry for each in self.added if each.upstream == upstream.name}
        listed = [item for item in listed if item.model not in entries]
        known = {row: each for row, each in own.items() if each.agent.entry is None}
        switch = compare_kinds([each.agent for each in known.values()], listed, upstream.kind)
        for agent, item in switch.found:
            self._replace(agent.id, replace(agent, model=item.model, kind=upstream.kind))
            known[agent.id] = self.after[agent.id]
        unclear = {agent.id for agent, _ in switch.unclear}
        limits = Limits(gone_after=0, max_new_agents=upstream.max_new_agents, holds_many=not upstream.ephemeral)
        decision = decide(known, listed, {}, unclear, limits)
        for agent, item, state in (*decision.present, *decision.back):
            self._write(agent.id, desired_again(templates, agent, model=item.model, name=item.name, state=state))
        for agent in decision.gone:
            wanted = desired_again(templates, agent, model=agent.model, name=agent.name, state=AgentState.GONE)
            self._write(agent.id, wanted)
        for item, state in decision.added:
            named = {"agent_id": item.model, "model": item.model, "name": item.name, "ghost": ""}
            self.added.append(desired_agent(templates, upstream=upstream.name, state=state, **named))
        return decision

    def _replace(self, row: int, agent: Agent) -> None:
        self.after[row] = replace(self.after[row], agent=agent)

    def _write(self, row: int, wanted: DesiredAgent) -> None:
        before = self.after[row]
        agent = replace(
            before.agent,
            model=wanted.model,
            name=wanted.name,
            state=wanted.state,
            displayname=wanted.displayname,
            entry=wanted.entry,
        )
        self.after[row] = AgentRoom(agent, replace(before.home, name=wanted.room_name, topic=wanted.room_topic))


def _changes(
    before: Sequence[AgentRoom], simulated: _Simulation, config: Config, values: Mapping[str, Any], book: RoleBook
) -> PassPlan:
    """Return the differences between the records *before* a pass and after it. *values*: those of the table ``kv``."""
    present = {each.agent.id: each for each in before}
    after = list(simulated.after.values())
    active = [each for each in after if each.agent.state is AgentState.ACTIVE]
    with_room = [each for each in active if each.home.room_id is not None]
    new = [each.agent.name for each in active if each.home.room_id is None and each.agent.displayname_applied is None]
    lost = [each.agent.name for each in active if each.home.room_id is None and each.agent.displayname_applied]
    added = [each.name for each in simulated.added if each.state is AgentState.ACTIVE]
    fresh = (*new, *lost, *added)
    space = values.get(KeyValues.SPACE) if config.space.enabled else None
    moved = [
        each.agent.name for each in with_room if config.space.enabled and (space is None or each.home.space != space)
    ]
    gone = [
        each.agent.name
        for each in after
        if each.agent.state is AgentState.GONE and present[each.agent.id].agent.state is not AgentState.GONE
    ]
    back = {each.agent.id for each in before if each.agent.state.is_at_rest}
    is_private = config.rooms.private
    people = {user for user in config.rooms.invite if book.role_of(user) is not Role.NONE}
    # Each person gets an own room with each agent.
    entered, without = (active, len(added)) if is_private else (with_room, len(fresh))
    return PassPlan(
        create=() if is_private else fresh,
        add=(*new, *added) if is_private else (),
        rename=tuple(
            pair
            for each in active
            if each.agent.id not in back and (pair := _renamed(present[each.agent.id], each)) is not None
        ),
        retire=tuple(gone),
        back=tuple(each.agent.name for each in active if each.agent.id in back),
        invite=_invited(people, entered, without, config, values),
        move=tuple(moved),
    )


def _retired(
    before: Sequence[AgentRoom], simulated: _Simulation, rules: Iterable[RetirementRule]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the agents that *rules* put away, and those whose rooms they delete.

    Agents that go in this pass are not due yet.
    """
    by_upstream, now = {each.upstream: each for each in rules}, datetime.now(UTC)
    put_away: list[str] = []
    delete: list[str] = []
    for each in before:
        agent, rule = each.agent, by_upstream.get(each.agent.upstream)
        stays_gone = agent.state is simulated.after[agent.id].agent.state is AgentState.GONE
        if rule is None or not stays_gone or now - agent.state_since <= timedelta(seconds=rule.seconds):
            continue
        (delete if rule.deletes and each.home.room_id is not None else put_away).append(agent.name)
    return tuple(put_away), tuple(delete)


def _renamed(before: AgentRoom, after: AgentRoom) -> tuple[str, str] | None:
    """Return the names of an agent before and after; those of its ghost or its room if only these change."""
    if before.agent.name != after.agent.name:
        return before.agent.name, after.agent.name
    applied, wanted = before.agent.displayname_applied, after.agent.displayname
    if applied is not None and applied != wanted:
        return applied, wanted
    applied, wanted = before.home.name_applied, after.home.name
    if before.home.room_id is not None and applied != wanted:
        return applied or before.agent.name, wanted
    return None


def _invited(
    people: set[str], with_room: Sequence[AgentRoom], new_rooms: int, config: Config, values: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return those of *people* whom a pass invites: to the Space, and to rooms that they cannot enter from there."""
    invited = set(values.get(KeyValues.SPACE_INVITED) or ())
    found = people - invited if config.space.enabled else set()
    # A Space that is made has no strangers.
    space = values.get(KeyValues.SPACE)
    is_trusted = config.space.enabled and (space is None or values.get(KeyValues.SPACE_TRUSTED) == space)
    if config.rooms.private or not (is_trusted and can_restrict(config.rooms)):
        found |= people if new_rooms else set()
        for each in with_room:
            found |= people - each.home.invited
    return tuple(sorted(found))

"""Configured agents: the entries of the configuration become agents, and changes of the file count at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.agents.avatars import MAX_BYTES
from agent_bridge.bridge.agents.entries import Entry, changes
from agent_bridge.bridge.queue.periodic import every
from agent_bridge.config.agents import picture_file, upstream_of
from agent_bridge.core.errors import ConfigError, FileRefused
from agent_bridge.core.names import printable
from agent_bridge.files.local_picture import address_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from agent_bridge.bridge.agents.discovery import Discovery
    from agent_bridge.bridge.rooms.admin_room import AdminRoom
    from agent_bridge.config.agents import AgentConfig
    from agent_bridge.config.agents_source import AgentsSource, Stat
    from agent_bridge.config.model import Config
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.agents import Agents, EntryChanges

_log = structlog.stdlib.get_logger(__name__)

#: Seconds between two looks at the files. A file counts when two looks find it the same: it may be written in between.
_INTERVAL = 1.0
#: Faults that the administrators are told.
_MAX_FAULTS = 10


@dataclass(frozen=True, slots=True)
class _Version:
    """What the files say at one time."""

    #: The state of the files, by path.
    stats: Mapping[Path, Stat]
    entries: tuple[Entry, ...] = ()
    #: The faults, which leave no entries; empty for a valid version.
    faults: str = ""
    #: A hash of the file with the faults.
    content: str = ""


class ConfiguredAgents:
    """Keeps the tables of agents equal to the entries of *source*. The tables have the last valid version."""

    def __init__(
        self,
        source: AgentsSource,
        agents: Agents,
        discovery: Discovery,
        admin_room: AdminRoom,
        config: Config,
        texts: Texts,
    ) -> None:
        self._source = source
        self._agents = agents
        self._discovery = discovery
        self._admin_room = admin_room
        self._config = config
        self._texts = texts
        #: The state of the files at the last look, and the one that the tables have or the administrators were told.
        self._seen: Mapping[Path, Stat] | None = None
        self._done: Mapping[Path, Stat] | None = None

    def are_applied(self) -> bool:
        """Tell whether the tables have the present entries, or the last valid ones, and all lists were seen."""
        return self._done is not None

    async def run(self) -> None:
        """Write the entries into the tables now and after each change, until cancelled."""
        # Another process may have led since this one did, with other files.
        self._seen = self._done = None
        await every(_INTERVAL, self._look, name="look at the configured agents")

    async def _look(self) -> None:
        stats = await asyncio.to_thread(self._source.stats)
        was_seen = self._seen is None or stats == self._seen
        self._seen = stats
        if stats == self._done or not was_seen:
            return
        version = await asyncio.to_thread(self._read)
        # The version may name other files, and the files may have changed since.
        self._seen = version.stats
        if any(version.stats.get(path, stat) != stat for path, stat in stats.items()):
            return
        if version.faults:
            await self._report(version)
        elif not await self._apply(version.entries):
            # An upstream has not told its list yet.
            return
        self._done = version.stats

    def _read(self) -> _Version:
        try:
            found = self._source.read()
        except ConfigError as error:
            return _Version(self._source.stats(), faults=str(error), content=self._source.content)
        return _Version(self._source.stats(), entries_of(found, self._config.upstreams))

    async def _apply(self, entries: tuple[Entry, ...]) -> bool:
        """Write *entries* into the tables; tell whether nothing is left to be done.

        Raises:
            StoreError: nothing was written.
        """
        names = [each.name for each in self._config.upstreams]
        is_complete = all(self._discovery.lists(name, "") is not None for name in names)
        if not entries and not await self._agents.have_entries():
            # Most bridges have none, and may have thousands of agents to compare with them.
            return is_complete
        plan = partial(
            changes,
            entries,
            lists=self._discovery.lists,
            templates=self._config.templates,
            namespace=self._config.namespace,
        )
        made = await self._agents.configure(plan)
        if made:
            await asyncio.to_thread(_log_changes, made)
            # Lists may have agents that are released, and pictures of those that have an entry now.
            self._discovery.look_again()
        return is_complete

    async def _report(self, version: _Version) -> None:
        """Log the faults, and tell them the administrators, once for each content of the file.

        Raises:
            HomeserverUnavailable, StoreError: the next look tells it.
        """
        _log.error("the configured agents are not valid: the last valid ones stay", faults=version.faults)
        lines = [printable(line).replace("`", "'") for line in version.faults.splitlines()]
        shown = lines[:_MAX_FAULTS] + ["…"] * (len(lines) > _MAX_FAULTS)
        text = self._texts.agents_invalid.format(faults="\n".join(shown))
        await self._admin_room.tell_once(f"agents.{version.content}", text)


def entries_of(agents: Iterable[AgentConfig], upstreams: Sequence[UpstreamConfig]) -> tuple[Entry, ...]:
    """Return the entries of configured *agents*, with the addresses of their pictures. Reads files, and so blocks."""
    return tuple(entry for each in agents if (entry := _entry(each, upstreams)) is not None)


def _entry(config: AgentConfig, upstreams: Sequence[UpstreamConfig]) -> Entry | None:
    upstream = upstream_of(config, upstreams)
    if upstream is None:
        # The source has refused it.
        return None
    path = picture_file(config)
    if path is None:
        return Entry(config, upstream, config.avatar or "")
    try:
        return Entry(config, upstream, address_of_file(path, MAX_BYTES))
    except FileRefused as error:
        _log.warning("the picture of an agent is not used", agent=config.label, error=str(error))
        return Entry(config, upstream)


def _log_changes(made: EntryChanges) -> None:
    for each in made.added:
        _log.info("agent configured", upstream=each.upstream, agent=each.name, entry=each.entry)
    for agent, wanted in made.changed:
        _log.info(
            "configured agent changed", upstream=wanted.upstream, agent=wanted.name, entry=wanted.entry, row=agent
        )
    for agent, is_listed in made.released:
        _log.info("agent no longer configured", row=agent, listed=is_listed)

"""The configuration and the values that derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.config.source import ConfigSource
    from agent_bridge.core.feed import FeedSwitch
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.live import Live
    from agent_bridge.core.observer import Observer
    from agent_bridge.core.roles import Roles
    from agent_bridge.core.threads import ArchivedRooms
    from agent_bridge.i18n.catalogue import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values that all builders need."""

    #: The configuration with which the process started, for the keys that need a restart.
    config: Config
    #: The configuration with the changes of live keys that were applied since.
    live: Live[Config]
    #: The file of the configuration; None: there is none, or the process does not follow its changes.
    source: ConfigSource | None
    namespace: Namespace
    roles: Roles
    texts: Texts
    #: Whether the feed is written.
    feed: FeedSwitch
    archived: ArchivedRooms
    observer: Observer

    @property
    def file(self) -> Path | None:
        """The path of the file."""
        return None if self.source is None else self.source.file

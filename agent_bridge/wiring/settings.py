"""The configuration and the values that derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.roles import Roles
    from agent_bridge.i18n.catalogue import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values that all builders need."""

    config: Config
    #: The file of the configuration; None: there is none.
    file: Path | None
    namespace: Namespace
    roles: Roles
    texts: Texts

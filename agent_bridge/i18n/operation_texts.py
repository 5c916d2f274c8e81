"""The texts about the progress of long work, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about long work."""

    #: By the kind of the operation.
    kinds: Mapping[str, str]
    #: A line of ``status``.
    running: str
    waits: str

    room: tuple[str, ...]
    deleting: str
    deleted: str
    failed: str
    #: Why the rooms and names of all agents are not complete.
    behind: str

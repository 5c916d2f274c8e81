"""The texts about rooms that people enter and leave, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.i18n.catalogue import Noun


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTexts:
    """The part of :class:`~agent_bridge.i18n.command_texts.CommandTexts` about access."""

    #: Rooms, as the object of *rooms*.
    room: Noun
    #: The room of the command, as the ``{room}`` of other texts.
    this_room: str
    #: Answers to ``invite``, by :class:`~agent_bridge.core.results.access.Arrival`, and an addition, with the user
    #: ``{typed}`` in a command.
    arrivals: Mapping[str, str]
    is_muted: str
    #: Answers to ``leave``: the caller left, another user was removed; and the reasons that the users read.
    left: str
    removed: str
    left_reason: str
    removed_reason: str
    #: Told to the administrators: the configuration says that the bot is a server administrator.
    not_administrator: str
    #: The invitation into all rooms: its begin, progress and result. The parts of the result are by
    #: :class:`~agent_bridge.core.results.access.Arrival` for the Space, and by the outcome for the rooms.
    begun: str
    progress: str
    result: str
    nothing: str
    space: Mapping[str, str]
    rooms: Mapping[str, str]
    failed: str

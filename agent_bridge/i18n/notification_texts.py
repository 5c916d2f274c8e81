"""The texts of notifications, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about notifications."""

    #: By :class:`~agent_bridge.core.notifications.NotificationKind`, with the names of its values.
    kinds: Mapping[str, str]
    #: Behind the text of one that is about a room: the link.
    room: str
    room_link: str
    #: Below the first message to a person, and below each other one.
    foot: str
    #: Answers of the command.
    on: str
    off: str
    is_on: str
    is_off: str

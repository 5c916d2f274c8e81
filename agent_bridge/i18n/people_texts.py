"""The texts about people, in one language: roles, mutes, pins, and the removal from rooms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about people."""

    #: The reason that a user reads who loses the rooms of the bridge.
    removed: str
    #: Told to the administrators: a level that nobody of the bridge can change.
    level_stuck: str

    #: Roles as a predicate (the ``{is_role}`` of other texts), and as a word in a list, by the name of the role.
    is_role: Mapping[str, str]
    role_words: Mapping[str, str]
    #: Answers to the command ``role``. The origins are by :class:`~agent_bridge.core.roles.SourceKind`.
    shown: str
    sources: Mapping[str, str]
    otherwise: str
    given: str
    given_here: str
    #: By :class:`~agent_bridge.core.results.people.PersonRefusal`; ``{typed}`` is the user in a command.
    refused: Mapping[str, str]
    #: Answers to the command ``roles``.
    list_head: str
    list_line: str
    list_given: str
    list_page: str

    #: Answers to ``mute`` and ``unmute``: in this room, in all rooms, and additions.
    muted: str
    muted_everywhere: str
    muted_for: str
    muted_turns: str
    may_write: str
    unmuted: str
    unmuted_everywhere: str
    not_muted: str
    #: Answers to ``kick``, and to ``pin`` and ``unpin``, by :class:`~agent_bridge.core.results.people.PinResult`.
    kicked: str
    pins: Mapping[str, str]

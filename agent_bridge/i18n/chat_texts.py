"""The texts of chats and of the answers to their commands, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTexts:
    """The part of :class:`~agent_bridge.i18n.command_texts.CommandTexts` about chats."""

    #: Name of the room of a chat without a title.
    untitled: str

    #: Name of the Space that lists the chats of one person.
    space_name: str

    #: Answers to ``new``. The list of agents to choose from, and the text of a link to the room.
    choose_head: str
    choose_how: str
    made: str
    made_titled: str
    open_it: str
    gone: str
    too_many: str

    #: Answers to ``fork``: behind that of ``new``, and, by :class:`~agent_bridge.core.results.chats.ForkRefusal`, why
    #: there is no chat.
    begins_with: str
    fork_refused: Mapping[str, str]

    #: Answers to ``chats``: heads, entries (the name of a chat without a title), and other pages.
    head: str
    head_of_all: str
    none: str
    none_of_all: str
    numbered: str
    listed: str
    listed_of: str
    pairs: str
    pair: str
    page: str
    head_archived: str
    none_archived: str
    more_archived: str

    #: Answers to ``rename``.
    renamed: str
    not_yours: str
    is_direct: str
    #: Name of a direct chat.
    direct: str

    #: Answers to ``archive``, ``unarchive``, ``delete`` and ``yes``; the last words of a ghost in a room that it leaves
    #: because the bridge cannot delete it.
    archived: str
    unarchived: str
    not_archived: str
    delete_asked: str
    deleted: str
    nothing_to_confirm: str
    left: str
    no_such_chat: str

    #: The question to a model for a title.
    title_prompt: str

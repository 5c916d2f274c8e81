"""The texts about the admin page, and those on it, in one language. Those on the page have no Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about the admin page."""

    #: Answers to ``admin``, and the message with the link.
    link: str
    link_sent: str
    page_off: str
    no_private_chat: str

    #: Code of the language, as HTML has it.
    code: str
    title: str
    skip: str
    menu: str
    #: Names of the pages, by the ends of their paths, and sentences about them.
    pages: Mapping[str, str]
    about: Mapping[str, str]
    #: Heads of the columns of tables, and labels of values.
    labels: Mapping[str, str]
    buttons: Mapping[str, str]
    #: By :class:`~agent_bridge.core.agents.AgentState`, :class:`~agent_bridge.core.rooms.KindName`,
    #: :class:`~agent_bridge.core.turns.TurnKind`, :class:`~agent_bridge.core.operations.OperationState` and
    #: :class:`~agent_bridge.core.admin.AdminAction`.
    agent_states: Mapping[str, str]
    room_kinds: Mapping[str, str]
    turn_kinds: Mapping[str, str]
    operation_states: Mapping[str, str]
    actions: Mapping[str, str]
    #: In place of a table without rows.
    empty: Mapping[str, str]
    #: After an action.
    notices: Mapping[str, str]
    #: Heads and sentences of pages about failures, by their codes.
    errors: Mapping[str, tuple[str, str]]
    #: A number of seconds, and one of a value in parts.
    seconds: str
    progress: str
    more_than: str
    ago: str
    chat: str
    thread: str
    bot: str
    unknown_room: str
    hidden: str
    needs_script: str
    link_hint: str
    openid_hint: str
    confirm_hint: str
    already: str
    signed_in: str
    live: str
    live_off: str
    live_lost: str

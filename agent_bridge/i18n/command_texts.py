"""The texts of commands and of their answers, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.i18n.access_texts import AccessTexts
    from agent_bridge.i18n.chat_texts import ChatTexts


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about commands."""

    access: AccessTexts
    chats: ChatTexts

    #: Commands in general.
    help_head: str
    #: Headings, by the group of commands.
    help_groups: Mapping[str, str]
    #: Descriptions of the commands, by name.
    help: Mapping[str, str]
    #: Names of arguments in a usage line, by argument.
    placeholders: Mapping[str, str]
    usage: str
    usage_example: str
    usage_role: str
    usage_own: str
    argument_missing: str
    argument_surplus: str
    argument_too_long: str
    argument_type: str
    #: By :class:`~agent_bridge.core.results.commands.ArgumentType`: the ``{type}`` of *argument_type*.
    argument_types: Mapping[str, str]
    argument_choice: str
    not_a_user_id: str
    not_a_duration: str
    no_such_agent: str
    no_such_agent_but: str
    agent_is_gone: str
    argument_too_large: str
    no_such_number: str
    no_such_page: str
    unknown_word: str
    did_you_mean: str
    unknown_command: str
    unknown_command_help: str
    command_not_permitted: str
    command_failed: str
    command_stopped: str
    not_an_agents_room: str
    #: The parts of the answer to ``reload``, by name.
    reload: Mapping[str, str]
    #: Holders of a role, by the name of the role: the ``{role}`` of *command_not_permitted*, *usage_role*, *usage_own*.
    roles: Mapping[str, str]

    #: Answers to commands about agents.
    no_agents: str
    no_agents_yet: str
    agents_head: str
    agents_head_member: str
    agents_page: str
    held: str
    gone: str
    ready: str
    room_is_made: str
    no_own_room: str
    #: By :class:`~agent_bridge.core.rooms.RoomProblem`: why people cannot talk with the agent.
    unready: Mapping[str, str]
    no_such_user: str
    no_room_yet: str
    reconnected: str
    not_reconnected: str
    has_entry: str
    listed_agents: str

    #: Answers to the command ``agent``. Heads and ends of the list: for a person, for a room, and in place of a choice.
    choose_head: str
    choose_head_room: str
    choose_head_renewed: str
    choose_how: str
    choose_how_room: str
    choose_current: str
    choose_page: str
    agent_selected: str
    room_stays: str
    room_bound: str
    cannot_enter: str

    #: Answers to commands about the bridge.
    sync_unfinished: str
    status_agents: str
    status_configured: str
    status_messages: str
    status_without_bot: str
    status_upstream: str
    status_doubted: str
    status_waiting: str
    status_room: str
    status_more_rooms: str
    status_unclear: str
    status_failing: str
    status_capabilities: str
    status_switched: str
    not_asked_yet: str

    #: Answers to commands about a room, by the value of the setting.
    busy: Mapping[str, str]
    stream: Mapping[str, str]
    #: By :class:`~agent_bridge.core.rooms.AnswerMode`.
    answers: Mapping[str, str]

    #: Answers to the command ``letta``; descriptions of the commands of Letta, by name; and refusals, by
    #: :class:`~agent_bridge.core.results.server_commands.CommandRefusal`, or ``nearest``.
    letta_head: str
    letta_none: str
    letta_done: str
    letta_failed: str
    letta_help: Mapping[str, str]
    letta_refused: Mapping[str, str]

    #: Answers to commands about messages.
    stopping: str
    nothing_runs: str
    #: By :class:`~agent_bridge.core.approvals.DecisionResult`.
    decided: Mapping[str, str]
    queue_empty: str
    #: The messages of one person in a room: the head, a line, its ``{state}``, and the words in place of lines.
    queue_head: str
    queue_own: str
    queue_place: str
    queue_others: str
    none_failed: str
    retried_all: str
    retried_more: str
    no_cause: str
    listed: str
    the_bot: str
    more: str
    waits: str
    waits_again: str
    is_answered: str
    is_shown: str
    no_such_turn: str
    retrying: str
    cannot_retry: str
    dropping: str
    cannot_drop: str
    #: States of a turn as a predicate: the ``{state}`` of *cannot_retry* and *cannot_drop*.
    states: Mapping[str, str]

    #: Traces of messages without a turn.
    why_ignored: str
    #: By :class:`~agent_bridge.core.turns.IgnoreReason`: the ``{reason}`` of *why_ignored*.
    ignored: Mapping[str, str]
    why_unknown: str
    why_unseen: str
    why_ours: str
    why_not_handed_over: str
    why_no_portal: str
    why_not_addressed: str
    why_for_others: str
    why_answers_off: str
    why_not_a_message: str

    #: Traces of turns.
    trace_head: str
    trace_head_agent: str
    #: By :class:`~agent_bridge.core.turns.TurnKind`.
    kinds: Mapping[str, str]
    #: By :class:`~agent_bridge.core.turns.TurnState`.
    why_state: Mapping[str, str]
    why_collected: str
    see_below: str
    trace_said: str
    trace_received: str
    trace_started: str
    #: By the name of a step.
    steps: Mapping[str, str]
    trace_part: str
    trace_counts: str
    trace_tokens: str
    trace_tokens_cached: str
    trace_question: str
    #: About agents that ask each other.
    trace_chain: str
    trace_asked: str
    trace_chain_stopped: str
    trace_chain_waits: str

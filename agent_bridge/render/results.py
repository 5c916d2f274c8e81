"""Results of commands as Markdown, in one language. Pure: the same record gives the same text."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from agent_bridge.core.agents import AgentState
from agent_bridge.core.results.chats import (
    ChatArchived,
    ChatGone,
    ChatList,
    ChatMade,
    ChatRenamed,
    ChatUnarchived,
    DeletionAsked,
    DeletionConfirmed,
    ForkRefused,
    IsDirectChat,
    NotArchived,
    NothingToConfirm,
    NotYourChat,
    TooManyChats,
)
from agent_bridge.core.results.commands import (
    AgentEntry,
    AgentList,
    Answers,
    Argument,
    ArgumentProblem,
    CommandFailed,
    CommandHelp,
    CommandList,
    CommandStopped,
    CommandUsage,
    DecisionMade,
    HasEntry,
    InvalidArguments,
    NoRoomYet,
    NotPermitted,
    NotReconnected,
    Reconnected,
    Result,
    StatusReport,
    StreamingSet,
    SyncReport,
    UnknownCommand,
    WhenBusySet,
    WrongRoom,
)
from agent_bridge.core.results.reloads import ReloadReport
from agent_bridge.core.results.repairs import PassPlan, RepairBegun
from agent_bridge.core.results.selection import AgentChoices, AgentSelected, CannotEnter, RoomBound
from agent_bridge.core.results.server_commands import ServerCommandDone, ServerCommandList, ServerCommandRefused
from agent_bridge.core.results.speech import SpeechMissing, SpeechSet
from agent_bridge.core.results.traces import NoTrace, Trace
from agent_bridge.core.results.turns import (
    Dropped,
    FailedTurns,
    OpenTurns,
    Retried,
    RetriedAll,
    RoomQueue,
    StopRequested,
    TurnNotFound,
)
from agent_bridge.core.results.usage import UsageReport
from agent_bridge.i18n.catalogue import cause
from agent_bridge.render.access import access_renderers
from agent_bridge.render.admin import admin_renderers
from agent_bridge.render.agent_events import event_renderers
from agent_bridge.render.chats import chat_name, render_asked, render_chats, render_fork_refused, render_made
from agent_bridge.render.content import escape, in_backticks, shortened
from agent_bridge.render.contexts import context_renderers
from agent_bridge.render.erasure import erasure_renderers
from agent_bridge.render.notifications import notification_renderers
from agent_bridge.render.operations import render_running
from agent_bridge.render.people import people_renderers
from agent_bridge.render.reachable import reachable_renderers
from agent_bridge.render.reloads import render_reload
from agent_bridge.render.repairs import render_begun, render_plan
from agent_bridge.render.retirement import retirement_renderers
from agent_bridge.render.schedules import schedule_renderers
from agent_bridge.render.selection import render_choices, render_selected, room_link
from agent_bridge.render.server_commands import render_done, render_list, render_refused
from agent_bridge.render.servers import server_renderers
from agent_bridge.render.tasks import task_renderers
from agent_bridge.render.threads import thread_renderers
from agent_bridge.render.tokens import token_renderers
from agent_bridge.render.trace import render_no_trace, render_trace
from agent_bridge.render.triggers import trigger_renderers
from agent_bridge.render.turns import (
    render_dropped,
    render_failed,
    render_open,
    render_queue,
    render_retried,
    render_retried_all,
)
from agent_bridge.render.upstreams import few, upstream_facts, upstream_status
from agent_bridge.render.usage import render_usage
from agent_bridge.render.votes import vote_renderers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.upstreams import Health
    from agent_bridge.i18n.catalogue import Texts

#: Agents that are shown if a name may mean several.
_CANDIDATES = 10
#: Rows of a table. A long answer is split between tables, so that each message has the head.
_ROWS = 25
#: A list of more commands than these gets headings.
_WITHOUT_HEADINGS = 6


class ResultRenderer:
    """Renders the results of commands in the language of *texts*; *prefix* starts a command in a room."""

    def __init__(self, texts: Texts, prefix: str) -> None:
        self._texts = texts
        self._prefix = prefix
        self._renderers: Mapping[type, Callable[[Any], str]] = {
            AgentChoices: lambda result: render_choices(result, texts, prefix),
            AgentList: self._agent_list,
            AgentSelected: lambda result: render_selected(result, texts),
            CannotEnter: lambda result: texts.commands.cannot_enter.format(
                agent=escape(result.agent), ghost=in_backticks(result.ghost)
            ),
            ChatArchived: lambda _: texts.commands.chats.archived.format(prefix=prefix),
            ChatUnarchived: lambda result: texts.commands.chats.unarchived.format(chat=chat_name(result.name, texts)),
            DeletionAsked: lambda result: render_asked(result, texts, prefix),
            DeletionConfirmed: lambda result: texts.commands.chats.deleted.format(chat=chat_name(result.name, texts)),
            NothingToConfirm: lambda _: texts.commands.chats.nothing_to_confirm.format(prefix=prefix),
            ChatGone: lambda result: texts.commands.chats.gone.format(number=result.number),
            ChatList: lambda result: render_chats(result, texts, prefix),
            ChatRenamed: lambda result: texts.commands.chats.renamed.format(title=escape(result.title)),
            IsDirectChat: lambda result: texts.commands.chats.is_direct.format(
                agent=escape(result.agent), prefix=prefix
            ),
            NotArchived: lambda result: texts.commands.chats.not_archived.format(chat=chat_name(result.name, texts)),
            NotYourChat: lambda _: texts.commands.chats.not_yours.format(prefix=prefix),
            ChatMade: lambda result: render_made(result, texts),
            ForkRefused: lambda result: render_fork_refused(result, texts, prefix),
            CommandFailed: self._command_failed,
            CommandHelp: self._command_help,
            CommandList: self._command_list,
            CommandStopped: lambda result: texts.commands.command_stopped.format(command=in_backticks(result.command)),
            Answers: self._answers,
            DecisionMade: lambda result: texts.commands.decided[result.result],
            Dropped: lambda result: render_dropped(result, texts),
            FailedTurns: lambda result: render_failed(result, texts),
            InvalidArguments: self._invalid_arguments,
            NoRoomYet: lambda result: texts.commands.no_room_yet.format(name=escape(result.agent)),
            NoTrace: lambda result: render_no_trace(result, texts, prefix),
            NotPermitted: self._not_permitted,
            HasEntry: lambda result: texts.commands.has_entry.format(name=escape(result.agent)),
            NotReconnected: self._not_reconnected,
            OpenTurns: lambda result: render_open(result, texts),
            PassPlan: lambda result: render_plan(result, texts),
            Reconnected: self._reconnected,
            ReloadReport: lambda result: render_reload(result, texts),
            RepairBegun: lambda result: render_begun(result, texts),
            Retried: lambda result: render_retried(result, texts),
            RetriedAll: lambda result: render_retried_all(result, texts, prefix),
            RoomQueue: lambda result: render_queue(result, texts),
            RoomBound: lambda result: texts.commands.room_bound.format(agent=escape(result.agent)),
            ServerCommandDone: lambda result: render_done(result, texts),
            ServerCommandList: lambda result: render_list(result, texts, prefix),
            ServerCommandRefused: lambda result: render_refused(result, texts, prefix),
            SpeechMissing: lambda result: texts.speech.no_speech.format(key=result.key),
            SpeechSet: lambda result: texts.speech.modes[result.mode],
            StatusReport: self._status_report,
            StopRequested: lambda result: texts.commands.stopping if result.turns else texts.commands.nothing_runs,
            StreamingSet: lambda result: texts.commands.stream[result.streaming],
            SyncReport: self._sync_report,
            TooManyChats: lambda result: texts.commands.chats.too_many.format(
                chats=texts.count(result.most, texts.chat)
            ),
            Trace: lambda result: render_trace(result, texts),
            TurnNotFound: lambda result: texts.commands.no_such_turn.format(
                turn=escape(shortened(result.reference)), prefix=prefix
            ),
            UnknownCommand: self._unknown_command,
            UsageReport: lambda result: render_usage(result, texts),
            WhenBusySet: lambda result: texts.commands.busy[result.when_busy],
            WrongRoom: lambda _: texts.commands.not_an_agents_room,
            **access_renderers(texts, prefix),
            **erasure_renderers(texts, prefix),
            **people_renderers(texts, prefix),
            **context_renderers(texts, prefix),
            **retirement_renderers(texts, prefix),
            **token_renderers(texts, prefix),
            **admin_renderers(texts, prefix),
            **trigger_renderers(texts, prefix),
            **schedule_renderers(texts, prefix),
            **event_renderers(texts, prefix),
            **task_renderers(texts, prefix),
            **notification_renderers(texts, prefix),
            **reachable_renderers(texts, prefix),
            **server_renderers(texts, prefix),
            **vote_renderers(texts, prefix),
            **thread_renderers(texts, prefix),
        }

    def render(self, result: Result) -> str:
        """Return *result* as Markdown."""
        return self._renderers[type(result)](result)

    def usage(self, usage: CommandUsage) -> str:
        """Return how the command is typed, without the prefix: ``invite <agent> [@user:server]``."""
        return " ".join([usage.name, *map(self._argument, usage.arguments)])

    def _argument(self, argument: Argument) -> str:
        if argument.is_flag:
            return f"[{argument.name}]"
        if argument.choices:
            choices = "|".join(argument.choices)
            return choices if argument.required else f"[{choices}]"
        placeholder = self._texts.commands.placeholders[argument.name]
        return f"<{placeholder}>" if argument.required else f"[{placeholder}]"

    def _answers(self, result: Answers) -> str:
        words = self._texts.commands.answers
        lines = [words[each.mode].format(agent=escape(each.agent)) for each in result.agents]
        return lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)

    def _command_list(self, result: CommandList) -> str:
        with_headings = len(result.commands) > _WITHOUT_HEADINGS
        blocks = [self._texts.commands.help_head]
        for group, commands in groupby(result.commands, lambda usage: usage.group if with_headings else None):
            lines = [
                f"- `{self._prefix} {self.usage(each)}`: {self._texts.commands.help[each.name]}" for each in commands
            ]
            blocks += [*([] if group is None else [f"**{self._texts.commands.help_groups[group]}**"]), "\n".join(lines)]
        return "\n\n".join(blocks)

    def _command_help(self, result: CommandHelp) -> str:
        texts = self._texts
        role = texts.commands.roles[result.role.name.lower()]
        example = f"{result.usage.name} {result.usage.example}".strip()
        return "\n\n".join(
            [
                f"`{self._prefix} {self.usage(result.usage)}`: {texts.commands.help[result.usage.name]}.",
                texts.commands.usage_example.format(prefix=self._prefix, example=example),
                (texts.commands.usage_own if result.in_own_chats else texts.commands.usage_role).format(role=role),
            ]
        )

    def _invalid_arguments(self, result: InvalidArguments) -> str:
        texts, value = self._texts, escape(shortened(result.value))
        argument = "" if result.argument is None else self._argument(result.argument)
        match result.problem:
            case ArgumentProblem.MISSING:
                fault = texts.commands.argument_missing.format(argument=argument)
            case ArgumentProblem.NOT_A_CHOICE | ArgumentProblem.WRONG_TYPE:
                fault = self._wrong_value(result, value)
            case ArgumentProblem.NOT_A_USER_ID:
                fault = texts.commands.not_a_user_id.format(value=value)
            case ArgumentProblem.NOT_A_DURATION:
                fault = texts.commands.not_a_duration.format(value=value)
            case ArgumentProblem.SURPLUS:
                fault = texts.commands.argument_surplus.format(value=value)
            case ArgumentProblem.TOO_LONG:
                characters = texts.count(result.most, texts.character)
                fault = texts.commands.argument_too_long.format(argument=argument, characters=characters)
            case ArgumentProblem.TOO_LARGE:
                fault = texts.commands.argument_too_large.format(argument=argument, most=result.most)
            case _:
                return self._meaningless(result, value)
        return f"{fault} {self._how_to_use(result.usage)}"

    def _meaningless(self, result: InvalidArguments, value: str) -> str:
        """Return the line that tells why *value*, the words of *result*, means nothing."""
        texts = self._texts.commands
        match result.problem:
            case ArgumentProblem.NO_SUCH_AGENT:
                names = ", ".join(f"*{escape(each.name)}*" for each in result.candidates)
                text = texts.no_such_agent_but if names else texts.no_such_agent
                return text.format(value=value, names=names)
            case ArgumentProblem.SEVERAL_AGENTS:
                several = [f"{escape(each.name)} (`{each.ghost}`)" for each in result.candidates[:_CANDIDATES]]
                more = ["…"] if len(result.candidates) > _CANDIDATES else []
                return texts.did_you_mean.format(value=value, names=", ".join(several + more))
            case ArgumentProblem.NO_SUCH_NUMBER:
                return texts.no_such_number.format(value=value, most=result.most)
            case ArgumentProblem.NO_SUCH_PAGE:
                return texts.no_such_page.format(value=value, pages=self._texts.count(result.most, self._texts.page))
            case ArgumentProblem.UNKNOWN_WORD:
                return f"{texts.unknown_word.format(value=value)} {self._usage_line(result.usage)}"
        is_gone = result.problem is ArgumentProblem.AGENT_GONE
        text = texts.agent_is_gone if is_gone else texts.chats.no_such_chat
        listing = "chats archived" if result.usage.name == "unarchive" else "chats"
        return text.format(value=value, prefix=self._prefix, listing=listing)

    def _wrong_value(self, result: InvalidArguments, value: str) -> str:
        texts, argument = self._texts.commands, result.argument
        if argument is None or result.problem is ArgumentProblem.NOT_A_CHOICE:
            choices = ", ".join(f"`{each}`" for each in argument.choices) if argument else ""
            return texts.argument_choice.format(value=value, choices=choices)
        return texts.argument_type.format(argument=self._argument(argument), type=texts.argument_types[argument.type])

    def _usage_line(self, usage: CommandUsage) -> str:
        return self._texts.commands.usage.format(prefix=self._prefix, usage=self.usage(usage))

    def _how_to_use(self, usage: CommandUsage) -> str:
        line = self._usage_line(usage)
        if not usage.example:
            return line
        example = f"{usage.name} {usage.example}"
        return f"{line} {self._texts.commands.usage_example.format(prefix=self._prefix, example=example)}"

    def _unknown_command(self, result: UnknownCommand) -> str:
        word = in_backticks(shortened(result.name))
        if result.nearest is None:
            return self._texts.commands.unknown_command_help.format(word=word, prefix=self._prefix)
        return self._texts.commands.unknown_command.format(word=word, nearest=f"{self._prefix} {result.nearest}")

    def _not_permitted(self, result: NotPermitted) -> str:
        role = self._texts.commands.roles[result.role.name.lower()]
        return self._texts.commands.command_not_permitted.format(
            word=result.command, role=role, admin=self._texts.who_can_help
        )

    def _command_failed(self, result: CommandFailed) -> str:
        return self._texts.commands.command_failed.format(word=in_backticks(result.command), cause=cause(result.cause))

    def _agent_list(self, result: AgentList) -> str:
        texts = self._texts
        if result.is_for_admin:
            nothing, head = texts.commands.no_agents.format(prefix=self._prefix), texts.commands.agents_head
            rows = [f"| {room_link(each)} | {escape(each.upstream)} | {self._state(each)} |" for each in result.agents]
        else:
            nothing, head = texts.commands.no_agents_yet, texts.commands.agents_head_member
            rows = [f"| {room_link(each)}{self._unready(each)} |" for each in result.agents]
        top = f"{head}\n|{'---|' * (head.count('|') - 1)}"
        tables = ["\n".join([top, *rows[start : start + _ROWS]]) for start in range(0, len(rows), _ROWS)]
        if result.pages > 1:
            following = result.page % result.pages + 1
            command = f"`{self._prefix} agents {following}`"
            tables.append(texts.commands.agents_page.format(page=result.page, pages=result.pages, command=command))
        return "\n\n".join(tables) or nothing

    def _unready(self, agent: AgentEntry) -> str:
        is_ready = agent.state is AgentState.ACTIVE and agent.room is not None and agent.problem is None
        return "" if is_ready else f" ({self._state(agent)})"

    def _state(self, agent: AgentEntry) -> str:
        match agent.state:
            case AgentState.HELD:
                return self._texts.commands.held.format(prefix=self._prefix)
            case AgentState.GONE:
                return self._texts.commands.gone
            case AgentState.RETIRED:
                return self._texts.retirement.state
        if agent.room is None and agent.is_private:
            return self._texts.commands.no_own_room.format(prefix=self._prefix)
        if agent.room is None:
            return self._texts.commands.room_is_made
        return self._texts.commands.ready if agent.problem is None else self._texts.commands.unready[agent.problem]

    def _reconnected(self, result: Reconnected) -> str:
        return self._texts.commands.reconnected.format(room=room_link(result.agent), former=escape(result.former))

    def _not_reconnected(self, result: NotReconnected) -> str:
        text = self._texts.commands.not_reconnected.format(
            listed=escape(result.listed), upstream=escape(result.upstream)
        )
        if not result.candidates:
            return text
        names = few([f"`{in_backticks(each)}`" for each in result.candidates], self._texts)
        return f"{text} {self._texts.commands.listed_agents.format(names=names)}"

    def _sync_report(self, result: SyncReport) -> str:
        lines = self._upstreams(result)
        return "\n".join(lines if result.is_finished else [self._texts.commands.sync_unfinished, "", *lines])

    def _status_report(self, result: StatusReport) -> str:
        texts = self._texts
        agents = texts.count(result.active, texts.agent)
        messages = texts.count(result.open_turns, texts.message)
        lines = [
            texts.commands.status_agents.format(agents=agents, held=result.held, gone=result.gone),
            *([texts.commands.status_configured.format(count=result.configured)] if result.configured else []),
            texts.commands.status_messages.format(messages=messages),
            *([texts.commands.status_without_bot.format(count=result.without_bot)] if result.without_bot else []),
        ]
        lines += render_running(texts, result.operations)
        rooms = [
            texts.commands.status_room.format(name=escape(entry.agent), problem=texts.room_problems[problem])
            for entry in result.rooms
            for problem in entry.problems
        ]
        shown = rooms[:_ROWS]
        if len(rooms) > _ROWS:
            shown.append(texts.commands.status_more_rooms.format(count=len(rooms) - _ROWS))
        return "\n".join([*lines, *map(self._with_facts, result.upstreams), *shown])

    def _with_facts(self, health: Health) -> str:
        facts = upstream_facts(health, self._texts)
        return f"- {upstream_status(health, self._texts, self._prefix)}{f' ({facts})' if facts else ''}"

    def _upstreams(self, result: SyncReport) -> list[str]:
        return [f"- {upstream_status(health, self._texts, self._prefix)}" for health in result.upstreams]

"""Kinds of arguments of commands: the type of a parameter, and the conversion of its words.

========================= ========================================================== =====================
annotation                words                                                      usage line
========================= ========================================================== =====================
a ``StrEnum``             one of its values, in any case                             ``edits|off``
``AgentRoom``             an agent's name, roughly; takes several words              ``<agent>``
``OneAgent``              an agent's name, roughly; one word or a quoted text        ``<old>``
``WholeAgent``            the whole name of an agent; takes several words            ``<agent>``
``Place``                 ``*``, an agent's name, or an own chat; takes several words ``[agent|*]``
``AgentName``             the name of an agent that may have no room yet             ``<new>``
``AgentChoice``           a number of a list, an agent's name, or a page             ``[number|name|page n]``
``AgentAndTitle``         a title, perhaps behind an agent as ``@name`` or ``#number``  ``[@agent|#number] [title]``
``TriggerWords``          a name or a number, perhaps behind an agent as ``@name``   ``[@agent] [name|number]``
``TokenWords``            a name or a number, perhaps, and options                   ``[name|number] [--option …]``
``ScheduleWords``         a time, perhaps in quotes, an agent, and a prompt           ``<when> <agent> <prompt>``
``ScheduleNumber``        the number of a schedule                                   ``<number>``
``PlaceWords``            a server or a channel, perhaps, and other words             ``[name …]``
``VoteWords``             a question in quotes, answers and more, or a number           ``[question …]``
``ThreadWords``           a name, or the archive and a page, perhaps                  ``[name …]``
``ChatTitle``             a title; takes several words                               ``<title>``
``WhichChat``             a number of the list of chats, or a title; several words   ``[number|title]``
``UserId``                a Matrix user id                                           ``<@user:server>``
``Duration``              a length of time; takes several words                      ``[time]``
``RoleWord``              the name of a role, or ``default``                         ``[role]``
``MessageReference``      a link, an event id or a turn's name; takes several words  ``<turn>``
``EventKindWord``         the kind of an event                                        ``<kind>``
``EventData``             an object, as JSON or without quotes; takes several words  ``[{key: value}]``
``TaskWords``             a number, perhaps, and other words                          ``[number] [text]``
``Words``                 any text; takes several words                              ``[reason]``
``InstructionText``       any text; takes several words                              ``[text|off]``
``SaveName``              a name, in one line; takes several words                   ``[name]``
``UsageSubject``          a part of the use of tokens, or a Matrix user id           ``[user|agent|room|@user:server]``
``CommandWord``           the name of a command; words behind it are ignored         ``[command]``
``PageNumber``            the number of a page                                       ``[page]``
``MessageCount``          a number of messages, or ``all``                           ``[count|all]``
keyword-only ``bool``     the parameter's name, given or left out; stands last       ``[all]``
========================= ========================================================== =====================

Each kind has a largest number of characters.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NewType

from agent_bridge.commands.durations import parse_duration
from agent_bridge.commands.entries import agent_entry
from agent_bridge.commands.lookup import (
    Closeness,
    MessageReference,
    find_agents,
    parse_reference,
    similar_agents,
    visible_agents,
)
from agent_bridge.core.agents import AgentState
from agent_bridge.core.chats import ChatStatus
from agent_bridge.core.ids import checked_user_id
from agent_bridge.core.imports import MOST_IMPORTED
from agent_bridge.core.names import one_line
from agent_bridge.core.results.commands import Argument, ArgumentProblem, ArgumentType
from agent_bridge.core.results.usage import UsageBy
from agent_bridge.core.roles import Role, is_pattern
from agent_bridge.store.agents import AgentRoom

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from enum import StrEnum

    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.core.results.commands import AgentEntry

    #: Returns the value that the words of an argument stand for, or raises :class:`ArgumentError`.
    Convert = Callable[[Argument, str, CommandContext], Awaitable[object]]

UserId = NewType("UserId", str)
#: Seconds.
Duration = NewType("Duration", float)
#: The name of a role in lower case, or :data:`DEFAULT`.
RoleWord = NewType("RoleWord", str)
#: In place of a role: the one that the configuration gives.
DEFAULT: Final = "default"
PageNumber = NewType("PageNumber", int)
#: At least 1, and at most :data:`~agent_bridge.core.imports.MOST_IMPORTED`, which also stands for all messages.
MessageCount = NewType("MessageCount", int)
AgentName = NewType("AgentName", str)
AgentChoice = NewType("AgentChoice", str)
ChatTitle = NewType("ChatTitle", str)
WhichChat = NewType("WhichChat", str)
#: Words as they stand, with their quotes.
AgentAndTitle = NewType("AgentAndTitle", str)
#: An agent as ``@name``, perhaps, and the name or the number of a trigger.
TriggerWords = NewType("TriggerWords", str)
#: The name or the number of a token, and options.
TokenWords = NewType("TokenWords", str)
#: A time, an agent, and a prompt.
ScheduleWords = NewType("ScheduleWords", str)
ScheduleNumber = NewType("ScheduleNumber", int)
#: A server or a channel, perhaps, and other words.
PlaceWords = NewType("PlaceWords", str)
#: A question in quotes, answers, and the end of a vote; or the number of a vote.
VoteWords = NewType("VoteWords", str)
#: The kind of an agent event, as a person typed it.
EventKindWord = NewType("EventKindWord", str)
#: An object, as a person typed it.
EventData = NewType("EventData", str)
#: The number of a task, perhaps, and other words.
TaskWords = NewType("TaskWords", str)
#: The name of a thread, or words about a list.
ThreadWords = NewType("ThreadWords", str)
#: Any words.
Words = NewType("Words", str)
#: Instructions for an agent.
InstructionText = NewType("InstructionText", str)
#: The name of a conversation.
SaveName = NewType("SaveName", str)
#: A value of :class:`UsageBy`, or a user id.
UsageSubject = NewType("UsageSubject", str)
#: The name of a command, as a person typed it.
CommandWord = NewType("CommandWord", str)
#: An agent that one word or a quoted text names, so that another argument can follow.
OneAgent = NewType("OneAgent", AgentRoom)
#: An agent by its whole name, for commands that change it: a typing error must not hit another one.
WholeAgent = NewType("WholeAgent", AgentRoom)


@dataclass(frozen=True, slots=True)
class Place:
    """The rooms that a command means: that of an agent, an own chat, or all."""

    agent: AgentRoom | None = None
    #: Room id of a chat of the caller.
    chat: str | None = None


#: In place of an agent: all rooms.
ALL_ROOMS: Final = "*"
_ROLE_WORDS = (*(role.name.lower() for role in Role), DEFAULT)
#: In place of a number of messages: all of them.
ALL_MESSAGES: Final = "all"
#: The number of a page, or of messages.
_NUMBER = re.compile(r"[0-9]{1,9}")
#: Characters of an argument: names and ids, references (a link may stand in a sentence), and any text.
_NAME, _TITLED, _REFERENCE, _TEXT = 300, 1_000, 2_000, 10_000
#: Characters of instructions, of the name of a conversation, and of a vote.
_INSTRUCTIONS, _SAVE_NAME, _VOTE = 20_000, 80, 5_000
#: Characters of an object.
_OBJECT = 20_000


class ArgumentError(Exception):
    """Words that a command cannot use as its arguments."""

    def __init__(
        self,
        problem: ArgumentProblem,
        argument: Argument | None = None,
        value: str = "",
        candidates: tuple[AgentEntry, ...] = (),
        most: int = 0,
    ) -> None:
        super().__init__(problem, value)
        self.problem = problem
        #: The argument that has the problem; None for surplus words.
        self.argument = argument
        self.value = value
        #: As in :class:`~agent_bridge.core.results.commands.InvalidArguments`.
        self.candidates = candidates
        #: The largest number that is permitted, of characters, of an entry or of a page; 0 where there is none.
        self.most = most


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of argument."""

    convert: Convert
    #: Whether the argument takes all the words that the others leave.
    spans: bool = False
    #: How a word begins that may be an optional argument behind one that spans.
    begins: str = ""
    #: Characters at most.
    longest: int = _NAME
    #: Whether it keeps the quotes of a single quoted text.
    keeps_quotes: bool = False
    type: ArgumentType = ArgumentType.TEXT


def choice_of(choices: type[StrEnum]) -> Convert:
    """Return the conversion to one of *choices*."""

    async def convert(argument: Argument, value: str, _ctx: CommandContext) -> StrEnum:
        try:
            return choices(value.lower())
        except ValueError:
            raise ArgumentError(ArgumentProblem.NOT_A_CHOICE, argument, value) from None

    return convert


async def _given(_argument: Argument, _value: str, _ctx: CommandContext) -> bool:
    return True


async def agent_named(argument: Argument, value: str, ctx: CommandContext) -> AgentRoom:
    """Return the agent that *value* means."""
    return await the_agent(argument, value, await visible_agents(ctx), ctx.services.namespace.domain)


async def whole_agent(argument: Argument, value: str, ctx: CommandContext) -> AgentRoom:
    """Return the agent whose name or id is *value*."""
    agents, domain = await visible_agents(ctx), ctx.services.namespace.domain
    return await the_agent(argument, value, agents, domain, Closeness.WHOLE)


async def place_named(argument: Argument, value: str, ctx: CommandContext) -> Place:
    """Return the rooms that *value* means: an agent is named roughly, an own chat by its title or room id."""
    if value == ALL_ROOMS:
        return Place()
    try:
        return Place(await agent_named(argument, value, ctx))
    except ArgumentError as error:
        if error.problem is not ArgumentProblem.NO_SUCH_AGENT:
            raise
        chat = await own_chat(value, ctx)
        if chat is None:
            raise
        return Place(chat=chat)


async def own_chat(value: str, ctx: CommandContext) -> str | None:
    """Return the room id of the caller's only chat with the title or the room id *value*; None if there is none."""
    mine = await ctx.services.chats.of_person(ctx.sender, ChatStatus.ACTIVE)
    title = one_line(value).casefold()
    meant = [each.room_id for each in mine if value == each.room_id or title == (each.title or "").casefold()]
    return meant[0] if len(meant) == 1 else None


async def the_agent(
    argument: Argument,
    value: str,
    agents: Sequence[AgentRoom],
    domain: str,
    closeness: Closeness = Closeness.SIMILAR,
) -> AgentRoom:
    """Return the one of *agents* that *value* means. Names are compared in a thread: there may be thousands.

    Raises:
        ArgumentError: it means none of them, or several.
    """
    found = await asyncio.to_thread(find_agents, value.removesuffix(f":{domain}"), agents, closeness)
    if len(found) == 1:
        return found[0]
    problem = ArgumentProblem.SEVERAL_AGENTS if found else ArgumentProblem.NO_SUCH_AGENT
    active = [each for each in agents if each.agent.state is AgentState.ACTIVE]
    candidates = found or await asyncio.to_thread(similar_agents, value, active)
    raise ArgumentError(problem, argument, value, tuple(agent_entry(each, domain) for each in candidates))


async def _text(_argument: Argument, value: str, _ctx: CommandContext) -> str:
    return value


async def _save_name(_argument: Argument, value: str, _ctx: CommandContext) -> SaveName:
    return SaveName(one_line(value))


async def _command_word(_argument: Argument, value: str, _ctx: CommandContext) -> CommandWord:
    return CommandWord(value.split(maxsplit=1)[0])


async def user_named(argument: Argument, value: str, _ctx: CommandContext) -> UserId:
    """Return the user id *value*. A pattern of user ids is none."""
    try:
        checked_user_id(value)
    except ValueError:
        raise ArgumentError(ArgumentProblem.NOT_A_USER_ID, argument, value) from None
    if is_pattern(value):
        raise ArgumentError(ArgumentProblem.NOT_A_USER_ID, argument, value)
    return UserId(value)


async def _role_word(argument: Argument, value: str, _ctx: CommandContext) -> RoleWord:
    if value.lower() not in _ROLE_WORDS:
        raise ArgumentError(ArgumentProblem.NOT_A_CHOICE, replace(argument, choices=_ROLE_WORDS), value)
    return RoleWord(value.lower())


async def _usage_subject(argument: Argument, value: str, ctx: CommandContext) -> object:
    if value.startswith("@"):
        return await user_named(argument, value, ctx)
    return await choice_of(UsageBy)(replace(argument, choices=tuple(UsageBy)), value, ctx)


async def _duration(argument: Argument, value: str, _ctx: CommandContext) -> Duration:
    seconds = parse_duration(value)
    if seconds is None:
        raise ArgumentError(ArgumentProblem.NOT_A_DURATION, argument, value)
    return Duration(seconds)


async def _page(argument: Argument, value: str, _ctx: CommandContext) -> PageNumber:
    if _NUMBER.fullmatch(value) is None:
        raise ArgumentError(ArgumentProblem.UNKNOWN_WORD, argument, value)
    return PageNumber(int(value))


async def _schedule_number(argument: Argument, value: str, _ctx: CommandContext) -> ScheduleNumber:
    number = value.removeprefix("#")
    if _NUMBER.fullmatch(number) is None:
        raise ArgumentError(ArgumentProblem.UNKNOWN_WORD, argument, value)
    return ScheduleNumber(int(number))


async def _message_count(argument: Argument, value: str, _ctx: CommandContext) -> MessageCount:
    if value.lower() == ALL_MESSAGES:
        return MessageCount(MOST_IMPORTED)
    if _NUMBER.fullmatch(value) is None or int(value) == 0:
        raise ArgumentError(ArgumentProblem.UNKNOWN_WORD, argument, value)
    if int(value) > MOST_IMPORTED:
        raise ArgumentError(ArgumentProblem.TOO_LARGE, argument, value, most=MOST_IMPORTED)
    return MessageCount(int(value))


async def _reference(_argument: Argument, value: str, _ctx: CommandContext) -> MessageReference:
    return parse_reference(value)


#: The kinds by the types of parameters.
KINDS: dict[Any, Kind] = {
    AgentRoom: Kind(agent_named, spans=True),
    Place: Kind(place_named, spans=True),
    OneAgent: Kind(agent_named),
    WholeAgent: Kind(whole_agent, spans=True),
    AgentName: Kind(_text),
    AgentChoice: Kind(_text, spans=True),
    WhichChat: Kind(_text, spans=True),
    ChatTitle: Kind(_text, spans=True, longest=_TITLED),
    AgentAndTitle: Kind(_text, spans=True, longest=_TITLED, keeps_quotes=True),
    TriggerWords: Kind(_text, spans=True, keeps_quotes=True),
    TokenWords: Kind(_text, spans=True, keeps_quotes=True, longest=_TEXT),
    ScheduleWords: Kind(_text, spans=True, keeps_quotes=True, longest=_TEXT),
    ScheduleNumber: Kind(_schedule_number, type=ArgumentType.NUMBER),
    ThreadWords: Kind(_text, spans=True, keeps_quotes=True, longest=_TITLED),
    PlaceWords: Kind(_text, spans=True, keeps_quotes=True, longest=_TITLED),
    VoteWords: Kind(_text, spans=True, keeps_quotes=True, longest=_VOTE),
    EventKindWord: Kind(_text),
    EventData: Kind(_text, spans=True, keeps_quotes=True, longest=_OBJECT),
    TaskWords: Kind(_text, spans=True, keeps_quotes=True, longest=_TEXT),
    Duration: Kind(_duration, spans=True),
    RoleWord: Kind(_role_word),
    UserId: Kind(user_named, begins="@", type=ArgumentType.USER),
    PageNumber: Kind(_page, type=ArgumentType.NUMBER),
    MessageCount: Kind(_message_count),
    Words: Kind(_text, spans=True, longest=_TEXT),
    InstructionText: Kind(_text, spans=True, longest=_INSTRUCTIONS),
    SaveName: Kind(_save_name, spans=True, longest=_SAVE_NAME),
    UsageSubject: Kind(_usage_subject),
    CommandWord: Kind(_command_word, spans=True),
    MessageReference: Kind(_reference, spans=True, longest=_REFERENCE),
}
#: The kind of a keyword-only ``bool``.
FLAG = Kind(_given)

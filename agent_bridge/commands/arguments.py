"""Arguments of commands: a function's signature is their specification, and text becomes values of its types.

========================= ========================================================== =====================
annotation                words                                                      usage line
========================= ========================================================== =====================
a ``StrEnum``             one of its values, in any case                             ``edits|off``
``AgentRoom``             an agent's name, roughly; takes several words              ``<agent>``
``OneAgent``              an agent's name, roughly; one word or a quoted text        ``<old>``
``AgentName``             the name of an agent that may have no room yet             ``<new>``
``AgentChoice``           a number of a list, an agent's name, or a page             ``[number|name|page n]``
``AgentAndTitle``         a title, perhaps behind an agent as ``@name`` or ``#number``  ``[@agent|#number] [title]``
``ChatTitle``             a title; takes several words                               ``<title>``
``WhichChat``             a number of the list of chats, or a title; several words   ``[number|title]``
``UserId``                a Matrix user id                                           ``<@user:server>``
``MessageReference``      a link, an event id or a turn's name; takes several words  ``<turn>``
``Words``                 any text; takes several words                              ``[reason]``
``InstructionText``       any text; takes several words                              ``[text|off]``
``SaveName``              a name, in one line; takes several words                   ``[name]``
``CommandWord``           the name of a command; words behind it are ignored         ``[command]``
``PageNumber``            the number of a page                                       ``[page]``
keyword-only ``bool``     the parameter's name, given or left out; stands last       ``[all]``
========================= ========================================================== =====================

A parameter with a default is optional (``[…]``). Quotes keep several words together. A command without parameters
ignores the words behind its name (``stop it`` is ``stop``) unless it is declared as *exact*. Each kind of argument has
a largest number of characters.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Any, NewType, get_args, get_type_hints

from agent_bridge.commands.entries import agent_entry
from agent_bridge.commands.lookup import MessageReference, find_agents, parse_reference, similar_agents, visible_agents
from agent_bridge.core.agents import AgentState
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.names import one_line
from agent_bridge.core.results.commands import Argument, ArgumentProblem, ArgumentType
from agent_bridge.store.agents import AgentRoom

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.core.payloads import NamedValue
    from agent_bridge.core.results.commands import AgentEntry

    #: Returns the value that the words of an argument stand for, or raises :class:`ArgumentError`.
    Convert = Callable[[Argument, str, CommandContext], Awaitable[object]]

UserId = NewType("UserId", str)
PageNumber = NewType("PageNumber", int)
AgentName = NewType("AgentName", str)
AgentChoice = NewType("AgentChoice", str)
ChatTitle = NewType("ChatTitle", str)
WhichChat = NewType("WhichChat", str)
#: Words as they stand, with their quotes.
AgentAndTitle = NewType("AgentAndTitle", str)
#: Any words.
Words = NewType("Words", str)
#: Instructions for an agent.
InstructionText = NewType("InstructionText", str)
#: The name of a conversation.
SaveName = NewType("SaveName", str)
#: The name of a command, as a person typed it.
CommandWord = NewType("CommandWord", str)
#: An agent that one word or a quoted text names, so that another argument can follow.
OneAgent = NewType("OneAgent", AgentRoom)

#: The number of a page.
_PAGE = re.compile(r"[0-9]{1,9}")
#: Characters of an argument: names and ids, references (a link may stand in a sentence), and any text.
_NAME, _TITLED, _REFERENCE, _TEXT = 300, 1_000, 2_000, 10_000
#: Characters of instructions, and of the name of a conversation.
_INSTRUCTIONS, _SAVE_NAME = 20_000, 80
#: A quoted text between blanks, or a word.
_WORD = re.compile(r"""(?P<quoted>"[^"]+"|'[^']+'|‘[^’]+’|[“„”][^“”]+[“”]|«[^»]+»|»[^«]+«)(?!\S)|\S+""")  # noqa: RUF001


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


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a command's function."""

    #: As in the function's signature.
    name: str
    argument: Argument
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int


def parameters_of(function: Callable[..., object]) -> tuple[Parameter, ...]:
    """Return the parameters of *function* behind its first, which is the context.

    Raises:
        TypeError: an annotation is no kind of argument, or the order of the parameters is ambiguous.
    """
    hints = get_type_hints(function)
    _, *declared = inspect.signature(function).parameters.values()
    parameters = tuple(_parameter(each, hints[each.name]) for each in declared)
    spanning = [number for number, parameter in enumerate(parameters) if parameter.kind.spans]
    if spanning and any(each.argument.required or each.kind.spans for each in parameters[spanning[0] + 1 :]):
        raise TypeError(f"{function}: behind an argument of several words, only optional single words can follow")
    return parameters


async def bind(parameters: Sequence[Parameter], given: Mapping[str, str], ctx: CommandContext) -> dict[str, object]:
    """Return the value of each parameter, by its name, for which *given* has words.

    Raises:
        ArgumentError: the words do not fit *parameters*.
    """
    await _refuse_incomplete_user(parameters, given, ctx)
    return {
        parameter.name: await parameter.kind.convert(parameter.argument, given[parameter.name], ctx)
        for parameter in parameters
        if parameter.name in given
    }


async def _refuse_incomplete_user(
    parameters: Sequence[Parameter], given: Mapping[str, str], ctx: CommandContext
) -> None:
    """Refuse ``Ada bob``: a similar name would hide that the last word is meant as a user.

    Raises:
        ArgumentError: the last word behind an agent's name is neither a part of the name nor a user id.
    """
    agent = next((each for each in parameters if each.kind.convert is _agent and each.kind.spans), None)
    user = next((each for each in parameters if each.kind.convert is _user and each.name not in given), None)
    if agent is None or user is None:
        return
    name, _, last = given.get(agent.name, "").rpartition(" ")
    if name:
        agents = await visible_agents(ctx)
        if not find_agents(given[agent.name], agents, similar=False) and find_agents(name, agents, similar=False):
            raise ArgumentError(ArgumentProblem.NOT_A_USER_ID, user.argument, last)


def split_arguments(parameters: Sequence[Parameter], text: str) -> dict[str, str]:
    """Return the words of *text* that belong to each parameter, by the parameter's name.

    Raises:
        ArgumentError: a required argument is missing, words are left over, or an argument is too long.
    """
    if not parameters:
        return {}
    words = list(_words(text))
    given = _take_flags(parameters, words) | _take_positional(parameters, words, text)
    if words:
        raise ArgumentError(ArgumentProblem.SURPLUS, value=_joined(text, words))
    return _complete(parameters, given)


def named_arguments(parameters: Sequence[Parameter], values: Mapping[str, NamedValue]) -> dict[str, str]:
    """Return the words that *values*, by the names of arguments, give to each parameter, by the parameter's name.

    Clients give an empty text, or ``false``, for an optional argument that is left out.

    Raises:
        ArgumentError: a required argument is missing, a name is unknown, or a value has another type than its argument
            or too many characters.
    """
    known = {parameter.argument.name: parameter for parameter in parameters}
    if unknown := [name for name in values if name not in known]:
        raise ArgumentError(ArgumentProblem.SURPLUS, value=unknown[0])
    given: dict[str, str] = {}
    for name, value in values.items():
        argument = known[name].argument
        words = _words_for(argument, value)
        if words is None:
            raise ArgumentError(ArgumentProblem.WRONG_TYPE, argument)
        if words:
            given[known[name].name] = words
    return _complete(parameters, given)


def _words_for(argument: Argument, value: NamedValue) -> str | None:
    """Return the words that a person types for *value*; None if it has another type than *argument*."""
    match argument.type:
        case ArgumentType.FLAG if isinstance(value, bool):
            return argument.name if value else ""
        case ArgumentType.NUMBER if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        case ArgumentType.TEXT | ArgumentType.USER if isinstance(value, str):
            return value.strip()
    return None


def _complete(parameters: Sequence[Parameter], given: dict[str, str]) -> dict[str, str]:
    """Return *given*, the words of each parameter.

    Raises:
        ArgumentError: a required argument is missing, or an argument is too long.
    """
    for parameter in parameters:
        if parameter.argument.required and parameter.name not in given:
            raise ArgumentError(ArgumentProblem.MISSING, parameter.argument)
        if len(given.get(parameter.name, "")) > parameter.kind.longest:
            raise ArgumentError(ArgumentProblem.TOO_LONG, parameter.argument, most=parameter.kind.longest)
    return given


def _take_flags(parameters: Sequence[Parameter], words: list[_Word]) -> dict[str, str]:
    """Remove the flags from the end of *words*, and return them by parameter."""
    flags = {each.argument.name: each.name for each in parameters if each.argument.is_flag}
    given: dict[str, str] = {}
    while words and (name := flags.get(words[-1].text.lower())) is not None:
        given[name] = words.pop().text
    return given


def _take_positional(parameters: Sequence[Parameter], words: list[_Word], text: str) -> dict[str, str]:
    """Remove the positional arguments from *words*, and return them by parameter."""
    positional = [each for each in parameters if not each.argument.is_flag]
    spanning_at = next((number for number, each in enumerate(positional) if each.kind.spans), len(positional))
    required = sum(each.argument.required for each in positional)
    given: dict[str, str] = {}
    for parameter in reversed(positional[spanning_at + 1 :]):
        if len(words) > required and words[-1].text.startswith(parameter.kind.begins):
            given[parameter.name] = words.pop().text
    for parameter in positional[: spanning_at + 1]:
        if words:
            taken = words[:] if parameter.kind.spans else words[:1]
            start, end = taken[0].start, taken[-1].end
            given[parameter.name] = text[start:end] if parameter.kind.keeps_quotes else _joined(text, taken)
            del words[: len(taken)]
    return given


def words_of(text: str) -> list[str]:
    """Return the words of *text*, each quoted text as one, without its quotes."""
    return [word.text for word in _words(text)]


def _words(text: str) -> Iterator[_Word]:
    for match in _WORD.finditer(text):
        quoted = match["quoted"]
        yield _Word(match[0] if quoted is None else quoted[1:-1].strip(), match.start(), match.end())


def _joined(text: str, words: Sequence[_Word]) -> str:
    """Return *words*, which follow one another, as they stand in *text*; a single one without its quotes."""
    return words[0].text if len(words) == 1 else text[words[0].start : words[-1].end]


def _parameter(declared: inspect.Parameter, hint: Any) -> Parameter:
    """Return the parameter that the signature declares with the type *hint*."""
    types = [each for each in get_args(hint) if each is not NoneType] or [hint]
    required = declared.default is inspect.Parameter.empty
    if declared.kind is inspect.Parameter.KEYWORD_ONLY and types == [bool]:
        # The underscore keeps the name apart from one of Python's own.
        flag = Argument(declared.name.rstrip("_"), required=False, is_flag=True, type=ArgumentType.FLAG)
        return Parameter(declared.name, flag, Kind(_given))
    if isinstance(types[0], type) and issubclass(types[0], StrEnum):
        choices = tuple(str(each) for each in types[0])
        return Parameter(declared.name, Argument(declared.name, required, choices), Kind(_choice_of(types[0])))
    if types[0] not in _KINDS:
        raise TypeError(f"{hint} is no kind of argument")
    kind = _KINDS[types[0]]
    return Parameter(declared.name, Argument(declared.name, required, type=kind.type, spans=kind.spans), kind)


def _choice_of(choices: type[StrEnum]) -> Convert:
    async def convert(argument: Argument, value: str, _ctx: CommandContext) -> StrEnum:
        try:
            return choices(value.lower())
        except ValueError:
            raise ArgumentError(ArgumentProblem.NOT_A_CHOICE, argument, value) from None

    return convert


async def _given(_argument: Argument, _value: str, _ctx: CommandContext) -> bool:
    return True


async def _agent(argument: Argument, value: str, ctx: CommandContext) -> AgentRoom:
    return await the_agent(argument, value, await visible_agents(ctx), ctx.services.namespace.domain)


async def the_agent(argument: Argument, value: str, agents: Sequence[AgentRoom], domain: str) -> AgentRoom:
    """Return the one of *agents* that *value* means. Names are compared in a thread: there may be thousands.

    Raises:
        ArgumentError: it means none of them, or several.
    """
    found = await asyncio.to_thread(find_agents, value.removesuffix(f":{domain}"), agents)
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


async def _user(argument: Argument, value: str, _ctx: CommandContext) -> UserId:
    try:
        parse_user_id(value)
    except ValueError:
        raise ArgumentError(ArgumentProblem.NOT_A_USER_ID, argument, value) from None
    return UserId(value)


async def _page(argument: Argument, value: str, _ctx: CommandContext) -> PageNumber:
    if _PAGE.fullmatch(value) is None:
        raise ArgumentError(ArgumentProblem.UNKNOWN_WORD, argument, value)
    return PageNumber(int(value))


async def _reference(_argument: Argument, value: str, _ctx: CommandContext) -> MessageReference:
    return parse_reference(value)


_KINDS: dict[Any, Kind] = {
    AgentRoom: Kind(_agent, spans=True),
    OneAgent: Kind(_agent),
    AgentName: Kind(_text),
    AgentChoice: Kind(_text, spans=True),
    WhichChat: Kind(_text, spans=True),
    ChatTitle: Kind(_text, spans=True, longest=_TITLED),
    AgentAndTitle: Kind(_text, spans=True, longest=_TITLED, keeps_quotes=True),
    UserId: Kind(_user, begins="@", type=ArgumentType.USER),
    PageNumber: Kind(_page, type=ArgumentType.NUMBER),
    Words: Kind(_text, spans=True, longest=_TEXT),
    InstructionText: Kind(_text, spans=True, longest=_INSTRUCTIONS),
    SaveName: Kind(_save_name, spans=True, longest=_SAVE_NAME),
    CommandWord: Kind(_command_word, spans=True),
    MessageReference: Kind(_reference, spans=True, longest=_REFERENCE),
}

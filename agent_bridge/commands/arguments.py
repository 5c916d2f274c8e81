"""Arguments of commands: a function's signature is their specification, and text becomes values of its types.

The types are listed in :mod:`agent_bridge.commands.argument_kinds`. A parameter with a default is optional (``[…]`` in
the usage line). Quotes keep several words together. A command without parameters ignores the words behind its name
(``stop it`` is ``stop``) unless it is declared as *exact*.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from agent_bridge.commands.argument_kinds import (
    ALL_ROOMS,
    FLAG,
    KINDS,
    ArgumentError,
    Kind,
    agent_named,
    choice_of,
    own_chat,
    place_named,
    user_named,
    whole_agent,
)
from agent_bridge.commands.lookup import Closeness, find_agents, visible_agents
from agent_bridge.core.results.commands import Argument, ArgumentProblem, ArgumentType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from agent_bridge.commands.registry import CommandContext
    from agent_bridge.core.payloads import NamedValue

#: A quoted text between blanks, or a word.
_WORD = re.compile(r"""(?P<quoted>"[^"]+"|'[^']+'|‘[^’]+’|[“„”][^“”]+[“”]|«[^»]+»|»[^«]+«)(?!\S)|\S+""")  # noqa: RUF001


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
    await _refuse_word_behind_agent(parameters, given, ctx)
    return {
        parameter.name: await parameter.kind.convert(parameter.argument, given[parameter.name], ctx)
        for parameter in parameters
        if parameter.name in given
    }


async def _refuse_word_behind_agent(
    parameters: Sequence[Parameter], given: Mapping[str, str], ctx: CommandContext
) -> None:
    """Refuse ``Ada bob``: a similar name would hide that the last word is no part of the name.

    Raises:
        ArgumentError: the last word behind an agent's name, or behind ``*``, is neither a part of the name nor another
            argument.
    """
    kinds = (agent_named, place_named, whole_agent)
    agent = next((each for each in parameters if each.kind.convert in kinds and each.kind.spans), None)
    if agent is None:
        return
    name, _, last = given.get(agent.name, "").rpartition(" ")
    user = next((each for each in parameters if each.kind.convert is user_named and each.name not in given), None)
    if name == ALL_ROOMS or (name and await _is_named_before(name, given[agent.name], agent.kind, ctx)):
        if user is None:
            raise ArgumentError(ArgumentProblem.SURPLUS, value=last)
        raise ArgumentError(ArgumentProblem.NOT_A_USER_ID, user.argument, last)


async def _is_named_before(name: str, words: str, kind: Kind, ctx: CommandContext) -> bool:
    """Tell whether *name* names an agent, and *words*, which have one more word, name nothing of *kind*."""
    if kind.convert is place_named and await own_chat(words, ctx) is not None:
        return False
    agents = await visible_agents(ctx)

    def compare() -> bool:
        found, longer = (find_agents(each, agents, Closeness.PART) for each in (name, words))
        return bool(found) and not longer

    return await asyncio.to_thread(compare)


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
        last = words[-1].text if len(words) > required else ""
        # A single @name is an agent: a user id has a server.
        if last.startswith(parameter.kind.begins) and last and (len(words) > 1 or ":" in last):
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


def first_quoted(text: str) -> tuple[str, str] | None:
    """Return the quoted text that *text* begins with, without its quotes, and the words behind it; None without one."""
    text = text.strip()
    match = _WORD.match(text)
    if match is None or match["quoted"] is None:
        return None
    return match["quoted"][1:-1].strip(), text[match.end() :].strip()


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
        return Parameter(declared.name, flag, FLAG)
    if isinstance(types[0], type) and issubclass(types[0], StrEnum):
        choices = tuple(str(each) for each in types[0])
        return Parameter(declared.name, Argument(declared.name, required, choices), Kind(choice_of(types[0])))
    if types[0] not in KINDS:
        raise TypeError(f"{hint} is no kind of argument")
    kind = KINDS[types[0]]
    return Parameter(declared.name, Argument(declared.name, required, type=kind.type, spans=kind.spans), kind)

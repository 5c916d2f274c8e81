"""Arguments of commands: the parser turns text into the values of a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.commands import access, approvals, rooms, status, turns
from agent_bridge.commands.argument_kinds import ArgumentError, UserId
from agent_bridge.commands.arguments import parameters_of, split_arguments
from agent_bridge.commands.lookup import MessageReference, nearest
from agent_bridge.core.results.commands import Argument, ArgumentProblem, ArgumentType
from agent_bridge.core.rooms import WhenBusy  # noqa: TC001  # signatures are read
from agent_bridge.store.agents import AgentRoom  # noqa: TC001  # likewise

if TYPE_CHECKING:
    from agent_bridge.commands.registry import Command


@pytest.mark.parametrize(
    ("command", "text", "given"),
    [
        pytest.param(access.invite, "Ada", {"place": "Ada"}, id="one word"),
        pytest.param(access.invite, "  Bert the  Great ", {"place": "Bert the  Great"}, id="several words"),
        pytest.param(access.invite, "Ada @bob:x", {"place": "Ada", "user": "@bob:x"}, id="an optional user"),
        pytest.param(
            access.invite, "Bert the Great @bob:x", {"place": "Bert the Great", "user": "@bob:x"}, id="both, of words"
        ),
        pytest.param(access.invite, "", {}, id="no words"),
        pytest.param(access.invite, "@bob:x", {"user": "@bob:x"}, id="a user alone"),
        pytest.param(access.invite, "@Ada", {"place": "@Ada"}, id="a name with an @ is no user"),
        pytest.param(access.invite, "* @bob:x", {"place": "*", "user": "@bob:x"}, id="all rooms"),
        pytest.param(access.leave, "Bert the Great", {"agent": "Bert the Great"}, id="an optional agent of words"),
        pytest.param(access.invite, "Ada @Home", {"place": "Ada", "user": "@Home"}, id="an invalid user is one too"),
        pytest.param(access.invite, '"Ada @Home"', {"place": "Ada @Home"}, id="quotes keep words together"),
        pytest.param(access.invite, "“Ada B” @bob:x", {"place": "Ada B", "user": "@bob:x"}, id="quotes of telephones"),
        pytest.param(access.invite, "‘Ada B’ @bob:x", {"place": "Ada B", "user": "@bob:x"}, id="single ones"),  # noqa: RUF001
        pytest.param(access.invite, "”Ada B”", {"place": "Ada B"}, id="Swedish quotes"),
        pytest.param(access.invite, "„Ada B”", {"place": "Ada B"}, id="Polish quotes"),
        pytest.param(access.invite, "»Ada B«", {"place": "Ada B"}, id="Danish quotes"),
        pytest.param(access.invite, "«Ада Б»", {"place": "Ада Б"}, id="Russian quotes"),
        pytest.param(access.invite, "'Ada B'", {"place": "Ada B"}, id="single quotes"),
        pytest.param(access.invite, "Bob's agent", {"place": "Bob's agent"}, id="an apostrophe is no quote"),
        pytest.param(access.invite, 'Ada "the" great', {"place": 'Ada "the" great'}, id="quotes inside a name stay"),
        pytest.param(access.invite, '"Ada', {"place": '"Ada'}, id="a single quote is a character"),
        pytest.param(rooms.busy, "COLLECT", {"mode": "COLLECT"}, id="a choice"),
        pytest.param(turns.why, "why did\n$x fail?", {"message": "why did\n$x fail?"}, id="a reference in a sentence"),
        pytest.param(status.sync, "", {}, id="no flag"),
        pytest.param(status.sync, "All", {"all_": "All"}, id="a flag in any case"),
        pytest.param(status.help_, "invite please", {"command": "invite please"}, id="the name of a command"),
        pytest.param(turns.stop, "it!", {}, id="no parameters: words are ignored, as intake ignores them"),
    ],
)
def test_words_belong_to_arguments(command: Command, text: str, given: dict[str, str]) -> None:
    assert split_arguments(command.parameters, text) == given


@pytest.mark.parametrize(
    ("command", "text", "problem", "argument", "value"),
    [
        (rooms.stream, "", ArgumentProblem.MISSING, "mode", ""),
        (turns.retry, "", ArgumentProblem.MISSING, "turn", ""),
        (rooms.busy, "queue please now", ArgumentProblem.SURPLUS, None, "please now"),
        (status.sync, "al", ArgumentProblem.SURPLUS, None, "al"),
        (status.sync, "all of them", ArgumentProblem.SURPLUS, None, "all of them"),
        (access.invite, "a" * 301, ArgumentProblem.TOO_LONG, "place", ""),
        (turns.why, "$" * 2_001, ArgumentProblem.TOO_LONG, "message", ""),
        (approvals.deny, "a b " * 2_501, ArgumentProblem.TOO_LONG, "reason", ""),
    ],
)
def test_words_that_do_not_fit(
    command: Command, text: str, problem: ArgumentProblem, argument: str | None, value: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        split_arguments(command.parameters, text)
    assert (caught.value.problem, caught.value.value) == (problem, value)
    assert (caught.value.argument.name if caught.value.argument else None) == argument


@given(st.text(max_size=40))
def test_any_text_is_split_or_rejected(text: str) -> None:
    for command in (access.invite, rooms.busy, turns.why, status.sync, status.help_):
        try:
            given = split_arguments(command.parameters, text)
        except ArgumentError as error:
            given = {"rejected": error.value}
        assert all(value in text for value in given.values())


def test_a_signature_specifies_the_arguments() -> None:
    async def function(
        _context: object, mode: WhenBusy, agent: AgentRoom, user: UserId | None = None, *, all_: bool = False
    ) -> None:
        """Do nothing."""

    assert [parameter.argument for parameter in parameters_of(function)] == [
        Argument("mode", required=True, choices=("queue", "collect", "interrupt")),
        Argument("agent", required=True, spans=True),
        Argument("user", required=False, type=ArgumentType.USER),
        Argument("all", required=False, is_flag=True, type=ArgumentType.FLAG),
    ]
    assert split_arguments(parameters_of(function), "queue Ada B @bob:x all") == {
        "mode": "queue",
        "agent": "Ada B",
        "user": "@bob:x",
        "all_": "all",
    }


def test_a_signature_that_cannot_be_read_is_an_error_of_the_program() -> None:
    async def unknown(_context: object, number: int) -> None:
        """Do nothing."""

    async def ambiguous(_context: object, agent: AgentRoom, message: MessageReference) -> None:
        """Do nothing."""

    async def hidden(_context: object, agent: AgentRoom, mode: WhenBusy) -> None:
        """Do nothing."""

    async def positional_flag(_context: object, all_: bool = False) -> None:  # noqa: FBT001, FBT002
        """Do nothing."""

    for function in (unknown, ambiguous, hidden, positional_flag):
        with pytest.raises(TypeError):
            parameters_of(function)


@pytest.mark.parametrize(
    ("word", "name"), [("agnets", "agents"), ("STATSU", "status"), ("qwertyuiop", None), ("", None)]
)
def test_the_nearest_of_names(word: str, name: str | None) -> None:
    assert nearest(word, ["agents", "invite", "status"]) == name

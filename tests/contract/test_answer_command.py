"""The command ``answer`` on a real PostgreSQL: a repeat acts no more, and wrong input changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import HomeserverUnavailable
from agent_bridge.core.results.commands import AgentAnswers, Answers, InvalidArguments, WrongRoom
from agent_bridge.core.results.contexts import ContextRefusal, ContextRefused
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import AnswerMode
from agent_bridge.store.groups import Groups
from agent_bridge.store.rooms import Rooms
from support.command_services import command_services, give
from support.turn_rows import add_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.commands.registry import CommandServices
    from agent_bridge.store.postgres.database import Database

GROUP = "!group:example.org"


@pytest.fixture
async def services(database: Database) -> AsyncIterator[CommandServices]:
    """The services of a bridge with a group of two agents, and a third agent elsewhere."""
    for name, room in (("Frida", "!f:example.org"), ("Gala", "!g:example.org"), ("Hugo", "!h:example.org")):
        await add_agent(database, name, room)
    await Groups(database).admit(GROUP, ["agent_frida", "agent_gala"], 1, "$invitation")
    async with command_services(database) as given:
        yield given


async def modes(services: CommandServices) -> dict[str, AnswerMode | None]:
    room = (await Rooms(services.database).contexts([GROUP]))[GROUP]
    return {each.names[0]: each.answers for each in room.participants}


async def answer(services: CommandServices, words: str, **changes: Any) -> object:
    return await give(services, f"answer {words}", room_id=GROUP, **changes)


async def test_a_repeat_changes_nothing(services: CommandServices) -> None:
    frida = Answers((AgentAnswers("Frida", AnswerMode.OFF),))
    assert await answer(services, "off Frida", event_id="$1") == frida
    assert await modes(services) == {"Frida": AnswerMode.OFF, "Gala": None}
    assert await answer(services, "always frid", event_id="$2") == Answers((AgentAnswers("Frida", AnswerMode.ALWAYS),))
    # The first command runs again after a kill.
    assert await answer(services, "off Frida", event_id="$1") == frida
    assert await modes(services) == {"Frida": AnswerMode.ALWAYS, "Gala": None}
    shown = await answer(services, "")
    assert shown == Answers((AgentAnswers("Frida", AnswerMode.ALWAYS), AgentAnswers("Gala", AnswerMode.MENTION)))


@pytest.mark.parametrize(
    "words", ["often", "off Frida Gala x", "off Nobody", "off #0", "always\0", "x" * 60_000, "off @"]
)
async def test_wrong_words_change_nothing(services: CommandServices, words: str) -> None:
    assert isinstance(await answer(services, words), InvalidArguments)
    assert await modes(services) == {"Frida": None, "Gala": None}


async def test_an_agent_has_to_be_named_and_there(services: CommandServices) -> None:
    assert await answer(services, "off", event_id="$1") == ContextRefused(ContextRefusal.UNNAMED)
    assert await answer(services, "off Hugo", event_id="$2") == ContextRefused(ContextRefusal.ABSENT, "Hugo")
    assert await give(services, "answer", in_agent_room=False) == WrongRoom("answer")
    assert await modes(services) == {"Frida": None, "Gala": None}


async def test_a_member_is_looked_up_in_the_room(services: CommandServices) -> None:
    """The homeserver of this test cannot be reached: the command is tried again."""
    with pytest.raises(HomeserverUnavailable):
        await answer(services, "off Frida", role=Role.MEMBER)
    assert await modes(services) == {"Frida": None, "Gala": None}
    assert isinstance(await answer(services, "", role=Role.MEMBER), Answers)

"""The presence of an agent shows whether it can answer, if that is configured."""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.signals import Signals
from support.conditions import eventually
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.i18n.catalogue import Texts
    from support.harness import BridgeHarness, Conversation


@asynccontextmanager
async def room_of(
    harness: BridgeHarness, database_url: str, upstream: ScriptedUpstream, agent: int = 0, **sections: Any
) -> AsyncIterator[Conversation]:
    """Put a person into the room of an agent of *upstream*."""
    config = harness.config(database_url, [{"name": "letta", "url": upstream.url}], **sections)
    async with harness.person() as person, harness.bridge(config) as running:
        yield await running.join(person, upstream.names[agent])


def looks(talk: Conversation, presence: str, message: str | None) -> Callable[[], bool]:
    """Return a condition: the person sees this presence of the agent."""

    def seen() -> bool:
        content = talk.person.presences.get(talk.ghost, {})
        return (content.get("presence"), content.get("status_msg")) == (presence, message)

    return seen


@pytest.mark.parametrize(
    ("language", "texts"),
    [pytest.param("en", ENGLISH, id="english", marks=pytest.mark.long), pytest.param("ru", RUSSIAN, id="russian")],
)
async def test_an_agent_is_online_while_its_server_answers(
    harness: BridgeHarness, database_url: str, language: str, texts: Texts
) -> None:
    async with (
        ScriptedUpstream("there") as upstream,
        room_of(harness, database_url, upstream, presence=True, language=language) as talk,
    ):
        await talk.person.wait_for(looks(talk, "online", texts.presence_ready))
        upstream.status = HTTPStatus.SERVICE_UNAVAILABLE
        await talk.person.wait_for(looks(talk, "unavailable", texts.presence_away.format(upstream="letta")))
        upstream.status = HTTPStatus.OK
        await talk.person.wait_for(looks(talk, "online", texts.presence_ready))


@pytest.mark.long
async def test_an_agent_that_is_gone_is_offline(harness: BridgeHarness, database_url: str) -> None:
    async with (
        ScriptedUpstream("stays", "goes") as upstream,
        room_of(harness, database_url, upstream, 1, presence=True) as talk,
    ):
        await talk.person.wait_for(looks(talk, "online", "Ready"))
        del upstream.models[1]
        await talk.person.wait_for(looks(talk, "offline", None))


@pytest.mark.long
async def test_nothing_is_shown_unless_it_is_configured(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("quiet") as upstream, Proxy(harness.synapse.url) as proxy:
        paths: list[str] = []
        proxy.refuses = lambda _number, _method, path: paths.append(path)
        homeserver = {"address": proxy.url, "domain": harness.synapse.server_name}
        async with room_of(harness, database_url, upstream, homeserver=homeserver) as talk:
            upstream_status = UpstreamStatus(KeyValues(talk.running.database), Signals())

            async def away() -> bool:
                return any(health.error for health in await upstream_status.read())

            async def back() -> bool:
                return all(health.ok for health in await upstream_status.read())

            upstream.status = HTTPStatus.SERVICE_UNAVAILABLE
            await eventually(away, "the server is known to be away")
            upstream.status = HTTPStatus.OK
            await eventually(back, "the server is known to be back")
            await talk.say("hello")
            await talk.wait_for_answers(1)
        assert any("/rooms/" in path for path in paths)
        assert [path for path in paths if "presence" in path] == []

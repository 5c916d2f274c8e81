"""The profiles of agents tell the description, that it is an agent, and its activity; rooms name the bridge."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from support.conditions import eventually
from support.harness import SHARED
from support.scripted_upstream import ScriptedUpstream, waits_for
from support.shared_bridge import SharedBridge, UpstreamHub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness
    from support.person import Person
    from support.postgres import Server

BIOGRAPHY, MARK, STATUS = "m.biography", "org.agent_bridge.agent", "m.status"


@pytest.fixture(scope="module")
async def place(harness: BridgeHarness, postgres: Server) -> AsyncIterator[SharedBridge]:
    with postgres.migrated() as database_url, pytest.MonkeyPatch.context() as patch:
        for name in ("_LOOK", "_AFTER", "_SHOWN"):
            patch.setattr(f"agent_bridge.bridge.agents.profiles.{name}", 0.3)
        async with UpstreamHub() as hub:
            upstreams = [{"name": "scripted", "url": hub.url}]
            config = harness.config(database_url, upstreams, service=SHARED, profiles=True, profiles_per_second=50.0)
            async with harness.bridge(config) as running:
                yield SharedBridge(harness, running, hub)


@dataclass(frozen=True)
class Profile:
    """The profile of a user, as a person sees it."""

    person: Person
    user_id: str

    async def has(self, **fields: Any) -> None:
        """Wait until the profile has the *fields*; None: it has no such field."""
        wanted = {
            {"biography": BIOGRAPHY, "mark": MARK, "status": STATUS}[name]: value for name, value in fields.items()
        }

        async def seen() -> bool:
            profile = await self.person.ask("GET", f"/profile/{self.user_id}")
            return {name: profile.get(name) for name in wanted} == wanted

        await eventually(seen, f"the profile has {wanted}")


def text(description: str) -> dict[str, Any]:
    return {"m.text": [{"body": description}]}


async def test_the_profile_has_the_description_and_tells_that_it_is_an_agent(place: SharedBridge) -> None:
    upstream = ScriptedUpstream("x")
    upstream.models[0]["description"] = "Reads the news"
    async with upstream, place.talk(upstream) as talk:
        profile = Profile(talk.person, talk.ghost)
        await profile.has(biography=text("Reads the news"), mark=True, status=None)
        upstream.models[0]["description"] = "Writes the news"
        await profile.has(biography=text("Writes the news"), mark=True)
        del upstream.models[0]["description"]
        await profile.has(biography=None, mark=True)
        state = {(each["type"], each["state_key"]): each["content"] for each in await talk.person.state(talk.room_id)}
        ghost = talk.ghost[1:].partition(":")[0]
        assert state["m.bridge", f"org.agent_bridge://{ghost}"][MARK]


async def test_the_profile_has_the_activity_while_an_agent_answers_for_long(place: SharedBridge) -> None:
    async with ScriptedUpstream("slow") as upstream, place.talk(upstream) as talk:
        profile, gate = Profile(talk.person, talk.ghost), asyncio.Event()
        upstream.scripts.append(waits_for(gate, "here"))
        await talk.say("hello")
        await profile.has(status={"text": "Answering", "emoji": "💬"})
        gate.set()
        await profile.has(status=None)


@pytest.mark.long
async def test_a_bridge_without_profiles_empties_them(harness: BridgeHarness, database_url: str) -> None:
    upstream = ScriptedUpstream("x")
    upstream.models[0]["description"] = "Reads the news"
    async with upstream, harness.person() as person:
        options: dict[str, Any] = {"profiles_per_second": 50.0}
        for shows in (True, False):
            config = harness.config(database_url, [{"name": "u", "url": upstream.url}], profiles=shows, **options)
            async with harness.bridge(config) as running:
                (contact,) = await running.agents.all() or [await running.contact(upstream.names[0])]
                profile = Profile(person, running.homeserver.namespace.user_id(contact.agent.ghost))
                if shows:
                    # It died while the agent answered. The row comes last: the bridge repairs the field for it.
                    await running.homeserver.set_profile_field(profile.user_id, STATUS, {"text": "Answering"})
                    await running.database.execute("UPDATE agent SET activity_applied = 'answers'")
                    await profile.has(biography=text("Reads the news"), mark=True, status=None)
                else:
                    await profile.has(biography=None, mark=None, status=None)

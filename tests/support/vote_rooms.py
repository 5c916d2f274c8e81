"""Votes in a room, as people take part in them and as the homeserver has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent_bridge.core.polls import POLL_END, POLL_RESPONSE, POLL_START, VOTE
from support.conditions import eventually

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver
    from support.person import Person


@dataclass(frozen=True)
class VoteRoom:
    """A room with votes."""

    homeserver: Homeserver
    room_id: str

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type, oldest first, redacted ones without content."""
        found: list[dict[str, Any]] = []
        start: str | None = None
        while True:
            page, start = await self.homeserver.messages(self.room_id, limit=100, start=start, only={"types": [kind]})
            found += page
            if start is None:
                return found[::-1]

    async def polls(self) -> list[dict[str, Any]]:
        """Return the polls of the bridge that are not redacted."""
        return [each for each in await self.events(POLL_START) if VOTE in each["content"]]

    async def poll(self, question: str) -> str:
        """Wait for the poll with *question*, and return its event id."""

        async def shown() -> str | None:
            found = [each for each in await self.polls() if each["content"][VOTE]["question"] == question]
            return str(found[-1]["event_id"]) if found else None

        return await eventually(shown, f"the room has the poll {question}")

    async def ends(self, poll: str) -> list[dict[str, Any]]:
        """Return the contents that end *poll*."""
        ends = [each["content"] for each in await self.events(POLL_END)]
        return [each for each in ends if each.get("m.relates_to", {}).get("event_id") == poll]

    async def results(self, poll: str) -> list[dict[str, Any]]:
        """Return the contents of the messages with the result of *poll*."""
        contents = [each["content"] for each in await self.events("m.room.message")]
        return [each for each in contents if each.get(VOTE, {}).get("poll") == poll]

    async def result(self, poll: str, within: float = 30) -> dict[str, Any]:
        """Wait for the result of *poll*, and return its content."""

        async def told() -> dict[str, Any] | None:
            found = await self.results(poll)
            return found[0] if found else None

        return await eventually(told, "the room has the result", within)

    async def votes(self, poll: str) -> list[int]:
        """Wait for the result of *poll*, and return the numbers of votes."""
        return [each["votes"] for each in (await self.result(poll))[VOTE]["answers"]]


def response(poll: str, *answers: str, stable: bool = False) -> tuple[str, dict[str, Any]]:
    """Return the type and the content of a response to *poll* that selects *answers* by their ids."""
    relation = {"m.relates_to": {"rel_type": "m.reference", "event_id": poll}}
    if stable:
        return "m.poll.response", relation | {"m.selections": list(answers)}
    return POLL_RESPONSE, relation | {POLL_RESPONSE: {"answers": list(answers)}}


async def cast(person: Person, room_id: str, poll: str, *answers: str, stable: bool = False) -> str:
    """Have *person* vote in *poll*, and return the event id."""
    return await person.send(room_id, *response(poll, *answers, stable=stable))


async def power_levels(person: Person, room_id: str) -> dict[str, Any]:
    """Return the power levels of a room."""
    return dict(await person.ask("GET", f"/rooms/{quote(room_id)}/state/m.room.power_levels/"))

"""Matrix accounts that do everything a test needs."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from uuid import uuid4

import aiohttp

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.demo import account, client
from agent_bridge.demo.account import V3, call
from support.conditions import DEADLINE, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.demo.timeline import Event, Room


class Account(account.Account):
    """An account. Every method raises as those of the demo's account do."""

    @classmethod
    async def login(cls, homeserver: str, name: str, password: str) -> Self:
        """Log in with a password; the result is yet to be entered."""
        identifier = {"type": "m.id.user", "user": name}
        credentials = {"type": "m.login.password", "identifier": identifier, "password": password}
        async with aiohttp.ClientSession(homeserver) as http:
            answer = await call(http, "POST", f"{V3}/login", credentials)
        return cls(homeserver, answer["user_id"], answer["access_token"])

    async def react(self, room_id: str, event_id: str, key: str) -> str:
        """React to an event and return the reaction's event id."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.send(room_id, "m.reaction", {"m.relates_to": relation})

    async def edit(self, room_id: str, event_id: str, text: str) -> str:
        """Change a message of theirs to *text* and return the edit's event id."""
        new = {"msgtype": "m.text", "body": text}
        relation = {"rel_type": "m.replace", "event_id": event_id}
        content = {"msgtype": "m.text", "body": f"* {text}", "m.new_content": new, "m.relates_to": relation}
        return await self.send(room_id, "m.room.message", content)

    async def reply(self, room_id: str, event_id: str, text: str, *, thread: str | None = None) -> str:
        """Reply to a message, or within the thread of *thread*, and return the event id."""
        relation: dict[str, Any] = {"m.in_reply_to": {"event_id": event_id}}
        if thread is not None:
            relation |= {"rel_type": "m.thread", "event_id": thread, "is_falling_back": True}
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text, "m.relates_to": relation})

    async def upload(self, data: bytes, content_type: str, name: str) -> str:
        """Give the homeserver a file and return its ``mxc://`` URL."""
        headers, query = {"Content-Type": content_type}, {"filename": name}
        body = io.BytesIO(data)
        async with self._http.post("/_matrix/media/v3/upload", data=body, headers=headers, params=query) as answer:
            return str((await answer.json())["content_uri"])

    async def download(self, url: str) -> bytes:
        """Return the file behind an ``mxc://`` URL."""
        path = f"/_matrix/client/v1/media/download/{url.removeprefix('mxc://')}"
        async with self._http.get(path) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def redact(self, room_id: str, event_id: str) -> None:
        """Take a message or a reaction back."""
        await self.ask("PUT", f"/rooms/{_q(room_id)}/redact/{_q(event_id)}/{uuid4()}", {})

    async def set_state(self, room_id: str, kind: str, content: Mapping[str, Any], key: str = "") -> None:
        """Change the state of a room."""
        await self.ask("PUT", f"/rooms/{_q(room_id)}/state/{_q(kind)}/{_q(key)}", content)

    async def create_room(self, **options: Any) -> str:
        """Create a room, with the options of the spec's ``createRoom``, and return its id."""
        return str((await self.ask("POST", "/createRoom", options))["room_id"])

    async def create_dm(self, user_id: str) -> str:
        """Start a direct conversation and return its room id."""
        return await self.create_room(preset="trusted_private_chat", is_direct=True, invite=[user_id])

    async def leave(self, room_id: str) -> None:
        """Leave a room, or decline its invitation."""
        await self.ask("POST", f"/rooms/{_q(room_id)}/leave", {})

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invite a user into a room."""
        await self.ask("POST", f"/rooms/{_q(room_id)}/invite", {"user_id": user_id})

    async def resolve(self, alias: str) -> str | None:
        """Return the id of the room behind *alias*, None when there is none."""
        found = await self._ask_for(f"/directory/room/{_q(alias)}")
        return str(found["room_id"]) if found else None

    async def displayname(self, user_id: str) -> str | None:
        """Return the display name in the profile of *user_id*, None if it has none."""
        profile = await self._ask_for(f"/profile/{_q(user_id)}") or {}
        return str(profile["displayname"]) if profile.get("displayname") else None

    async def hierarchy(self, space_id: str) -> list[dict[str, Any]]:
        """Return a Space and its rooms, each as the spec's ``SpaceHierarchyRoomsChunk``."""
        answer = await call(self._http, "GET", f"/_matrix/client/v1/rooms/{_q(space_id)}/hierarchy")
        return list(answer["rooms"])

    async def state(self, room_id: str) -> list[Event]:
        """Return the current state events of a room."""
        return list(await self.ask("GET", f"/rooms/{_q(room_id)}/state"))

    async def _ask_for(self, path: str) -> dict[str, Any] | None:
        try:
            return dict(await self.ask("GET", path))
        except HomeserverRefused as refusal:
            if refusal.status == HTTPStatus.NOT_FOUND:
                return None
            raise


class Person(client.Person, Account):
    """An account with an open client."""

    async def wait_for(self, seen: Callable[[], Seen], within: float = DEADLINE) -> Seen:
        """Return the first true result of *seen*; see the demo's client."""
        return await super().wait_for(seen, within)


def is_space(room: Room) -> bool:
    """Tell whether *room* is a Space."""
    return room.state.get(("m.room.create", ""), {}).get("type") == "m.space"


def space_children(space: Room) -> list[str]:
    """Return the room ids of a Space's children, in the order of the spec (section "Ordering of children")."""
    links = {room: link for (kind, room), link in space.state.items() if kind == "m.space.child" and link.get("via")}
    return sorted(links, key=lambda room: ("order" not in links[room], links[room].get("order", ""), room))


def _q(part: str) -> str:
    return quote(part, safe="")

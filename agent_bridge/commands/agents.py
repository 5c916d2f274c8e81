"""Commands about agents: list them, let people into their rooms."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING
from urllib.parse import quote

from agent_bridge.bridge.access import role_of
from agent_bridge.commands.command import Command
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.model import AgentState, Role
from agent_bridge.render import words
from agent_bridge.render.content import escape, link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.commands.command import Call
    from agent_bridge.core.ids import Names
    from agent_bridge.matrix.homeserver import Homeserver
    from agent_bridge.store.contacts import Contact, Contacts

_CLOSE = 0.6
_ROWS = 25


def find_contacts(name: str, contacts: Sequence[Contact]) -> list[Contact]:
    """Return the contacts that *name* may mean: of the strictest reading that fits any.

    Readings, strictest first: id, ghost or room; the name; the name in any case; its beginning; a part of it; alike.
    """
    folded = name.casefold()
    readings = (
        lambda c: name in {c.agent.agent_id, c.agent.model, c.agent.ghost, c.portal.room_id},
        lambda c: name in {c.agent.name, c.portal.name, c.agent.displayname},
        lambda c: folded in {c.agent.name.casefold(), c.agent.ghost, c.agent.agent_id.casefold()},
        lambda c: c.agent.name.casefold().startswith(folded),
        lambda c: folded in c.agent.name.casefold(),
        lambda c: difflib.SequenceMatcher(None, folded, c.agent.name.casefold()).ratio() >= _CLOSE,
    )
    for reading in readings:
        if found := [contact for contact in contacts if reading(contact)]:
            return found
    return []


class AgentCommands:
    """``agents`` and ``invite``."""

    def __init__(
        self,
        homeserver: Homeserver,
        names: Names,
        contacts: Contacts,
        permissions: Mapping[str, Role],
        prefix: str,
    ) -> None:
        self._homeserver = homeserver
        self._names = names
        self._contacts = contacts
        self._permissions = permissions
        self._prefix = prefix

    def commands(self) -> list[Command]:
        """Return the commands."""
        return [
            Command("agents", "agents", "lists the agents and their rooms", Role.MEMBER, self.agents),
            Command("invite", "invite <agent> [@user:server]", "invites you, or somebody else, into an agent's room",
                    Role.ADMIN, self.invite),
        ]  # fmt: skip

    async def agents(self, _call: Call) -> str:
        """Return a table of all agents."""
        contacts = await self._contacts.all()
        if not contacts:
            return words.NO_AGENTS.format(prefix=self._prefix)
        rows = [
            f"| {self._room(contact)} | {escape(contact.agent.upstream)} | {self._state(contact)} |"
            for contact in sorted(contacts, key=lambda contact: contact.agent.name.casefold())
        ]
        # A table of its own for every few agents: a long answer is cut between them, and each part has its head.
        tables = [
            "\n".join(["| Agent | Server | State |", "|---|---|---|", *rows[at : at + _ROWS]])
            for at in range(0, len(rows), _ROWS)
        ]
        return "\n\n".join(tables)

    async def invite(self, call: Call) -> str:
        """Invite the caller or the person named last into an agent's room."""
        name, user = call.arguments.strip(), call.sender
        first, _, last = name.rpartition(" ")
        if first and last.startswith("@"):
            name, user = first.strip(), last
        if not name:
            return words.USAGE.format(prefix=self._prefix, usage="invite <agent> [@user:server]")
        try:
            parse_user_id(user)
        except ValueError:
            return words.NOT_A_USER_ID.format(user=escape(user))
        found = find_contacts(name, await self._contacts.all())
        if not found:
            return words.NO_SUCH_AGENT.format(name=escape(name))
        if len(found) > 1:
            names = ", ".join(f"{escape(c.agent.name)} (`{c.agent.ghost}`)" for c in found)
            return words.DID_YOU_MEAN.format(name=escape(name), names=names)
        return await self._let_in(found[0], user)

    async def _let_in(self, contact: Contact, user: str) -> str:
        room_id = contact.portal.room_id
        if room_id is None:
            return words.NO_ROOM_YET.format(name=escape(contact.agent.name))
        needed = await self._homeserver.invite(room_id, user)
        text = words.INVITED if needed else words.ALREADY_THERE
        answer = text.format(user=escape(user), room=self._room(contact))
        if role_of(user, self._permissions) < Role.MEMBER:
            answer += " " + words.MAY_NOT_TALK.format(user=escape(user))
        return answer

    def _room(self, contact: Contact) -> str:
        if contact.portal.room_id is None:
            return escape(contact.agent.name)
        via = quote(self._names.domain, safe="")
        room = quote(contact.portal.room_id, safe="!:")
        return link(f"https://matrix.to/#/{room}?via={via}", contact.agent.name)

    def _state(self, contact: Contact) -> str:
        match contact.agent.state:
            case AgentState.HELD:
                return words.HELD.format(prefix=self._prefix)
            case AgentState.GONE:
                return "gone"
        return "ready" if contact.portal.room_id else "its room is being made"

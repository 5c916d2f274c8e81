"""Commands about agents: list them, let people into their rooms."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING
from urllib.parse import quote

from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.commands.registry import Command
from agent_bridge.core.agents import AgentState
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.roles import Role
from agent_bridge.render.content import escape, link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.commands.registry import Call
    from agent_bridge.core.ids import Names
    from agent_bridge.i18n.catalogue import Words
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import Contact, Contacts

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
        words: Words,
    ) -> None:
        self._homeserver = homeserver
        self._names = names
        self._contacts = contacts
        self._permissions = permissions
        self._prefix = prefix
        self._words = words

    def commands(self) -> list[Command]:
        """Return the commands."""
        return [
            Command("agents", "agents", self._words.help_agents, Role.MEMBER, self.agents),
            Command("invite", self._words.usage_invite, self._words.help_invite, Role.ADMIN, self.invite),
        ]

    async def agents(self, _call: Call) -> str:
        """Return a table of all agents."""
        contacts = await self._contacts.all()
        if not contacts:
            return self._words.no_agents.format(prefix=self._prefix)
        rows = [
            f"| {self._room(contact)} | {escape(contact.agent.upstream)} | {self._state(contact)} |"
            for contact in sorted(contacts, key=lambda contact: contact.agent.name.casefold())
        ]
        # A table of its own for every few agents: a long answer is cut between them, and each part has its head.
        tables = [
            "\n".join([self._words.agents_head, "|---|---|---|", *rows[at : at + _ROWS]])
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
            return self._words.usage.format(prefix=self._prefix, usage=self._words.usage_invite)
        try:
            parse_user_id(user)
        except ValueError:
            return self._words.not_a_user_id.format(user=escape(user))
        found = find_contacts(name, await self._contacts.all())
        if not found:
            return self._words.no_such_agent.format(name=escape(name))
        if len(found) > 1:
            names = ", ".join(f"{escape(c.agent.name)} (`{c.agent.ghost}`)" for c in found)
            return self._words.did_you_mean.format(name=escape(name), names=names)
        return await self._let_in(found[0], user)

    async def _let_in(self, contact: Contact, user: str) -> str:
        room_id = contact.portal.room_id
        if room_id is None:
            return self._words.no_room_yet.format(name=escape(contact.agent.name))
        needed = await self._homeserver.invite(room_id, user)
        text = self._words.invited if needed else self._words.already_there
        answer = text.format(user=escape(user), room=self._room(contact))
        if role_of(user, self._permissions) < Role.MEMBER:
            answer += " " + self._words.may_not_talk.format(user=escape(user))
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
                return self._words.held.format(prefix=self._prefix)
            case AgentState.GONE:
                return self._words.gone
        return self._words.ready if contact.portal.room_id else self._words.room_is_made

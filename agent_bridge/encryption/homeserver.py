"""The homeserver for a bridge with keys: it encrypts what goes into encrypted rooms, and opens what it reads there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import KeyMissing, Unreadable
from agent_bridge.core.ids import MARK
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.events import OPENED
from agent_bridge.matrix.rooms import ADMIN_POWER, ENCRYPTION, JOIN_RULES, SPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import aiohttp

    from agent_bridge.core.ids import Namespace
    from agent_bridge.encryption.vault import Vault
    from agent_bridge.matrix.client import CreatedRoom
    from agent_bridge.matrix.requests import Json
    from agent_bridge.matrix.room_state import RoomState

ENCRYPTED = "m.room.encrypted"
#: The algorithm of encrypted rooms (spec, "m.room.encryption").
_ENCRYPTION = {"type": ENCRYPTION, "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
#: People see the messages since their invitations: of earlier ones they get no keys.
_VISIBILITY = {
    "type": "m.room.history_visibility",
    "state_key": "",
    "content": {"history_visibility": "invited"},
}
#: Events that clients do not encrypt: the homeserver counts reactions (spec, "Annotating messages").
_PLAIN = frozenset({"m.reaction"})


class EncryptedHomeserver(Homeserver):
    """Its callers write and read events in the clear, in all rooms.

    The relation of an event, and the mark by which the bridge finds its own events after a crash, stay readable for the
    homeserver: it aggregates edits and threads. An event whose key is missing is given as it is. With
    *encrypts_new_rooms*, the rooms that it makes are encrypted, except Spaces and rooms that everybody can enter.
    """

    has_keys = True

    def __init__(
        self,
        address: str,
        as_token: str,
        namespace: Namespace,
        session: aiohttp.ClientSession,
        vault: Vault,
        *,
        encrypts_new_rooms: bool = False,
        requires_encryption: bool = False,
    ) -> None:
        super().__init__(address, as_token, namespace, session)
        self._vault = vault
        self._encrypts_new_rooms = encrypts_new_rooms
        #: Encrypted rooms whose users of the bridge have devices.
        self._looked_at: set[str] = set()
        self.requires_encryption = requires_encryption

    async def create_room(self, content: Json, as_user: str | None = None) -> CreatedRoom:
        """Create a room as :meth:`Homeserver.create_room`; the users of the bridge in an encrypted one get devices."""
        content = _with_reachable_encryption(content)
        if self._encrypts_new_rooms and _is_private(content):
            content = {**content, "initial_state": [*content.get("initial_state", ()), _ENCRYPTION, _VISIBILITY]}
        if any(each.get("type") == _ENCRYPTION["type"] for each in content.get("initial_state", ())):
            # Before people see the room: their clients encrypt for the devices that they find then.
            users = [as_user or self.namespace.bot, *content.get("invite", ())]
            await self._give_devices(user for user in users if self.namespace.is_ours(user))
        return await super().create_room(content, as_user)

    async def join(self, room_id: str, as_user: str | None = None) -> None:
        """Join a room; no effect for a member. The user gets a device if the room is encrypted."""
        await super().join(room_id, as_user)
        user_id = as_user or self.namespace.bot
        if await self._vault.is_encrypted(room_id, user_id):
            await self._give_devices([user_id])

    async def room_state(self, room_id: str, as_user: str | None = None) -> RoomState | None:
        """Return the present state of a room, as :meth:`Homeserver.room_state`.

        The users of the bridge in an encrypted one get devices: a bridge that lost its database looks at all rooms in
        which its users are.
        """
        state = await super().room_state(room_id, as_user)
        if state is not None and state.is_encrypted and room_id not in self._looked_at:
            await self._give_devices(user for user in state.members("join") if self.namespace.is_ours(user))
            self._looked_at.add(room_id)
        return state

    async def _give_devices(self, users: Iterable[str]) -> None:
        for user_id in users:
            await self._vault.ensure_device(user_id)

    async def send(
        self,
        room_id: str,
        content: Json,
        *,
        txn_id: str,
        kind: str = "m.room.message",
        as_user: str | None = None,
        sent_at: datetime | None = None,
    ) -> str:
        """Send an event, encrypted if its room is; else as :meth:`Homeserver.send`."""
        user_id = as_user or self.namespace.bot
        if kind not in _PLAIN and await self._vault.is_encrypted(room_id, user_id):
            await self._vault.ensure_device(user_id)
            shown = {MARK: content[MARK]} if MARK in content else {}
            content = {**await self._vault.encrypt(user_id, room_id, kind, content, txn_id), **shown}
            kind = ENCRYPTED
        return await super().send(room_id, content, txn_id=txn_id, kind=kind, as_user=as_user, sent_at=sent_at)

    async def messages(
        self, room_id: str, *, only: Json | None = None, as_sent: bool = False, **options: Any
    ) -> tuple[list[Json], str | None]:
        """Return events as :meth:`Homeserver.messages`, those of the types of *only* also where they are encrypted."""
        read = partial(super().messages, room_id, **options)
        if as_sent:
            return await read(only=only, as_sent=True)
        wanted = (only or {}).get("types")
        if only is not None and wanted is not None:
            only = {**only, "types": sorted({*wanted, ENCRYPTED})}
        found, end = await read(only=only)
        return [each for each in found if wanted is None or each.get("type") in wanted], end

    async def request(self, *arguments: Any, **options: Any) -> Json:
        """Make one request, and open the encrypted events of its response."""
        answer = await super().request(*arguments, **options)
        if isinstance(answer.get("chunk"), list):
            answer["chunk"] = [await self._opened(event) for event in answer["chunk"]]
        elif answer.get("type") == ENCRYPTED:
            return dict(await self._opened(answer))
        return answer

    async def _opened(self, event: Any) -> Any:
        """Return an event in the clear, with its newest edit; what cannot be opened is given as it is."""
        if not isinstance(event, dict) or event.get("type") != ENCRYPTED:
            return event
        try:
            opened = await self._vault.decrypt(event)
        except (KeyMissing, Unreadable):
            return event
        opened["unsigned"] = {**(opened.get("unsigned") or {}), OPENED: True}
        edit = _newest_edit(opened)
        if edit is not None:
            relations = opened["unsigned"]["m.relations"]
            opened["unsigned"] = {
                **opened["unsigned"],
                "m.relations": {**relations, "m.replace": await self._opened(edit)},
            }
        return opened


def _is_private(content: Json) -> bool:
    """Tell whether *content*, of the spec's ``createRoom``, makes a room that is no Space and not open to everybody.

    The preset counts as far as the initial state has no rule of its own.
    """
    is_space = content.get("creation_content", {}).get("type") == SPACE
    rule = "public" if content.get("preset") == "public_chat" else "invite"
    for each in content.get("initial_state", ()):
        if each.get("type") == JOIN_RULES:
            rule = each["content"].get("join_rule")
    return not is_space and rule != "public" and content.get("visibility") != "public"


def _with_reachable_encryption(content: Json) -> Json:
    """Return *content*, of the spec's ``createRoom``, with a level of encryption that its creator and admins have."""
    levels = content.get("power_level_content_override")
    if not isinstance(levels, dict) or ENCRYPTION not in levels.get("events", {}):
        return content
    events = levels["events"] | {ENCRYPTION: ADMIN_POWER}
    return {**content, "power_level_content_override": {**levels, "events": events}}


def _newest_edit(event: Mapping[str, Any]) -> Any:
    unsigned = event.get("unsigned")
    relations = unsigned.get("m.relations") if isinstance(unsigned, dict) else None
    return relations.get("m.replace") if isinstance(relations, dict) else None

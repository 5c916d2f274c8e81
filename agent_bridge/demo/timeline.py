"""A room as a client shows it, computed from its events. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: An event in the form of the client-server API.
Event = dict[str, Any]


@dataclass(slots=True)
class Message:
    """One visible message."""

    event_id: str
    sender: str
    #: The original content, then the content of each edit.
    versions: list[dict[str, Any]]

    @property
    def content(self) -> dict[str, Any]:
        """The current content."""
        return self.versions[-1]

    @property
    def body(self) -> str:
        """The current plain text."""
        return str(self.content.get("body", ""))

    @property
    def html(self) -> str | None:
        """The current formatted text; None without one."""
        return self.content.get("formatted_body")


@dataclass(slots=True)
class Room:
    """A room as one person sees it."""

    room_id: str
    #: Content of the current state, by (type, state key).
    state: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    #: Messages, oldest first, by event id: with edits, without redacted messages.
    messages: dict[str, Message] = field(default_factory=dict)
    #: Reactions by event id: the target and the key.
    reactions: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: User ids with a typing notice.
    typing: frozenset[str] = frozenset()
    #: The event of the read receipt of each user, by user id.
    receipts: dict[str, str] = field(default_factory=dict)
    #: Id of the newest event; empty if no event has an id.
    newest: str = ""

    @property
    def name(self) -> str | None:
        """The room's name."""
        return self._state("m.room.name").get("name")

    @property
    def topic(self) -> str | None:
        """The room's topic."""
        return self._state("m.room.topic").get("topic")

    @property
    def alias(self) -> str | None:
        """The room's main alias."""
        return self._state("m.room.canonical_alias").get("alias")

    def members(self, membership: str = "join") -> set[str]:
        """Return the user ids with *membership*."""
        return {
            user
            for (kind, user), content in self.state.items()
            if kind == "m.room.member" and content.get("membership") == membership
        }

    def displayname(self, user_id: str) -> str:
        """Return the display name of *user_id* in the room."""
        return self._state("m.room.member", user_id).get("displayname") or user_id

    def said_by(self, user_id: str) -> list[Message]:
        """Return the messages of *user_id*, oldest first."""
        return [message for message in self.messages.values() if message.sender == user_id]

    def reactions_to(self, event_id: str) -> list[str]:
        """Return the keys of the reactions to an event, oldest first."""
        return [key for target, key in self.reactions.values() if target == event_id]

    def see(self, event: Event) -> None:
        """Apply *event*, the next one of the room's state or timeline."""
        content = event["content"]
        self.newest = event.get("event_id", "")
        if "state_key" in event:
            self.state[event["type"], event["state_key"]] = content
        elif event["type"] == "m.room.redaction":
            redacted = content.get("redacts") or event.get("redacts", "")
            self.messages.pop(redacted, None)
            self.reactions.pop(redacted, None)
        elif event["type"] == "m.reaction" and content:
            relation = content.get("m.relates_to", {})
            self.reactions[event["event_id"]] = (relation.get("event_id", ""), relation.get("key", ""))
        elif event["type"] == "m.room.message" and content:  # a redacted message has lost its content
            self._see_message(event, content)

    def see_ephemeral(self, event: Event) -> None:
        """Apply *event*, a typing notice or a read receipt."""
        if event["type"] == "m.typing":
            self.typing = frozenset(event["content"]["user_ids"])
        elif event["type"] == "m.receipt":
            for event_id, kinds in event["content"].items():
                self.receipts.update(dict.fromkeys(kinds.get("m.read", {}), event_id))

    def _see_message(self, event: Event, content: dict[str, Any]) -> None:
        relation = content.get("m.relates_to", {})
        if relation.get("rel_type") != "m.replace":
            self.messages[event["event_id"]] = Message(event["event_id"], event["sender"], [content])
            return
        original = self.messages.get(relation.get("event_id"))
        if original and original.sender == event["sender"]:
            original.versions.append(content.get("m.new_content", {}))

    def _state(self, kind: str, key: str = "") -> dict[str, Any]:
        return self.state.get((kind, key), {})

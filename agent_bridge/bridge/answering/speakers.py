"""Names of speakers, as agents get them in rooms of several: one line each, and never the name of another speaker."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from agent_bridge.core.names import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.matrix.room_state import RoomState

#: Characters of a name.
_LENGTH = 40
#: The end of a name and the parts of a user id: a name that has them could contain a whole message, or an id.
_MARKS = re.compile("[:@]+")
#: The beginning of a user id behind a name.
_ID = "(@"
#: Roles in the dialogues of models.
_ROLES = ("assistant", "developer", "function", "system", "tool", "user")


class Speakers:
    """The names of the users in a room: *agents* have those by which people call them, by their user ids.

    Users whose names look the same get their user ids behind them, and all people do if *state*, the room's, is None.
    """

    def __init__(self, state: RoomState | None, agents: Mapping[str, str]) -> None:
        shown = {} if state is None else _shown_names(state)
        self._names = {user: _name(user, name) for user, name in {**shown, **agents}.items()}
        # A person must not have the name of an agent in the room either.
        looks = ({_key(name), _key(_name(user, shown.get(user, name)))} for user, name in self._names.items())
        self._counts = Counter([key for keys in looks for key in keys] + [*_ROLES])

    def name(self, user_id: str) -> str:
        """Return the name of a user, with the user id if another user could have the same name."""
        known = self._names.get(user_id)
        name = _name(user_id, "") if known is None else known
        if known is not None and self._counts[_key(name)] == 1:
            return name
        return f"{name} ({one_line(user_id)})"

    def said(self, user_id: str, text: str) -> str:
        """Return *text* as a message of the user. A further line of it that begins like a message is indented."""
        first, *others = text.splitlines() or [""]
        lines = [f"  {line}" if self._begins_message(line) else line for line in others]
        return "\n".join([f"{self.name(user_id)}: {first}".strip(), *lines])

    def _begins_message(self, line: str) -> bool:
        head, colon, _ = unicodedata.normalize("NFKC", line[: 10 * _LENGTH]).partition(":")
        return bool(colon) and (_ID in head or _key(head) in self._counts)


def _shown_names(state: RoomState) -> dict[str, str]:
    users = state.members("join", "invite")
    names = {user: state.content("m.room.member", user).get("displayname") for user in users}
    return {user: name if isinstance(name, str) else "" for user, name in names.items()}


def _name(user_id: str, shown: str) -> str:
    localpart = user_id.removeprefix("@").partition(":")[0]
    return _harmless(shown) or _harmless(localpart) or "?"


def _harmless(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text[: 10 * _LENGTH])
    return one_line(_MARKS.sub(" ", plain))[:_LENGTH].strip()


def _key(name: str) -> str:
    """Return the letters and digits of *name*, by which people tell names apart."""
    letters = "".join(sign for sign in name.casefold() if sign.isalnum())
    return letters or name

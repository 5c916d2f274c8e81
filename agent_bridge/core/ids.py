"""Matrix identifiers and keys. Each is derived from the agent or event that it names, so a repeat gets the same one."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Key of the mark in the content of an event: the name of the turn or of another cause, and the part. A process finds
#: by it the events that another one has sent. Polls and state events have none.
MARK = "agent_bridge.turn"
#: Begins the names of requests of programs, which are in the marks of their events.
REQUEST = "api"
#: Key that marks an agent: in the profile of its ghost, and in the state of its rooms.
AGENT_MARK = "org.agent_bridge.agent"
#: Key in the content of every event that shows an earlier message of an upstream; its value is true.
IMPORTED = "agent_bridge.imported"
#: Key in the content of a voice message that reads an answer aloud, whose text the room has too; its value is true.
SPOKEN = "org.agent_bridge.spoken"
#: Key in the content of a notice of the bridge at which a thread begins: agents do not get it. Its value is true.
THREAD_HEAD = "org.agent_bridge.thread_head"

#: Appendix "User Identifiers" of the Matrix spec allows 255 bytes for the whole id.
MAX_ID_BYTES = 255

_HASH_LENGTH = 8
_SHA256_DIGITS = 64
_PLAIN = re.compile(rb"[a-z0-9._/+]")
_CUT_ESCAPE = re.compile(r"=[0-9a-f]?$")
_SERVER_NAME = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def escape_localpart(text: str) -> str:
    """Return *text* within the user-id grammar of the Matrix spec.

    Lower-cased; ``-`` becomes ``_``; every other byte outside ``a-z 0-9 . _ / +`` becomes ``=xx``. The result
    is ASCII. Two texts may share a result (case, ``-`` against ``_``): see :meth:`Namespace.localpart`.
    """
    # JSON may contain half a surrogate pair, which strict UTF-8 refuses.
    lowered = text.lower().replace("-", "_").encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if _PLAIN.fullmatch(bytes([byte])) else f"={byte:02x}" for byte in lowered)


def short_hash(text: str, length: int = _HASH_LENGTH) -> str:
    """Return the first *length* hexadecimal digits of the SHA-256 of *text*."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def turn_key(event_id: str, localpart: str) -> str:
    """Return the public name of the turn in which the user *localpart* answers *event_id*: 16 hexadecimal digits.

    It derives from the user too because Synapse does not tell the users of an application service apart: it answers a
    transaction id that another of its users has used in the same room with that user's event. It derives from nothing
    else, so it stays the same if the bridge's database is created anew.
    """
    return short_hash(f"{localpart} {event_id}", 16)


def mark(key: str, part: int) -> str:
    """Return the value of :data:`MARK` for part *part* of the turn *key*."""
    return f"{key}.{part}"


def parse_user_id(user_id: str) -> tuple[str, str]:
    """Split ``@localpart:domain``.

    Raises:
        ValueError: *user_id* is not of that form.
    """
    localpart, colon, domain = user_id[1:].partition(":")
    if not user_id.startswith("@") or not colon or not localpart or not domain:
        raise ValueError(f"{user_id!r} is not a Matrix user id (@name:server)")
    return localpart, domain


def is_server_name(text: str) -> bool:
    """Tell whether *text* has the form of a server name of the Matrix spec."""
    return _SERVER_NAME.fullmatch(text) is not None


def checked_user_id(text: str) -> str:
    """Return *text*, the id of a user that a homeserver may have.

    The localpart may have any characters but white space, as those of old accounts may. Homeservers refuse power levels
    with any other id, and so do not follow the room any more.

    Raises:
        ValueError: *text* is no such id.
    """
    localpart, domain = parse_user_id(text)
    is_short = len(text.encode("utf-8", "surrogatepass")) <= MAX_ID_BYTES
    if not is_short or not is_server_name(domain) or any(letter.isspace() for letter in localpart):
        raise ValueError(f"{text!r} is not a Matrix user id (@name:server)")
    return text


@dataclass(frozen=True, slots=True)
class Namespace:
    """The part of a homeserver's name space that belongs to the bridge."""

    #: The homeserver's ``server_name``.
    domain: str
    #: Localpart of the bridge bot.
    bot_username: str
    #: Prefix of the localparts of all ghosts.
    username_prefix: str
    #: Localpart of the alias of an existing Space that lists the rooms; None: the bridge makes the Space.
    existing_space: str | None = None

    @property
    def bot(self) -> str:
        """User id of the bridge bot."""
        return self.user_id(self.bot_username)

    def is_foreign(self, user_id: str) -> bool:
        """Tell whether *user_id* belongs to another server."""
        return user_id.partition(":")[2] != self.domain

    def local_first(self, users: Iterable[str]) -> list[str]:
        """Return *users* in their order, those of other servers last.

        While a homeserver waits for the answer to an invitation of such a user, it changes no other membership of the
        room.
        """
        return sorted(users, key=self.is_foreign)

    @property
    def imported_localpart(self) -> str:
        """Localpart of the user who shows earlier messages of people.

        No ghost has such a name: in an escaped id, two hexadecimal digits follow each ``=``.
        """
        return f"{self.username_prefix}=imported"

    @property
    def imported(self) -> str:
        """User id of the user who shows earlier messages of people."""
        return self.user_id(self.imported_localpart)

    @property
    def space_alias_localpart(self) -> str:
        """Localpart of the Space's alias."""
        return self.existing_space or self.own_space_alias_localpart

    @property
    def own_space_alias_localpart(self) -> str:
        """Localpart of the alias of the Space that the bridge makes."""
        return f"{self.bot_username}_space"

    @property
    def adopts_space(self) -> bool:
        """Whether an existing Space lists the rooms."""
        return self.space_alias_localpart != self.own_space_alias_localpart

    @property
    def lobby_alias_localpart(self) -> str:
        """Localpart of the alias of the lobby that the bridge makes; no ghost has such a name."""
        return f"{self.username_prefix}~lobby"

    def home_alias_localpart(self, ghost: str) -> str:
        """Return the localpart of the alias of the home of *ghost*, which links and proxies carry without harm.

        A slash and a plus sign become ``=2f`` and ``=2b``, which no ghost has in its name. An alias that would be too
        long is the name of the ghost.
        """
        escaped = ghost.replace("/", "=2f").replace("+", "=2b")
        return escaped if len(self.alias(escaped).encode()) <= MAX_ID_BYTES else ghost

    def home_aliases(self, ghost: str) -> list[str]:
        """Return the aliases that the home of *ghost* may have: the present one, then that of earlier versions."""
        return [self.alias(each) for each in dict.fromkeys((self.home_alias_localpart(ghost), ghost))]

    def ghost_of_alias(self, localpart: str) -> str:
        """Return the localpart of the ghost whose home has the alias *localpart*."""
        return localpart.replace("=2f", "/").replace("=2b", "+")

    def chat_alias_localpart(self, key: str) -> str:
        """Return the localpart of the alias of the chat that the turn *key* asked for; no ghost has such a name."""
        return f"{self.username_prefix}~chat_{key}"

    def channel_alias_localpart(self, key: str) -> str:
        """Return the localpart of the alias of the channel *key*; no ghost has such a name."""
        return f"{self.username_prefix}~channel_{key}"

    def server_alias_localpart(self, key: str) -> str:
        """Return the localpart of the alias of the server *key*; no ghost has such a name."""
        return f"{self.username_prefix}~server_{key}"

    def person_space_alias_localpart(self, user_id: str) -> str:
        """Return the localpart of the alias of the Space with the chats of a person; no ghost has such a name."""
        return f"{self.username_prefix}~space_{short_hash(user_id)}"

    def direct_alias_localpart(self, key: str) -> str:
        """Return the localpart of the alias of the direct chat *key*, which the bridge makes; no ghost has it."""
        return f"{self.username_prefix}~dm_{key}"

    def bot_chat_alias_localpart(self, user_id: str) -> str:
        """Return the localpart of the alias of the direct chat of a person with the bot; no ghost has such a name."""
        return f"{self.username_prefix}~bot_{short_hash(user_id, 16)}"

    @property
    def user_regex(self) -> str:
        """Regular expression of the ghosts' user ids, for the registration."""
        return self._regex("@", f"{re.escape(self.username_prefix)}.*")

    @property
    def bot_regex(self) -> str:
        """Regular expression of the bot's user id, for the registration."""
        return self._regex("@", re.escape(self.bot_username))

    @property
    def alias_regex(self) -> str:
        """Regular expression of the aliases of the agents' rooms, for the registration."""
        return self._regex("#", f"{re.escape(self.username_prefix)}.*")

    @property
    def space_alias_regex(self) -> str:
        """Regular expression of the alias of the Space that the bridge makes, for the registration."""
        return self._regex("#", re.escape(self.own_space_alias_localpart))

    def user_id(self, localpart: str) -> str:
        """Return the user id of *localpart* on this homeserver."""
        return f"@{localpart}:{self.domain}"

    def voice_id(self, ghost: str | None) -> str:
        """Return the user id of the one that speaks for the bridge in a room: the localpart *ghost*, or the bot."""
        return self.bot if ghost is None else self.user_id(ghost)

    def alias(self, localpart: str) -> str:
        """Return the room alias of *localpart* on this homeserver."""
        return f"#{localpart}:{self.domain}"

    def is_ours(self, user_id: str) -> bool:
        """Tell whether *user_id* is the bot or in the name space of the ghosts."""
        return user_id == self.bot or (
            user_id.startswith(f"@{self.username_prefix}") and user_id.endswith(f":{self.domain}")
        )

    def localpart(self, agent_id: str, taken: frozenset[str] | set[str] = frozenset(), *, salt: str = "") -> str:
        """Derive the localpart of an agent's ghost.

        A leading prefix is not repeated: ``agent-4bea`` becomes ``agent_4bea``. If the escaped id is empty, too
        long, one of *taken* or the alias of the Space, a short hash of the id and of *salt* (the upstream's name)
        is appended. The result follows the user-id grammar, starts with the prefix, is not one of *taken* and fits
        into :data:`MAX_ID_BYTES`, provided that prefix and domain leave room for a hash.
        """

        def is_free(localpart: str) -> bool:
            return localpart not in taken and localpart != self.own_space_alias_localpart

        own = escape_localpart(agent_id).removeprefix(escape_localpart(self.username_prefix))
        room = MAX_ID_BYTES - len(f"@{self.username_prefix}:{self.domain}".encode())
        plain = self.username_prefix + own
        if own and len(own) <= room and is_free(plain):
            return plain
        digest = short_hash(f"{salt}/{agent_id}", _SHA256_DIGITS)
        hashed = (
            self.username_prefix + _with_suffix(own, digest[:length], room)
            for length in range(_HASH_LENGTH, _SHA256_DIGITS + 1)
        )
        return next(filter(is_free, hashed))

    def _regex(self, sigil: str, localpart: str) -> str:
        # Anchored: Synapse needs only a match at the start, and example.org.net is another server.
        return f"^{sigil}{localpart}:{re.escape(self.domain)}$"


def _with_suffix(text: str, suffix: str, room: int) -> str:
    """Append ``_`` and *suffix* to as much of the escaped *text* as fits into *room* characters."""
    kept = text[: max(0, room - len(suffix) - 1)]
    whole = _CUT_ESCAPE.sub("", kept).rstrip("_")
    return f"{whole}_{suffix}" if whole else suffix

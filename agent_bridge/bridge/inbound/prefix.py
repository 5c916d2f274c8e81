"""Commands in the text of a message: a prefix, a mention of the bridge bot, or the bare word of a command."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from agent_bridge.core.names import EMPTY_LETTERS
from agent_bridge.matrix.pills import pills
from agent_bridge.matrix.said import is_reply

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.events import RoomEvent

#: Characters that show nothing, beside those of the categories control and format: empty letters, joiner, selectors.
_BLANK = re.compile(f"[{EMPTY_LETTERS}\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_UNSEEN = frozenset({"Cc", "Cf"})
#: Marks of Markdown that clients leave around a command.
_EMPHASIS = "*_~`"
_AFTER_PREFIX = ":,"
#: Punctuation that ends a sentence: people put it behind the word of a command.
_END = ".,:;!?…"
_AFTER_NAME = " \t\n:,"
#: The sign before the word of a command that needs no prefix.
_BARE = "!"


def without_prefix(body: str, prefix: str) -> str | None:
    """Return the command in *body*, without *prefix* before it; None if *body* does not begin with the prefix.

    The prefix may have another case or width, blanks around its sign, characters that show nothing anywhere, emphasis
    around it or around the whole command, and a colon or a comma behind it. Any other sign may not follow.
    """
    wanted, found, opened = _folded(prefix), "", ""
    for at, sign in enumerate(body):
        if found == wanted:
            follows = _is_unseen(sign) or sign in _AFTER_PREFIX or sign == opened[-1:]
            return _unwrapped(body[at:], opened) if follows else None
        if sign in _EMPHASIS and sign not in prefix:
            opened += sign
        elif not (sign.isspace() and not found[-1:].isalnum()):
            found += _folded(sign)
            if not wanted.startswith(found):
                return None
    return "" if found == wanted else None


def bare_command(body: str, words: Collection[str]) -> str | None:
    """Return the command in *body*, which begins with ``!`` and one of *words*, without the ``!``; else None."""
    text = _trimmed(body)
    if _folded(text[:1]) != _BARE or not text[1:2].isalnum():
        return None
    return text[1:] if command_word(text[1:])[0] in words else None


def command_word(line: str) -> tuple[str, str]:
    """Return the word of the command *line*, in small letters and as people mean it, and the rest of *line*."""
    word, rest = (*line.split(maxsplit=1), "", "")[:2]
    return unicodedata.normalize("NFKC", _folded(word)).strip(_END + _EMPHASIS), rest


def without_mention(event: RoomEvent, body: str, namespace: Namespace) -> str | None:
    """Return the command of a message that mentions the bridge bot and no ghost, without the mention; else None.

    A client adds the author of the message that a reply is about to the mentions. So a reply that begins with the
    mention of the bot is a command too.
    """
    ours = {user for user in event.mentions if namespace.is_ours(user)}
    if namespace.bot not in ours or not (len(ours) == 1 or is_reply(event.content)):
        return None
    # A mention that makes a command stands at the beginning.
    shown = (pill.name for pill in pills(event.content))
    for name in (*shown, namespace.bot, f"@{namespace.bot_username}", namespace.bot_username):
        if name and body.lstrip().casefold().startswith(name.casefold()):
            return body.lstrip()[len(name) :].lstrip(_AFTER_NAME).rstrip()
    return body.strip() if len(ours) == 1 else None


def _unwrapped(rest: str, opened: str) -> str:
    """Return the command in *rest*, the text behind the prefix; *opened* is the emphasis before the prefix."""
    command = _trimmed(rest)
    if command[:1] and command[0] in _AFTER_PREFIX:
        command = _trimmed(command[1:])
    closing = opened[::-1]
    if command.startswith(closing):
        return _trimmed(command.removeprefix(closing))
    return _trimmed(command.removesuffix(closing))


def _trimmed(text: str) -> str:
    """Return *text* without blanks and characters that show nothing at its ends."""
    start, end = 0, len(text)
    while start < end and _is_unseen(text[start]):
        start += 1
    while start < end and _is_unseen(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_unseen(sign: str) -> bool:
    return sign.isspace() or not _folded(sign)


def _folded(text: str) -> str:
    """Return *text* in small letters of the usual width, without characters that show nothing."""
    if text.isascii() and text.isprintable():
        return text.lower()
    seen = (sign for sign in _BLANK.sub("", text) if unicodedata.category(sign) not in _UNSEEN)
    return unicodedata.normalize("NFKD", "".join(seen)).casefold()

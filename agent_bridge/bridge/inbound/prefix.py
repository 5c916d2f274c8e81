"""Commands in the text of a message: a prefix, or a mention of the bridge bot."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from agent_bridge.matrix.said import text_of_html

if TYPE_CHECKING:
    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.events import RoomEvent

#: Characters that show nothing: soft hyphen, joiners, direction marks, variation selectors, byte order mark.
_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
#: Distance between an ASCII character and its full-width form, which keyboards for East Asian languages type.
_FULL_WIDTH = 0xFEE0
#: A link to a user, as clients put it into HTML for a mention (spec, "User and room mentions").
_PILL = re.compile(r'<a\b[^>]*\bhref="https://matrix\.to/#/(?P<user>[^"?]+)[^"]*"[^>]*>(?P<name>.*?)</a>', re.DOTALL)
#: Characters of HTML that are searched for a mention.
_MOST_HTML = 1_000
_AFTER_NAME = " \t\n:,"


def without_prefix(body: str, prefix: str) -> str | None:
    """Return the command in *body*, without *prefix* before it; None if *body* has no prefix.

    Keyboards of telephones begin a sentence with a capital letter, and may put blanks or invisible characters around
    the sign, so these do not matter.
    """
    found = _pattern(prefix).match(body)
    return None if found is None else body[found.end() :].strip()


def without_mention(event: RoomEvent, body: str, namespace: Namespace) -> str | None:
    """Return the command of a message that mentions the bridge bot and no ghost, without the mention; else None."""
    ours = {user for user in event.mentions if namespace.is_ours(user)}
    if ours != {namespace.bot}:
        return None
    # A mention that makes a command stands at the beginning.
    html = (event.text("formatted_body") or "")[:_MOST_HTML]
    pills = [text_of_html(pill["name"]) for pill in _PILL.finditer(html)]
    for name in (*pills, namespace.bot, f"@{namespace.bot_username}", namespace.bot_username):
        if name and body.lstrip().casefold().startswith(name.casefold()):
            return body.lstrip()[len(name) :].lstrip(_AFTER_NAME).rstrip()
    return body.strip()


@lru_cache(maxsize=8)
def _pattern(prefix: str) -> re.Pattern[str]:
    word = prefix.lstrip("".join(sign for sign in prefix if not sign.isalnum()))
    signs = prefix[: len(prefix) - len(word)]
    gap = rf"[\s{_INVISIBLE}]*"
    spelled = "".join(f"{_either_width(sign)}{gap}" for sign in signs) + re.escape(word)
    return re.compile(rf"{gap}{spelled}[{_INVISIBLE}]*(?!\S)", re.IGNORECASE)


def _either_width(sign: str) -> str:
    wide = chr(ord(sign) + _FULL_WIDTH) if "!" <= sign <= "~" else sign
    return f"[{re.escape(sign)}{re.escape(wide)}]"

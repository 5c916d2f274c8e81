"""Mentions of agents in the Markdown of an answer. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote

from agent_bridge.core.names import can_be_called, undecorated
from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.markdown.unmarked import to_unmarked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Characters of an answer that are searched, and places in it that may be a mention, at most.
_SEARCHED, _PLACES = 100_000, 2_000
#: Elements whose text is shown and not said: code, quotations, sections with reasoning.
_SILENT = frozenset({"code", "pre", "blockquote", "details"})
#: Elements that stand in the middle of a word or a sentence.
_INLINE = frozenset({"a", "b", "del", "em", "i", "s", "span", "strong", "sub", "sup", "u"})
#: An address of a user (spec, "matrix.to navigation").
_LINK = re.compile(r"https?://matrix\.to/#/(?P<user>(?:@|%40)[^\s\"?/)>\]]+)")
_MAIL = "mailto:"
_BLANKS = re.compile(r"\s+")
#: The character before a mention that makes it a part of an address or of a word.
_BEFORE = re.compile(r"[A-Za-z0-9._%+\-/@=]")
#: The Markdown in a name; most names have none.
_MARKS = re.compile(r"[\\`*\[\]<>|~#$^&]|(?:^|\s)_|_(?:\s|$)")
#: Characters behind a name that belong to a longer id if a letter or a digit follows.
_JOINTS = ".:-=/+"


def may_mention(markdown: str) -> bool:
    """Tell whether *markdown* may mention a user: it does not if this is False."""
    return any(sign in markdown for sign in ("@", "\uff20", "matrix.to/"))


def mentioned_in(markdown: str, names: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return those of the users *names* whom *markdown* mentions, in the order of their first mentions.

    *names* has the names of each user id, in any case. A mention is a name behind ``@``, or a link to the user
    (matrix.to). Of several names that fit, the longest counts; it may be that of several users. A name counts neither
    in code, in quotations and in sections with reasoning, nor as a part of a longer word or id. The time is linear in
    the length of *markdown*, of which the first 100,000 characters are searched.
    """
    said = _Said()
    said.feed(to_html(markdown[:_SEARCHED]))
    said.close()
    text = "".join(said.pieces)
    found = [*((at, user) for at, user in said.linked if user in names), *_called(text, names)]
    return tuple(dict.fromkeys(user for _, user in sorted(found)))


class _Said(HTMLParser):
    """Collects the words of sanitised HTML, in the form in which names are compared, and the users in its links."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        #: The positions of links to users, and the users.
        self.linked: list[tuple[int, str]] = []
        self._length = 0
        #: Open elements whose text does not count.
        self._silent = 0
        self._in_address = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element."""
        self._silent += tag in _SILENT
        if tag not in _INLINE:
            self._add("\n")
        href = dict(attrs).get("href") or "" if tag == "a" else ""
        link = _LINK.match(href)
        self._in_address = self._in_address or link is not None or href.startswith(_MAIL)
        if link is not None and not self._silent:
            self.linked.append((self._length, unquote(link["user"])))

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        self._silent -= tag in _SILENT
        if tag not in _INLINE:
            self._add("\n")
        if tag == "a":
            self._in_address = False

    def handle_data(self, data: str) -> None:
        """Add text; the text of a link to a user is no further mention."""
        if self._silent or self._in_address:
            return
        self.linked += [(self._length + link.start(), unquote(link["user"])) for link in _LINK.finditer(data)]
        self._add(_folded(data))

    def _add(self, text: str) -> None:
        self.pieces.append(text)
        self._length += len(text)


def _called(text: str, names: Mapping[str, Iterable[str]]) -> Iterable[tuple[int, str]]:
    """Yield the positions in *text* at which users are called by a name, and the users."""
    users = _users(names)
    by_start: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(users, key=len, reverse=True):
        by_start[name[0]].append(name)
    at = -1
    for _ in range(_PLACES):
        at = text.find("@", at + 1)
        if at < 0:
            return
        if at and _BEFORE.match(text, at - 1):
            continue
        start = at + 1
        for name in by_start.get(text[start : start + 1], ()):
            if text.startswith(name, start) and _ends(text, start + len(name)):
                yield from ((at, user) for user in users[name])
                break


def _users(names: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return the users by their names, in the form in which names are compared.

    The emoji of a name may be left out, unless another user has just that name.
    """
    exact: defaultdict[str, list[str]] = defaultdict(list)
    plain: defaultdict[str, list[str]] = defaultdict(list)
    for user, own in names.items():
        whole = {_folded(form).strip().removeprefix("@") for name in own for form in _forms(name)}
        bare = {_folded(undecorated(form)).removeprefix("@") for name in own for form in _forms(name)}
        for form in filter(can_be_called, whole):
            exact[form].append(user)
        for form in filter(can_be_called, bare - whole):
            plain[form].append(user)
    return plain | exact


def _forms(name: str) -> tuple[str, ...]:
    """Return the texts by which an answer may show *name*: its Markdown may be a part of it, or decorate it."""
    return (name, to_unmarked(name)) if _MARKS.search(name) else (name,)


def _ends(text: str, at: int) -> bool:
    """Tell whether a name may end at *at* in *text*: no word and no id goes on there."""
    following = text[at : at + 1]
    if following and following in _JOINTS:
        return not text[at + 1 : at + 2].isalnum()
    # Chinese and Japanese have no blanks between words.
    is_word = following.isalnum() or following == "_"
    return not is_word or unicodedata.east_asian_width(following) in "WF"


def _folded(text: str) -> str:
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", text).casefold())

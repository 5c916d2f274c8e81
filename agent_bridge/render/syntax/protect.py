"""Markdown prepared for the parser: see :mod:`agent_bridge.render.syntax.standins`."""

from __future__ import annotations

import re
from functools import lru_cache

from agent_bridge.render.syntax import definitions, emphasis, footnotes, links, maths, spoilers, tags
from agent_bridge.render.syntax.parser import MARK
from agent_bridge.render.syntax.standins import hide, without_standins

#: HTML tags of block quotes and lists inside each other at most. Clients may ignore tags that are nested deeper than
#: 100 (Matrix spec, "m.room.message msgtypes").
DEEPEST = 30
_MARK = re.compile(MARK)
_MANY_MARKS = re.compile(rf"^(?:{MARK}){{{DEEPEST // 2 + 1},}}", re.MULTILINE)


@lru_cache(maxsize=4)
def protect(markdown: str, *, live: bool = False) -> str:
    """Return the text for the parser: *markdown* with stand-ins and the same number of lines.

    With *live*, *markdown* still grows: a formula on lines of its own and a spoiler may lack their ends. The last
    results are kept, because the HTML and the plain text of a message begin with the same step.
    """
    text = _MANY_MARKS.sub(_not_too_deep, without_standins(markdown))
    text = maths.protect(text, live=live)
    text = links.protect(footnotes.protect(definitions.protect(text)))
    return emphasis.protect(tags.protect(spoilers.protect(text, live=live)))


def _not_too_deep(found: re.Match[str]) -> str:
    depth = 0
    for mark in _MARK.finditer(found[0]):
        depth += 1 if mark[0].endswith(">") else 2
        if depth > DEEPEST:
            return found[0][: mark.start()] + hide(found[0][mark.start() :])
    return found[0]

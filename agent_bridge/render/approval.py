"""The card of a request for a decision about a tool call, in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_bridge.core.approvals import Verdict
from agent_bridge.core.names import EMPTY_LETTERS
from agent_bridge.render.content import escape, fenced, in_backticks
from agent_bridge.render.markdown.unmarked import to_unmarked

if TYPE_CHECKING:
    from agent_bridge.core.approvals import Approval
    from agent_bridge.i18n.catalogue import Texts

#: Bytes of the arguments on a card: of their beginning, and of their end.
_HEAD, _TAIL = 1_200, 800
#: Blanks in one place; columns and lines of them that do not push the words behind them out of sight; columns of a tab.
_BLANKS = re.compile(r"[ \t\n]{5,}")
_COLUMNS, _LINES, _TAB = 16, 4, 2
#: Digits of an escape with a small letter.
_SHORT = 4
#: Characters that show nothing, besides those that Python does not count as printable.
_UNSEEN = re.compile(f"[{EMPTY_LETTERS}\u034f\u180b-\u180f\ufe00-\ufe0e\U000e0100-\U000e01ef]")
ALLOW, DENY, ALWAYS = "✅", "❌", "♾️"


def card(approval: Approval, agent: str, timeout: float, texts: Texts) -> tuple[str, str]:
    """Return the Markdown of the card of *approval*, and its text for clients without HTML.

    *agent* is the agent's name, *timeout* the number of seconds in which people can decide.
    """
    tool = in_backticks(approval.tool)
    if approval.verdict is None:
        head = f"🔐 {texts.approval_asked.format(agent=escape(agent), tool=tool)}"
        how = texts.approval_how.format(duration=texts.duration(timeout))
        if approval.always:
            how = f"{how} {texts.approval_always.format(offer=escape(approval.always))}"
        rows = [head, how]
    else:
        person = escape(approval.decided_by or "")
        ends = {
            Verdict.ALLOW: f"{ALLOW} {texts.approval_allowed}",
            Verdict.ALWAYS: f"{ALWAYS} {texts.approval_always_allowed}",
            Verdict.DENY: f"{DENY} {texts.approval_denied}",
            Verdict.EXPIRED: f"⌛ {texts.approval_expired}",
            Verdict.WITHDRAWN: f"⚪ {texts.approval_withdrawn}",
        }
        end = ends[approval.verdict].format(person=person, tool=tool, duration=texts.duration(timeout))
        # Without the reason: the message that gave it may be redacted.
        rows = [end]
    arguments = _cut(_legible(approval.arguments), texts)
    block = fenced(arguments, "json")
    folded = f"<details><summary>{texts.approval_arguments}</summary>\n\n{block}\n\n</details>"
    shown = "\n\n".join(rows)
    return f"{shown}\n\n{folded}", f"{to_unmarked(shown)}\n\n{arguments}"


def _legible(arguments: str) -> str:
    """Return *arguments* in which nothing is out of sight: people approve what they can read."""
    shown = (
        sign if (sign.isprintable() and not _UNSEEN.match(sign)) or sign in "\n\t" else _escaped(sign)
        for sign in arguments
    )
    return _BLANKS.sub(_unpadded, "".join(shown))


def _unpadded(blanks: re.Match[str]) -> str:
    """Return *blanks*, or their number if they are too many."""
    lines = blanks[0].split("\n")
    fits = len(lines) <= _LINES + 1 and all(len(each.expandtabs(_TAB)) <= _COLUMNS for each in lines)
    return blanks[0] if fits else f"[{len(blanks[0])} ␣]"


def _escaped(sign: str) -> str:
    digits = f"{ord(sign):04x}"
    return f"\\u{digits}" if len(digits) == _SHORT else f"\\U{digits:0>8}"


def _cut(text: str, texts: Texts) -> str:
    """Return *text*, if it is long without its middle; a tool's last words may matter most."""
    data = text.encode()
    hidden = len(data) - _HEAD - _TAIL
    if hidden <= 0:
        return text
    head, tail = data[:_HEAD].decode(errors="ignore"), data[-_TAIL:].decode(errors="ignore")
    return f"{head}\n\n… {texts.approval_hidden.format(bytes=hidden)} …\n\n{tail}"

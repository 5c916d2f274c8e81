"""Definitions without a reference: ``[^label]: note`` and ``[label]: address``. The parser would drop their text.

A long answer often ends with a list of its sources. The list and its references can be in different parts.
"""

from __future__ import annotations

import re

from agent_bridge.render.syntax.standins import hide

_DEFINITION = re.compile(r"^(?P<before>[ \t>]*)\[(?P<label>[^\[\]\n]{1,99})(?<!\\)\]:", re.MULTILINE)
_REFERENCE = re.compile(r"\[([^\[\]]{1,99})\](?![:(])")


def protect(text: str) -> str:
    """Return *text* with a stand-in in each definition that no reference names: it is shown as text."""
    if "]:" not in text:
        return text
    referenced = {label_key(label) for label in _REFERENCE.findall(text)}

    def shown(found: re.Match[str]) -> str:
        if label_key(found["label"]) in referenced:
            return found[0]
        return f"{found['before']}{hide('[')}{found['label']}]:"

    return _DEFINITION.sub(shown, text)


def label_key(label: str) -> str:
    """Return the form in which the parser compares labels (CommonMark, "Link reference definitions")."""
    return " ".join(label.split()).casefold()

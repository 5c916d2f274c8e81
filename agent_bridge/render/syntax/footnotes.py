"""Footnotes: raised numbers without anchors, which clients do not follow, and a list of the notes at the end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent_bridge.render.syntax.definitions import label_key
from agent_bridge.render.syntax.standins import EDGE

_REFERENCE = re.compile(r"\[\^([^\[\]\s]{1,99})\](?=[(\[])")
_DEFINITION = re.compile(r"\[\^([^\[\]\s]{1,99})\]:")


def protect(text: str) -> str:
    """Return *text* with an edge between a reference and a bracket: they are not a link."""
    if "[^" not in text:
        return text
    defined = set(_DEFINITION.findall(text))
    return _REFERENCE.sub(lambda found: f"{found[0]}{EDGE}" if found[1] in defined else found[0], text)


@dataclass(slots=True)
class Body:
    """The HTML of a text, or of a note, in pieces."""

    pieces: list[str] = field(default_factory=list)
    #: References to notes: the index of the piece for the number, and the label.
    references: list[tuple[int, str]] = field(default_factory=list)


class Footnotes:
    """The notes of a text: references ``[^label]`` and definitions ``[^label]: text``."""

    def __init__(self) -> None:
        self._notes: dict[str, Body] = {}

    def note(self, label: str) -> Body:
        """Return the note with this *label*, which is empty at first."""
        return self._notes.setdefault(label_key(label), Body())

    def finish(self, text: Body) -> str:
        """Set the numbers of all references, and return the HTML of the notes in the order of their numbers."""
        numbers: dict[str, int] = {}
        bodies = [text]
        for body in bodies:  # the loop appends notes
            for place, label in body.references:
                if label_key(label) not in numbers:
                    bodies.append(self.note(label))
                number = numbers.setdefault(label_key(label), len(numbers) + 1)
                body.pieces[place] = f"<sup>{number}</sup>"
        items = "".join(f"<li>\n{''.join(note.pieces)}</li>\n" for note in bodies[1:])
        return f"<hr>\n<ol>\n{items}</ol>\n" if items else ""

"""The SQL statements of the store: text files in ``store/sql``, one for each table or task.

A file is a list of statements. A statement begins with a heading line, ``-- name --``; the comment lines that follow
the heading describe the statement; the other lines are the statement::

    -- remove --
    -- Delete the turn %(turn)s.
    DELETE FROM turn WHERE id = %(turn)s

Text that several statements have is a file of its own, ``store/sql/parts/NAME.sql``. The line ``-- include NAME --``
stands for it.
"""

from __future__ import annotations

import re
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

_HEADING = re.compile(r"^-- (?P<name>[a-z_]+) --\n", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include (?P<name>[a-z_]+) --\n", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_FOLDER = resources.files("agent_bridge.store") / "sql"


class Statements:
    """The statements of one file, by name: ``Statements("turns")["take"]``. The file is read at the first use."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getitem__(self, name: str) -> LiteralString:
        """Return the statement *name*, which is in the file."""
        return self.all[name]

    @cached_property
    def all(self) -> Mapping[str, LiteralString]:
        """Every statement of the file."""
        _, *parts = _HEADING.split(self.text)
        return {name: _whole(part).strip() for name, part in zip(parts[::2], parts[1::2], strict=True)}

    @property
    def text(self) -> str:
        """The file."""
        return (_FOLDER / f"{self._name}.sql").read_text(encoding="utf-8")


def _whole(text: str) -> str:
    """Return *text* with the parts that it includes, without comments."""
    return _COMMENT.sub("", _INCLUDE.sub(_part, text))


def _part(match: re.Match[str]) -> str:
    return _whole((_FOLDER / "parts" / f"{match['name']}.sql").read_text(encoding="utf-8"))

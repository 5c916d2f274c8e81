"""The SQL statements of the store: text files in ``store/sql``, one for each table or task.

A file is a list of statements. A statement begins with a heading line, ``-- name --``; the comment lines that follow
the heading describe the statement; the other lines are the statement::

    -- remove --
    -- Delete the turn %(turn)s.
    DELETE FROM turn WHERE id = %(turn)s
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
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


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
        return {name: _COMMENT.sub("", part).strip() for name, part in zip(parts[::2], parts[1::2], strict=True)}

    @property
    def text(self) -> str:
        """The file."""
        return (resources.files("agent_bridge.store") / "sql" / f"{self._name}.sql").read_text(encoding="utf-8")

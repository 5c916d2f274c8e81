"""Files with agents of the configuration, as an operator writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class AgentFile:
    """A file that config.yaml names, with *entries* by their ids."""

    def __init__(self, path: Path, entries: dict[str, dict[str, Any]]) -> None:
        self.path = path
        self.entries = entries
        self.write()

    def write(self) -> None:
        """Replace the file, as an editor does: there is never a part of it."""
        values = {"agents": [{"id": key, **entry} for key, entry in self.entries.items()]}
        self.write_text(json.dumps(values))

    def write_text(self, text: str) -> None:
        """Replace the file by *text*."""
        draft = self.path.with_suffix(".draft")
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.path)

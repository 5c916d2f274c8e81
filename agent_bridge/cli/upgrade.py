"""``agent-bridge config upgrade``: writes config.yaml in its current form."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from agent_bridge.cli.file_replacement import replace_content
from agent_bridge.config.load import INIT, examine, read_bytes
from agent_bridge.config.types import Origin
from agent_bridge.config.upgrade import upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.config.upgrade import KeyChange

_CHANGES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeReport:
    """The result of the command."""

    #: unchanged: there is nothing to change. changes: there is, and nothing was written. changed: it is written.
    status: Literal["unchanged", "changes", "changed"]
    file: str
    #: The copy of the former content.
    backup: str | None
    changes: tuple[KeyChange, ...]
    #: New keys that were not added, because their section is written in one line or by an alias.
    left_out: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0; 4 if changes were not written."""
        return _CHANGES if self.status == "changes" else 0

    @property
    def text(self) -> str:
        """The result for people."""
        lines = [f"{self.file}:{each}" for each in self.changes]
        if self.left_out:
            lines.append(f"not added, because their section has no lines of its own: {', '.join(self.left_out)}")
        copy = f"; the former content is in {self.backup}" if self.backup else ""
        return "\n".join([*lines, f"{self.status}: {self.file}{copy}"])

    @property
    def json(self) -> str:
        """The result for programs: the fields of this class."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)


def upgrade_file(path: Path, *, add_new: bool, check: bool) -> UpgradeReport:
    """Write the file *path* in its current form, or tell with *check* which changes this needs. Reads no environment.

    Raises:
        ConfigError: the file has faults, each in its own line. Nothing was written.
        BridgeError: the file cannot be replaced. Nothing was written.
    """
    content = read_bytes(path, INIT)
    found = examine(path, content, Origin(path.absolute().parent, {}, unset=set()))
    if found.config is None:
        raise found.error
    new = upgrade(path, content, found.document, add_new=add_new)
    is_same, backup = new.content == content, None
    if not is_same and not check:
        backup = replace_content(path, content, new.content)
    return UpgradeReport(
        status="unchanged" if is_same else "changes" if check else "changed",
        file=str(path),
        backup=None if backup is None else str(backup),
        changes=new.changes,
        left_out=new.left_out,
    )

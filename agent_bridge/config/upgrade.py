"""config.yaml in its current form. Only the places that change are written: all other bytes stay as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from agent_bridge.config.document import compose, parse
from agent_bridge.config.new_keys import add_new_keys
from agent_bridge.config.renamed import RENAMED, rename_old_keys
from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ruamel.yaml.nodes import Node

    from agent_bridge.config.document import Document

#: A key as it is written, at the end of its node.
_PLAIN_KEY = re.compile(r"""(["']?)([A-Za-z_]+)\1\Z""")
_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key that an upgrade changes."""

    #: Line of the file as it was, or as it becomes for a key that is added; from 1.
    line: int
    #: The key in its current form, such as ``lanes.when_busy``.
    key: str
    action: Literal["renamed", "added"]
    #: The old name of a key that is renamed.
    old: str = ""

    def __str__(self) -> str:
        return f"{self.line}: {self.key}: {f'renamed from {self.old}' if self.old else 'added as a comment'}"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The result of an upgrade."""

    content: bytes
    changes: tuple[KeyChange, ...]
    #: Keys that could not be added, because their section is written in one line or by an alias.
    left_out: tuple[str, ...] = ()


def upgrade(path: Path, content: bytes, before: Document, *, add_new: bool) -> Upgrade:
    """Return *content*, that of the valid file *path* with the document *before*, in its current form.

    Keys with old names get the new ones. With *add_new*, the keys that the file does not have are added as comments,
    below their descriptions. Values, order, comments, anchors, quotes and line breaks stay.

    Raises:
        ConfigError: a key with an old name is written in a way that cannot be changed here. Nothing is changed then.
    """
    # A byte order mark is a character of the text, as for the parser.
    text, changes = _rename(content.decode("utf-8"))
    # Also without a change: a key may have its old name in an unusual way.
    _require_same(path, text, before)
    left_out: tuple[str, ...] = ()
    if add_new:
        text, added, left_out = _add(path, text, before)
        changes += [KeyChange(line, key, "added") for line, key in added]
    return Upgrade(text.encode("utf-8"), tuple(changes), left_out)


def _rename(text: str) -> tuple[str, list[KeyChange]]:
    """Return *text* with the new names of keys that are written plainly."""
    edits: dict[tuple[int, int], tuple[str, KeyChange]] = {}
    values = _root_values(compose(text))
    for section, old, new in RENAMED:
        for place, key in _keys_of(values.get(section), section):
            start, end = key.start_mark.index, key.end_mark.index
            written = _PLAIN_KEY.search(text, start, end)
            # An anchor may be used as another key.
            if key.value == old and key.anchor is None and written is not None and written[2] == old:
                change = KeyChange(key.start_mark.line + 1, f"{place}.{new}", "renamed", old)
                edits[written.span(2)] = (new, change)
    for (start, end), (new, _) in sorted(edits.items(), reverse=True):
        text = text[:start] + new + text[end:]
    return text, [change for _, (_, change) in sorted(edits.items())]


def _root_values(root: Node | None) -> Mapping[str, Node]:
    pairs = root.value if isinstance(root, MappingNode) else []
    return {key.value: value for key, value in pairs if isinstance(key, ScalarNode)}


def _keys_of(node: Node | None, place: str) -> Iterator[tuple[str, ScalarNode]]:
    """Yield the keys of a section, or of the items of a list of sections; also those that it merges."""
    if isinstance(node, SequenceNode):
        for at, item in enumerate(node.value):
            if isinstance(item, MappingNode):
                yield from _keys_of(item, f"{place}[{at}]")
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                continue
            if key.value != _MERGE:
                yield place, key
                continue
            for source in value.value if isinstance(value, SequenceNode) else [value]:
                yield from _keys_of(source, place)


def _add(path: Path, text: str, before: Document) -> tuple[str, list[tuple[int, str]], tuple[str, ...]]:
    """Return *text* with the new keys; empty lines that end a text may belong to it, and stay in front then."""
    tree = compose(text)
    try:
        new = add_new_keys(text, tree, before.root, tidy=True)
        _require_same(path, new[0], before)
    except ConfigError:
        new = add_new_keys(text, tree, before.root, tidy=False)
        _require_same(path, new[0], before)
    return new


def _require_same(path: Path, text: str, before: Document) -> None:
    """Raise an error unless *text* has no key under an old name, and the values of *before*."""
    after = parse(text, str(path))
    left, _ = rename_old_keys(after)
    if left:
        lines = [
            f"{path}:{line}: {fault} by hand: it has an anchor, or is written in an unusual way" for line, fault in left
        ]
        raise ConfigError("\n".join(lines))
    if after.root != before.root:
        raise ConfigError(f"{path}: cannot be rewritten without a change of its values; change it by hand")

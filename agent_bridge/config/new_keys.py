"""Keys that a config.yaml does not have, added as comments below their descriptions."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from agent_bridge.config.example import section_of, unset_block, unset_key
from agent_bridge.config.model import Config
from agent_bridge.config.upstreams import UpstreamConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ruamel.yaml.nodes import Node

    from agent_bridge.config.section import Section

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_BREAK = re.compile(r"\r\n|\r|\n")
_COMMENTED = re.compile(r"( *)#([a-z_]+):(?:[ \t]|\r|\n|\Z)")
_END_OF_DOCUMENT = re.compile(r"\.\.\.(?:\s|\Z)")
_INDENT = "  "
_UPSTREAMS = "upstreams"


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines that belong to one mapping: from *first* up to *end*, which are indices of lines."""

    first: int
    end: int


def add_new_keys(
    text: str, tree: Node | None, root: Mapping[str, Any], *, tidy: bool
) -> tuple[str, list[tuple[int, str]], tuple[str, ...]]:
    """Return *text*, which has *tree* and *root*, with the missing keys; these with their lines; and those left out.

    Keys that the text has as comments (``#key:``) are not added again. Keys of a section that is written in one line,
    or by an alias, are left out. *tidy* moves a new key in front of the empty lines and comments behind its section.
    """
    page = _Page(text, tree, tidy=tidy)
    inserts: list[tuple[int, str, list[str]]] = []
    # Behind the keys of the last section, whose place may be the same.
    blocks: list[tuple[int, str, list[str]]] = []
    left_out: list[str] = []
    for name in Config.model_fields:
        kind, block = section_of(name), page.block(name)
        if block is None:
            blocks.append((page.end, name, ["", *unset_block(name)]))
        elif kind is not None:
            indent = page.indent(name)
            new = page.unknown(kind, root.get(name) or {}, block)
            if indent is None:
                left_out += [f"{name}.{key}" for key in new]
                continue
            at = page.place_after(block)
            inserts += [(at, f"{name}.{key}", unset_key(kind, key, indent, f"{name}.")) for key in new]
        elif name == _UPSTREAMS and (item := page.first_item(name, block)) is not None:
            new = page.unknown(UpstreamConfig, root[name][0], item[1])
            at = page.place_after(item[1])
            inserts += [(at, f"{name}[0].{key}", unset_key(UpstreamConfig, key, item[0])) for key in new]
        elif name == _UPSTREAMS and root.get(name):
            left_out += [f"{name}[0].{key}" for key in UpstreamConfig.model_fields if key not in root[name][0]]
    return *page.with_lines([*inserts, *blocks]), tuple(left_out)


class _Page:
    """The lines of a configuration, and the places of its top-level keys."""

    def __init__(self, text: str, tree: Node | None, *, tidy: bool) -> None:
        self._tidy = tidy
        self._lines = _LINE.findall(text)
        found = _BREAK.search(text)
        self._break = found[0] if found else "\n"
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        pairs = tree.value if isinstance(tree, MappingNode) else []
        self._active = {key.value: (key, value) for key, value in pairs if isinstance(key, ScalarNode)}
        self._in_text = set(self._lines_in_texts(tree))
        #: Line before which new top-level keys come.
        self.end = self._end_of_document()
        self._heads = self._all_heads()

    def block(self, name: str) -> _Block | None:
        """Return the lines of a top-level key; None if the page does not have it, not even as a comment."""
        if name not in self._heads:
            return None
        head = self._heads[name]
        return _Block(head, min((each for each in self._heads.values() if each > head), default=self.end))

    def indent(self, name: str) -> str | None:
        """Return the indentation of the keys of a section; None if they have no lines of their own."""
        if name not in self._active:
            return _INDENT
        key, value = self._active[name]
        if isinstance(value, ScalarNode) and not value.value:
            return _INDENT
        return _indent_of(value, key)

    def first_item(self, name: str, block: _Block) -> tuple[str, _Block] | None:
        """Return the indentation and the lines of the first item of a list; None if it has no lines of its own."""
        key, value = self._active.get(name, (None, None))
        if key is None or not isinstance(value, SequenceNode) or value.flow_style or not value.value:
            return None
        item = value.value[0]
        indent = _indent_of(item, key)
        if indent is None:
            return None
        others = value.value[1:2]
        end = self._line_of(others[0].start_mark.index) if others else block.end
        return indent, _Block(self._line_of(item.start_mark.index), end)

    def unknown(self, kind: type[Section], values: Mapping[str, Any], block: _Block) -> list[str]:
        """Return the keys of *kind* that are neither among *values* nor in a comment of *block*."""
        shown = {found[2] for at in range(block.first, block.end) if (found := self._commented(at)) and found[1]}
        return [key for key in kind.model_fields if key not in values and key not in shown]

    def place_after(self, block: _Block) -> int:
        """Return the line before which a further key of *block* comes."""
        at = block.end
        while self._tidy and at > block.first + 1 and self._is_between(at - 1):
            at -= 1
        return at

    def with_lines(self, inserts: Iterable[tuple[int, str, Sequence[str]]]) -> tuple[str, list[tuple[int, str]]]:
        """Return the text with the lines of *inserts* before their lines; and the keys with their new lines."""
        by_place: dict[int, list[tuple[str, Sequence[str]]]] = {}
        for at, key, lines in inserts:
            by_place.setdefault(at, []).append((key, lines))
        parts: list[str] = []
        added: list[tuple[int, str]] = []
        for at in range(len(self._lines) + 1):
            for key, lines in by_place.get(at, ()):
                if parts and not _BREAK.search(parts[-1]):
                    parts[-1] += self._break
                parts += [line + self._break for line in lines]
                shown = next(i for i, line in enumerate(lines) if _COMMENTED.match(line))
                added.append((len(parts) - len(lines) + shown + 1, key))
            parts += self._lines[at : at + 1]
        return "".join(parts), added

    def _line_of(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1

    def _all_heads(self) -> dict[str, int]:
        heads = {}
        for at in range(self.end):
            if (found := self._commented(at)) and not found[1] and found[2] in Config.model_fields:
                heads[found[2]] = at
        return heads | {name: self._line_of(key.start_mark.index) for name, (key, _) in self._active.items()}

    def _commented(self, at: int) -> re.Match[str] | None:
        return None if at in self._in_text else _COMMENTED.match(self._lines[at])

    def _is_between(self, at: int) -> bool:
        """Tell whether the line belongs to no section: it is empty, or a comment at the margin."""
        line = self._lines[at]
        return not line.strip() or line.startswith("#")

    def _end_of_document(self) -> int:
        lines = enumerate(self._lines)
        return next((at for at, line in lines if _END_OF_DOCUMENT.match(line)), len(self._lines))

    def _lines_in_texts(self, node: Node | None) -> Iterator[int]:
        """Yield the lines that are inside of texts of several lines: a # there begins no comment."""
        ahead, seen = [node], set()
        for each in ahead:
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            if isinstance(each, ScalarNode):
                first, last = self._line_of(each.start_mark.index), self._line_of(each.end_mark.index - 1)
                yield from range(first + 1, last + 1)
            elif isinstance(each, SequenceNode):
                ahead += each.value
            elif isinstance(each, MappingNode):
                ahead += [part for pair in each.value for part in pair]


def _indent_of(node: Node, key: ScalarNode) -> str | None:
    """Return the indentation of the keys of a mapping behind *key*; None if it is in one line, or an alias."""
    is_block = isinstance(node, MappingNode) and not node.flow_style and bool(node.value)
    if not is_block or node.start_mark.index < key.start_mark.index:
        return None
    column: int = node.value[0][0].start_mark.column
    return " " * column

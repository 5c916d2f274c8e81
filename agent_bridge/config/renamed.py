"""Keys of config.yaml that have a new name. The old name is accepted, with a warning, for one minor version."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from agent_bridge.config.validation import ConfigFault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from agent_bridge.config.document import Document
    from agent_bridge.config.validation import Place

#: A warning or a fault, with its line.
Line = tuple[int, ConfigFault]
#: Section, old key, new key. Renamed in version 0.2.0.
RENAMED = (
    ("homeserver", "compare_interval", "backfill_interval"),
    ("lanes", "busy", "when_busy"),
    ("upstreams", "stream", "streaming"),
)


def rename_old_keys(document: Document) -> tuple[list[Line], list[Line]]:
    """Give the keys of *document*, whose root is a mapping, their new names; a key keeps its line.

    Returns warnings (a key has its old name) and faults (a section has a key under both names), each with its line. A
    key that a mapping merges (``<<``) from another one has one warning for both.
    """
    warnings: list[Line] = []
    faults: list[Line] = []
    for section, old, new in RENAMED:
        warned = False
        for place, mapping in _mappings(document.root.get(section), section):
            if old not in mapping:
                continue
            line, value = document.line((*place, old)), mapping[old]
            # Its own method fails for a mapping that others merge.
            OrderedDict.__delitem__(mapping, old)
            if new in mapping:
                words = f"is the old name of {new}, which is also set; remove it"
                faults.append((line, ConfigFault((*place, old), words)))
                continue
            mapping[new] = value
            is_own = old in (mapping.lc.data or ())
            if is_own:
                mapping.lc.data[new] = mapping.lc.data.pop(old)
            if is_own or not warned:
                warnings.append((line, ConfigFault((*place, new), f"has its old name {old}; rename it")))
            warned = True
    return warnings, faults


def _mappings(node: Any, section: str) -> Iterator[tuple[Place, CommentedMap]]:
    if isinstance(node, CommentedMap):
        yield (section,), node
    elif isinstance(node, CommentedSeq):
        yield from (((section, at), item) for at, item in enumerate(node) if isinstance(item, CommentedMap))

"""YAML with line numbers: the line of each value, and the errors of a file that is not valid YAML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError

from agent_bridge.config.validation import ConfigFault, Place
from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from ruamel.yaml.nodes import MappingNode, Node

#: Characters that no database, request or name of a file can hold: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_STORABLE = "must not contain \\0 or half of a surrogate pair"


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document with line numbers, which count from 1."""

    root: Any
    #: Keys that occur twice in their mapping, with the line of the second one. The first one is used.
    duplicates: tuple[tuple[int, ConfigFault], ...]

    def line(self, place: Place) -> int:
        """Return the line of the key or item at *place*, or of its innermost part that exists."""
        line, node = 0, self.root
        for part in place:
            if not isinstance(node, CommentedMap | CommentedSeq) or part not in (node.lc.data or ()):
                break
            line, node = node.lc.data[part][0], node[part]
        return line + 1


def parse(text: str, name: str) -> Document:
    """Read *text*, the content of the file *name*.

    Raises:
        ConfigError: the text is not valid YAML. The message is ``name:line:column: cause`` and does not quote the
            text, which may contain secrets.
    """
    yaml = YAML()
    yaml.Constructor = _Constructor
    yaml.composer.warn_double_anchors = False  # the warning would quote the lines
    try:
        root = yaml.load(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{name}:{line}: contains a control character, which YAML does not allow") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{where}: {_why(error)}") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply for a configuration") from None
    except AssertionError:
        # The library gathers the comments, and does not expect one there.
        words = "has an empty line before a text that begins with | or >, and a comment behind that sign; remove one"
        raise ConfigError(f"{name}: {words} of them") from None
    return Document(root, tuple(_duplicate(root, *found) for found in yaml.constructor.duplicates))


def compose(text: str) -> Node | None:
    """Return the nodes of *text*, which is valid YAML, with their places in it; None if it has none."""
    yaml = YAML()
    yaml.composer.warn_double_anchors = False
    node: Node | None = yaml.compose(text)
    return node


class _Constructor(RoundTripConstructor):
    """Collects duplicate keys instead of stopping at the first one, and reports the place of an invalid value."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.duplicates: list[tuple[CommentedMap, Any, int]] = []

    def check_mapping_key(
        self,
        node: MappingNode,  # noqa: ARG002  # the library's signature
        key_node: Node,
        mapping: Any,
        key: Any,
        value: Any,  # noqa: ARG002  # the library's signature
    ) -> bool:
        if key not in mapping:
            return True
        self.duplicates.append((mapping, key, key_node.start_mark.line + 1))
        return False

    def construct_object(self, node: Node, *args: Any, **options: Any) -> Any:
        if isinstance(node, ScalarNode) and _UNSTORABLE.search(str(node.value)):
            # Escapes in double quotes can name every character.
            raise _Unstorable(problem_mark=node.start_mark)
        try:
            return super().construct_object(node, *args, **options)
        except (ValueError, LookupError, AttributeError):
            # An invalid date, or a tag such as !!int before another type.
            raise ConstructorError(problem_mark=node.start_mark) from None


class _Unstorable(ConstructorError):
    """A text has characters that nothing can hold."""


def _duplicate(root: Any, mapping: CommentedMap, key: Any, line: int) -> tuple[int, ConfigFault]:
    first = mapping.lc.data[key][0] + 1
    words = f"is given twice, first on line {first}; remove one of them"
    return line, ConfigFault((*_place_of(mapping, root), key), words)


def _place_of(mapping: CommentedMap, root: Any) -> Place:
    """Return the place of *mapping* below *root*; the root if a duplicate key hides it."""
    ahead: list[tuple[Place, Any]] = [((), root)]
    seen: set[int] = set()  # anchors can form a cycle
    for place, node in ahead:
        if node is mapping:
            return place
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, CommentedMap):
            ahead += [((*place, key), item) for key, item in node.items()]
        elif isinstance(node, CommentedSeq):
            ahead += [((*place, index), item) for index, item in enumerate(node)]
    return ()


def _why(error: MarkedYAMLError) -> str:
    problem = str(error.problem)
    if isinstance(error, ConstructorError):
        return _STORABLE if isinstance(error, _Unstorable) else "is not a valid YAML value; quote it if it is text"
    if isinstance(error, ComposerError) and "alias" in problem:
        return "refers to an anchor that does not exist; quote text that begins with *"
    if isinstance(error, ComposerError):
        return "must be a single document; remove the line ---"
    if "tag handle" in problem:
        return "has an unknown tag; quote text that begins with !"
    if "'\\t'" in problem:
        return "is not YAML: indent with spaces, not with tabs"
    if error.context and error.context_mark:
        problem += f" {error.context} from line {error.context_mark.line + 1}"
    return f"is not YAML: {problem}; quote text with special characters"

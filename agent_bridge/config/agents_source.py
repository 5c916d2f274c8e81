"""The source of the configured agents: config.yaml, or the file that it names. It is read while the bridge runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from agent_bridge.config.agents import AgentsFile, AgentsSection, picture_file
from agent_bridge.config.load import faults_in, parse_mapping, read_bytes
from agent_bridge.config.types import Origin
from agent_bridge.config.validation import agent_faults, two_lists, validated
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.ids import short_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from agent_bridge.config.agents import AgentConfig
    from agent_bridge.config.document import Document
    from agent_bridge.config.model import Config

_Section = TypeVar("_Section", bound=AgentsFile | AgentsSection)
#: The origin of a file with agents.
_EXAMPLE = "agents.example.yaml shows one"
#: Size, inode, and the times of the last changes of content and rights of a file; None: it cannot be examined.
Stat = tuple[int, int, int, int] | None


class AgentsSource:
    """Reads the configured agents from *file*, the config.yaml from which *config* was read; None: from *config*.

    The methods read files, and so block.
    """

    def __init__(self, config: Config, file: Path | None) -> None:
        self._config = config
        self._file = file
        self._agents_file = config.agents_file
        self._pictures: tuple[Path, ...] = ()
        #: A hash of the file that was read last, or of the reason why it cannot be read.
        self.content = ""

    def stats(self) -> dict[Path, Stat]:
        """Return the state of each file on which the agents depend: another state shows a change."""
        paths = [self._file, self._agents_file, *self._pictures]
        return {path: _stat(path) for path in paths if path is not None}

    def read(self) -> tuple[AgentConfig, ...]:
        """Return the agents that the files list now.

        Raises:
            ConfigError: lists every fault in its own line, as ``file:line: key: fault``.
        """
        agents, self._agents_file = self._in_config()
        if self._agents_file is not None:
            agents = self._in_agents_file(self._agents_file)
        self._pictures = tuple(path for each in agents if (path := picture_file(each)) is not None)
        return agents

    def _in_config(self) -> tuple[tuple[AgentConfig, ...], Path | None]:
        """Return the agents in config.yaml, and the file that it names. The other keys count at the next start."""
        if self._file is None:
            return self._config.agents, self._config.agents_file
        document = self._document(self._file)
        keys = AgentsSection.model_fields
        given = {key: document.root[key] for key in keys if key in document.root}
        section = self._checked(AgentsSection, given, document, self._file)
        return section.agents, section.agents_file

    def _in_agents_file(self, file: Path) -> tuple[AgentConfig, ...]:
        document = self._document(file)
        return self._checked(AgentsFile, document.root, document, file).agents

    def _document(self, file: Path) -> Document:
        try:
            content = read_bytes(file, _EXAMPLE)
        except ConfigError as error:
            self.content = short_hash(str(error))
            raise
        self.content = short_hash(content.decode("latin-1"))
        return parse_mapping(content, file, _EXAMPLE)

    def _checked(self, kind: type[_Section], values: Mapping[str, Any], document: Document, file: Path) -> _Section:
        twice = [entry for entry in document.duplicates if entry[1].place[0] in kind.model_fields]
        found = validated(kind, values, Origin(file.absolute().parent, {}))
        if isinstance(found, list):
            raise faults_in(file, document, found, twice)
        both = two_lists(found) if isinstance(found, AgentsSection) else []
        faults = [*both, *agent_faults(found.agents, self._config.upstreams)]
        if faults or twice:
            raise faults_in(file, document, faults, twice)
        return found


def _stat(path: Path) -> Stat:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns

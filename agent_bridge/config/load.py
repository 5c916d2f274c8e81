"""Reads config.yaml into a :class:`~agent_bridge.config.model.Config`."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.config.document import parse
from agent_bridge.config.renamed import rename_old_keys
from agent_bridge.config.types import Origin
from agent_bridge.config.validation import check
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.named_files import read_up_to

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping, Sequence
    from pathlib import Path

    from agent_bridge.config.document import Document
    from agent_bridge.config.model import Config
    from agent_bridge.config.renamed import Line
    from agent_bridge.config.validation import ConfigFault


_log = logging.getLogger(__name__)

#: Bytes of a file. One of ten thousand people has a megabyte.
MAX_BYTES = 10_000_000
#: The origin of a new config.yaml.
INIT = "agent-bridge init writes one"


def load(path: Path, environ: MutableMapping[str, str] = os.environ) -> Config:
    """Return the configuration in the file *path*.

    ``env:NAME`` in place of a secret is replaced by the value in *environ*, from which the variable is deleted: no
    program that the bridge starts inherits it. A relative ``database.data_dir`` is resolved from the folder of the
    file.

    Raises:
        ConfigError: lists every fault in its own line, as ``file:line: key: fault``. A file that is not YAML has
            one fault. Secrets are never shown.
    """
    origin = Origin(path.absolute().parent, environ)
    found = examine(path, read_bytes(path, INIT), origin)
    for line, warning in found.old_names:
        _log.warning("%s:%d: %s", path, line, warning)
    if found.config is None:
        raise found.error
    for name in origin.used:
        del environ[name]
    return found.config


@dataclass(frozen=True, slots=True)
class Examined:
    """A configuration file, with every fault of it."""

    path: Path
    #: The content, whose keys have their new names.
    document: Document
    #: The configuration; None: the file has faults.
    config: Config | None
    #: Keys under their old names, and faults, each with its line.
    old_names: Sequence[Line]
    faults: Sequence[Line]

    @property
    def error(self) -> ConfigError:
        """The error that lists the faults in the order of their lines."""
        return ConfigError("\n".join(f"{self.path}:{line}: {fault}" for line, fault in self.faults))


def examine(path: Path, content: bytes, origin: Origin) -> Examined:
    """Return the configuration with *content*, that of the file *path*.

    Raises:
        ConfigError: the content is not a mapping in YAML.
    """
    document = parse_mapping(content, path, INIT)
    old_names, twice = rename_old_keys(document)
    found = check(document.root, origin)
    faults = [*twice, *document.duplicates]
    if isinstance(found, list):
        faults += [(document.line(fault.place), fault) for fault in found]
    faults.sort(key=lambda each: each[0])
    config = None if faults or isinstance(found, list) else found
    return Examined(path, document, config, old_names, faults)


def read_bytes(path: Path, origin: str) -> bytes:
    """Return the content of the file *path*. *origin* tells people where such a file comes from.

    Raises:
        ConfigError: it cannot be read, or has more than :data:`MAX_BYTES`.
    """
    try:
        content = read_up_to(path, MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: does not exist; {origin}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: has more than {MAX_BYTES // 1_000_000} MB, and is no configuration")
    return content


def parse_mapping(content: bytes, path: Path, origin: str) -> Document:
    """Return *content*, that of the file *path*, as a document whose root is a mapping; *origin* as above.

    Raises:
        ConfigError: it is not a mapping in YAML.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text; save the file as UTF-8") from None
    document = parse(text, str(path))
    if document.root is None:
        raise ConfigError(f"{path}: is empty; {origin}")
    if not isinstance(document.root, dict):
        raise ConfigError(f"{path}:1: must be a mapping (key: value)")
    return document


def faults_in(
    path: Path, document: Document, faults: Iterable[ConfigFault], others: Iterable[tuple[int, ConfigFault]]
) -> ConfigError:
    """Return the error that lists *faults*, and the *others*, whose lines are known, in the order of the lines."""
    lines = [*others, *((document.line(fault.place), fault) for fault in faults)]
    lines.sort(key=lambda entry: entry[0])
    return ConfigError("\n".join(f"{path}:{line}: {fault}" for line, fault in lines))

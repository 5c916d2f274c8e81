"""Reads config.yaml into a :class:`~agent_bridge.config.model.Config`."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from agent_bridge.config.document import parse
from agent_bridge.config.renamed import rename_old_keys
from agent_bridge.config.types import Origin
from agent_bridge.config.validation import check
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.named_files import read_up_to

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from pathlib import Path

    from agent_bridge.config.document import Document
    from agent_bridge.config.model import Config
    from agent_bridge.config.validation import ConfigFault


_log = logging.getLogger(__name__)

#: Bytes of a file. One of ten thousand people has a megabyte.
MAX_BYTES = 10_000_000
#: The origin of a new config.yaml.
_INIT = "agent-bridge init writes one"


def load(path: Path, environ: MutableMapping[str, str] = os.environ) -> Config:
    """Return the configuration in the file *path*.

    ``env:NAME`` in place of a secret is replaced by the value in *environ*, from which the variable is deleted: no
    program that the bridge starts inherits it. A relative ``database.data_dir`` is resolved from the folder of the
    file.

    Raises:
        ConfigError: lists every fault in its own line, as ``file:line: key: fault``. A file that is not YAML has
            one fault. Secrets are never shown.
    """
    document = parse_mapping(read_bytes(path, _INIT), path, _INIT)
    warnings, renamed_twice = rename_old_keys(document)
    for line, warning in warnings:
        _log.warning("%s:%d: %s", path, line, warning)
    origin = Origin(path.absolute().parent, environ)
    found = check(document.root, origin)
    others = [*renamed_twice, *document.duplicates]
    if isinstance(found, list) or others:
        raise faults_in(path, document, found if isinstance(found, list) else [], others)
    for name in origin.used:
        del environ[name]
    return found


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

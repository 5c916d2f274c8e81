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

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

    from agent_bridge.config.model import Config


_log = logging.getLogger(__name__)


def load(path: Path, environ: MutableMapping[str, str] = os.environ) -> Config:
    """Return the configuration in the file *path*.

    ``env:NAME`` in place of a secret is replaced by the value in *environ*, from which the variable is deleted: no
    program that the bridge starts inherits it. A relative ``database.data_dir`` is resolved from the folder of the
    file.

    Raises:
        ConfigError: lists every fault in its own line, as ``file:line: key: fault``. A file that is not YAML has
            one fault. Secrets are never shown.
    """
    document = parse(_read(path), str(path))
    if document.root is None:
        raise ConfigError(f"{path}: is empty; agent-bridge init writes a new one")
    if not isinstance(document.root, dict):
        raise ConfigError(f"{path}:1: must be a mapping (key: value)")
    warnings, faults = rename_old_keys(document)
    for line, warning in warnings:
        _log.warning("%s:%d: %s", path, line, warning)
    faults += document.duplicates
    origin = Origin(path.absolute().parent, environ)
    found = check(document.root, origin)
    if isinstance(found, list):
        faults += [(document.line(fault.place), fault) for fault in found]
    elif not faults:
        for name in origin.used:
            del environ[name]
        return found
    faults.sort(key=lambda entry: entry[0])
    raise ConfigError("\n".join(f"{path}:{line}: {fault}" for line, fault in faults))


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: does not exist; agent-bridge init writes one") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text; save the file as UTF-8") from None

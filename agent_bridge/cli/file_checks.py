"""Checks of config.yaml and registration.yaml that ``doctor`` and ``init --check`` share."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from agent_bridge.config.document import parse
from agent_bridge.config.registration import registration
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.named_files import read_up_to

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from agent_bridge.config.model import Config

#: Bytes of a registration that are read.
_MOST = 1_000_000
_EVERYBODY, _GROUP = stat.S_IRWXO, stat.S_IRWXG


def is_exposed(path: Path) -> bool:
    """Tell whether other users than its owner can read or write the file *path*.

    Its group may read it if that is how this process reads it: a mounted secret belongs to root.
    """
    found = path.stat()
    rights = stat.S_IMODE(found.st_mode)
    by_group = os.geteuid() not in (0, found.st_uid) and found.st_gid in {os.getegid(), *os.getgroups()}
    return bool(rights & (_EVERYBODY | (stat.S_IWGRP | stat.S_IXGRP if by_group else _GROUP)))


def read_registration(path: Path) -> Any:
    """Return the content of the registration *path*.

    Raises:
        OSError: it cannot be read.
        ConfigError: it is not YAML.
    """
    try:
        return parse(read_up_to(path, _MOST).decode(), str(path)).root
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None


def stale_keys(found: Any, config: Config, unknown: Collection[str] = ()) -> list[str]:
    """Return the keys of the registration *found* that differ from that of *config*; those in *unknown* do not count.

    Further keys do not count.
    """
    expected = registration(config)
    given = found if isinstance(found, dict) else {}
    return [key for key in expected if key not in unknown and given.get(key) != expected[key]]

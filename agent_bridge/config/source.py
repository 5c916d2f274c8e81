"""The config.yaml of a process, which the process can read again."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from agent_bridge.config.agents_source import AgentsSource
from agent_bridge.config.load import load

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

    from agent_bridge.config.model import Config


class ConfigSource:
    """Reads the configuration in *file*.

    A variable that ``env:NAME`` names is deleted from *environ* when it is read first. Its value is kept here for the
    next reading, so that no program that the bridge starts inherits it.
    """

    def __init__(self, file: Path, environ: MutableMapping[str, str] = os.environ) -> None:
        #: The absolute path. Faults name the path as it was given.
        self.file = file.absolute()
        self._given = file
        self._environ = environ
        self._secrets: dict[str, str] = {}
        #: When the last reading began, by a monotonic clock.
        self.read_at = time.monotonic()

    def read(self) -> Config:
        """Return the configuration as the file has it now. Blocks.

        Raises:
            ConfigError: as :func:`agent_bridge.config.load.load` does.
        """
        self.read_at = time.monotonic()
        known = {**self._environ, **self._secrets}
        left = dict(known)
        config = load(self._given, left)
        for name in known.keys() - left.keys():
            self._secrets[name] = known[name]
            self._environ.pop(name, None)
        return config

    def read_all(self) -> Config:
        """Do as :meth:`read` does, and examine the file with agents too, which the bridge follows anyway. Blocks.

        Raises:
            ConfigError: lists every fault of one of the files in its own line.
        """
        config = self.read()
        AgentsSource(config, self._given).read()
        return config

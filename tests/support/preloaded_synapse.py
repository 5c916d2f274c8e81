"""Synapse in the memory of the fork server, without a reactor: each process that is forked from it makes its own."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from synapse.app.complement_fork_proxied_reactor import ProxiedReactor
from twisted.internet.main import installReactor
from twisted.internet.pollreactor import PollReactor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_REACTOR = ProxiedReactor()
installReactor(_REACTOR)  # type: ignore[no-untyped-call]

# Its import would install a reactor.
from synapse.app import homeserver  # noqa: E402

# The modules live as long as the processes: the garbage collector need not look at them again.
gc.freeze()


def run(folder: Path, log: Path, settings: Sequence[str]) -> None:
    """Run the homeserver of *folder* in this process, and append its output to *log*.

    The sections of the files *settings* replace those of the folder's homeserver.yaml.
    """
    os.chdir(folder)
    os.umask(0o077)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    sys.argv = ["homeserver", "-c", "homeserver.yaml", *(part for file in settings for part in ("-c", file))]
    _REACTOR._install_real_reactor(PollReactor())  # type: ignore[no-untyped-call]
    homeserver.main()

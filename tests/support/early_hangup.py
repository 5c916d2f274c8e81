"""``agent-bridge``, whose process gets SIGHUP when it has loaded its modules and not yet read its configuration."""

from __future__ import annotations

import os
import signal

from agent_bridge import cli
from agent_bridge.__main__ import main

_run = cli.main


def _hang_up_first() -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    _run()


cli.main = _hang_up_first
main()

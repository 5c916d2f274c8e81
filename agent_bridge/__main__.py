"""The program ``agent-bridge``, also as ``python -m agent_bridge``."""

from __future__ import annotations

import sys

from agent_bridge.hangups import keep_hangups

#: Commands that read their configuration again at SIGHUP.
_SERVING = ("run", "worker")
#: The exit code of a shell for a program that SIGINT ended.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line. Ctrl-C ends it without a traceback, also while its modules are loaded."""
    if sys.argv[1:2] and sys.argv[1] in _SERVING:
        keep_hangups()
    try:
        if sys.argv[1:2] == ["hook"]:
            # A coding agent waits for it: it imports neither the command line nor the bridge.
            from agent_bridge.remote.hook import main as hook

            sys.exit(hook(sys.argv[2:]))
        from agent_bridge.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()

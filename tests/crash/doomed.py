"""``python -m crash.doomed POINT TEXT run --config FILE``: ``agent-bridge`` that kills itself at a point."""

from __future__ import annotations

import sys

from agent_bridge.cli import main
from crash.points import Doom

if __name__ == "__main__":
    Doom(sys.argv.pop(1), sys.argv.pop(1)).arm()
    main()

"""``python -m agent_bridge`` is ``agent-bridge``."""

from agent_bridge.cli import main

main()

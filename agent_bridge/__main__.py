"""``python -m agent_bridge`` runs the command line, as ``agent-bridge`` does."""

from agent_bridge.cli import main

main()

"""The parts of `agent-bridge demo`: a temporary homeserver, agents, Matrix clients and a live view of the log."""

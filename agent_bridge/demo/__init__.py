"""The parts of `agent-bridge demo`: a throw-away homeserver, agents to talk to, a person, a live view."""

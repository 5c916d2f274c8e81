"""Each agent as a server of the Agent2Agent protocol, version 1.0: its card, and JSON-RPC at the same address."""

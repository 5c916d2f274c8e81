"""The kind of upstream ``a2a``: agents that speak the Agent2Agent protocol, versions 1.0 and 0.3."""

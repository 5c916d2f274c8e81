"""Imports structlog without the parts that the bridge does not use. Each package that logs imports this module first.

structlog imports these libraries if they are installed, at four times its own cost.
"""

from __future__ import annotations

from agent_bridge.core.lean_imports import without

with without("rich", "twisted", "better_exceptions"):
    import structlog

__all__ = ["structlog"]

"""The page for administrators at ``/admin``: HTML that the server makes, without a build step.

Nothing of it is imported unless ``admin.enabled`` is true. No statement runs while nobody looks at it, but for the sums
that :mod:`agent_bridge.bridge.metering.rollups` writes while turns end.
"""

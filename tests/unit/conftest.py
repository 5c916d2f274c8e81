"""Settings for the search of examples."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is slow now and then. A slow example is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

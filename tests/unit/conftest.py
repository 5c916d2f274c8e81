"""How examples are looked for."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is slow now and then: that is no finding.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

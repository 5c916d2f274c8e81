"""The groups of the tests, which share their servers: one worker runs all tests of a group."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def test_a_run_in_several_processes_has_groups(request: pytest.FixtureRequest) -> None:
    """A version of pytest that pytest-xdist does not know ignores the groups, and each worker starts every server."""
    in_several = "PYTEST_XDIST_WORKER" in os.environ
    assert request.node.nodeid.endswith("@unit/test_groups") == in_several

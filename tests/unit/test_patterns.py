"""Regular expressions mean the same on every version of Python that the package supports."""

from __future__ import annotations

import re
from pathlib import Path

import agent_bridge

_PACKAGE = Path(agent_bridge.__file__).parent
#: A possessive quantifier behind a group, and an atomic group.
_WRONG = re.compile(r"\)(?:[*+?]|\{{1,2}\d*,?\d*\}{1,2})\+|\(\?>")


def test_no_pattern_needs_python_3_11_5() -> None:
    """Python before 3.11.5 matches these incorrectly (python/cpython#106052); Debian 12 has 3.11.2."""
    wrong = {file: _WRONG.findall(file.read_text("utf-8")) for file in _PACKAGE.rglob("*.py")}
    assert {file: found for file, found in wrong.items() if found} == {}

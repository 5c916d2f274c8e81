"""The configuration of the documentation site (Sphinx): ``make site``."""

from __future__ import annotations

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from agent_bridge import __version__  # noqa: E402 - the path comes first

project = "agent_bridge"
version = release = __version__
extensions = ["myst_parser"]
html_theme = "furo"
# Options and quoted values stay as they are typed: no dash in the place of two hyphens, no other quotation marks.
smartquotes = False
html_title = f"agent_bridge {__version__}"
html_show_copyright = html_show_sourcelink = False
# Links name headings as those of GitHub do.
myst_heading_anchors = 4
# A link without a target is a warning, and each warning an error (`make site`).
nitpicky = True
# The site has no fonts, scripts or pictures of other hosts; `make site` checks it.
html_static_path: list[str] = []

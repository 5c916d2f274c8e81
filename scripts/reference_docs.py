"""Writes the pages of docs/reference/ that the code determines, or checks them with ``--check``."""

from __future__ import annotations

import sys

import cli_docs
import command_docs
import config_docs
import content_docs
from pages import REFERENCE, publish

PAGES = {
    REFERENCE / "commands.md": command_docs.document,
    REFERENCE / "command-line.md": cli_docs.document,
    REFERENCE / "configuration.md": config_docs.document,
    REFERENCE / "contents.md": content_docs.document,
}

if __name__ == "__main__":
    sys.exit(publish({path: document() for path, document in PAGES.items()}, check="--check" in sys.argv[1:]))

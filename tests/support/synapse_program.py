"""``python -m support.synapse_program FOLDER LOG [SETTINGS...]``, for the fork server."""

from __future__ import annotations

import sys
from pathlib import Path

from support.preloaded_synapse import run

if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

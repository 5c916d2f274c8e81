"""``python -m support.synapse_program FOLDER LOG [SETTINGS...]``, for the fork server."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # The fork server passes over a module that it does not find. Each Synapse would import itself, for a second of CPU.
    assert "support.preloaded_synapse" in sys.modules, "the fork server has not imported Synapse"

    from support.preloaded_synapse import run

    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

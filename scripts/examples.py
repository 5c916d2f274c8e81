"""Write the example files of the configuration, or check with --check whether they are up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from agent_bridge.config.example import example, example_agents, render, render_agents
from agent_bridge.config.registration import registration, to_yaml

TOP = Path(__file__).resolve().parent.parent


def main() -> int:
    """Return 0, or 1 if --check found a file that does not match the schema."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    check = parser.parse_args().check
    files = {
        TOP / "config.example.yaml": render(example()),
        TOP / "agents.example.yaml": render_agents(example_agents()),
        TOP / "registration.example.yaml": to_yaml(registration(example())),
    }
    stale = [path for path in files if not path.exists() or path.read_text("utf-8") != files[path]]
    for path in stale:
        if check:
            sys.stderr.write(f"{path.name} is stale: run scripts/examples.py\n")
        else:
            path.write_text(files[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

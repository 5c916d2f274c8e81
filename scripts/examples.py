"""Write the example files of the configuration, or check with --check whether they are up to date."""

from __future__ import annotations

import argparse
import sys

from agent_bridge.config.example import example, example_agents, render, render_agents
from agent_bridge.config.registration import registration, to_yaml
from pages import TOP, publish


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
    return publish(files, check=check)


if __name__ == "__main__":
    sys.exit(main())

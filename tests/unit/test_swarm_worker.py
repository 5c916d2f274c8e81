"""A worker of the example of a swarm whose claim has ended."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

_FILE = Path(__file__).parents[2] / "examples" / "research_swarm.py"


@pytest.mark.parametrize(
    ("code", "reason"), [("task_refused", "unclaimed"), ("not_permitted", "not_yours"), ("not_permitted", "")]
)
def test_a_late_worker_leaves_the_task_to_another_one(code: str, reason: str) -> None:
    spec = importlib.util.spec_from_file_location("research_swarm", _FILE)
    assert spec is not None
    assert spec.loader is not None
    swarm = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(swarm)

    class Refusing:
        """The answers of a bridge to a worker that is late."""

        path = "/v1/rooms/x"

        def get(self, path: str, **_: str) -> dict[str, Any]:
            return {"user_id": "@ada:example.org"} if path == "/v1/me" else {"events": []}

        def post(self, path: str, *_: str, **__: object) -> None:
            if path.startswith("/v1/tasks/"):
                raise swarm.Problem(403, json.dumps({"code": code, "reason": reason}).encode())

    worker = swarm.Worker(Refusing(), 0.0)
    if reason:
        assert worker._done({"number": 3, "title": "tables"}) is False
    else:
        with pytest.raises(swarm.Problem):
            worker._done({"number": 3, "title": "tables"})

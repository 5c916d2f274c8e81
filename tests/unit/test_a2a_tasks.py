"""Tasks of A2A, as programs are shown their questions."""

from __future__ import annotations

from agent_bridge.api.a2a.objects import TaskView
from agent_bridge.core.results.programs import Asked


def test_a_question_beyond_the_budget_is_rejected_with_the_reason() -> None:
    asked = Asked(handle="h", room_id="!r", event_id="$e", is_complete=True, answers=())
    view = TaskView(asked, "", "@agent_ada:example.org")
    status = view.shown()["status"]
    assert view.rests
    assert status["state"] == "TASK_STATE_REJECTED"
    assert "beyond the budget" in status["message"]["parts"][0]["text"]
    assert [*view.updates()] == [{"statusUpdate": {"taskId": "h", "contextId": "!r", "status": status}}]

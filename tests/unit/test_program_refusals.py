"""The texts of refusals for programs: a sentence that names the fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.programs.refusals import of_event, of_task, of_vote
from agent_bridge.core.results.events import EventProblem, EventRefused
from agent_bridge.core.results.tasks import TaskProblem, TaskRefused
from agent_bridge.core.results.votes import VoteRefused
from agent_bridge.core.votes import VoteProblem

if TYPE_CHECKING:
    from agent_bridge.core.program_problems import ProgramRefused

_REFUSALS = [
    *(of_task(TaskRefused(each, 3, "working", "@bob:example.org", 50)) for each in TaskProblem),
    *(of_vote(VoteRefused(each, "{3}", 50)) for each in VoteProblem),
    *(of_event(EventRefused(each, "/{a}", 50)) for each in EventProblem),
]


@pytest.mark.parametrize("refused", _REFUSALS, ids=lambda refused: str(refused.more["reason"]))
def test_each_refusal_has_a_sentence(refused: ProgramRefused) -> None:
    reason, detail = refused.more["reason"], refused.detail
    assert len(detail.split()) >= 4
    assert reason.replace("_", " ") != detail

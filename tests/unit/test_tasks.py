"""The states of tasks: which action leads where, and the percentage of a task with subtasks."""

from __future__ import annotations

import pytest

from agent_bridge.core.tasks import TRANSITIONS, TaskAction, TaskState, joint_percent

S, A = TaskState, TaskAction
OPEN = (S.SUBMITTED, S.WORKING, S.INPUT_REQUIRED, S.AUTH_REQUIRED)
#: The state after each action, from every open state.
ANYWHERE = {
    A.PROGRESS: S.WORKING,
    A.ASK_INPUT: S.INPUT_REQUIRED,
    A.ASK_AUTH: S.AUTH_REQUIRED,
    A.DONE: S.COMPLETED,
    A.FAIL: S.FAILED,
    A.CANCEL: S.CANCELED,
    A.ASSIGN: S.SUBMITTED,
    A.RELEASE: S.SUBMITTED,
}
ELSEWHERE = {
    (S.SUBMITTED, A.CLAIM): S.WORKING,
    (S.SUBMITTED, A.REJECT): S.REJECTED,
    (S.WORKING, A.EXPIRE): S.SUBMITTED,
}


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("action", TaskAction)
def test_every_action_in_every_state(state: TaskState, action: TaskAction) -> None:
    expected = ELSEWHERE.get((state, action))
    if state in OPEN and action in ANYWHERE:
        expected = ANYWHERE[action]
    if state in OPEN and action is A.SPLIT:
        expected = state
    assert TRANSITIONS.get((state, action)) is expected


def test_the_states_of_a2a() -> None:
    assert {str(each) for each in TaskState} == {
        "submitted", "working", "input-required", "auth-required", "completed", "failed", "canceled", "rejected"
    }  # fmt: skip
    assert {each for each in TaskState if each.is_open} == set(OPEN)
    assert {each for each in TaskState if each.is_begun} == set(OPEN) - {S.SUBMITTED}


@pytest.mark.parametrize(
    ("subtasks", "expected"),
    [
        ([], None),
        ([(S.CANCELED, 50), (S.REJECTED, 0)], None),
        ([(S.SUBMITTED, 0)], 0),
        ([(S.COMPLETED, 0), (S.WORKING, 50)], 75),
        ([(S.COMPLETED, 100), (S.FAILED, 90), (S.CANCELED, 0)], 50),
        ([(S.COMPLETED, 100)] * 3, 100),
        ([(S.COMPLETED, 100), (S.COMPLETED, 100), (S.WORKING, 99)], 99),
    ],
)
def test_subtasks_count_for_their_task(subtasks: list[tuple[TaskState, int]], expected: int | None) -> None:
    assert joint_percent(subtasks) == expected

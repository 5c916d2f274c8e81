"""The attempts at a turn whose workers told no end, as the steps of the turn show them."""

from __future__ import annotations

import pytest

from agent_bridge.core.attempts import left_attempts


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        pytest.param("", (), id="no attempt"),
        pytest.param("taken_up", (), id="the first one runs"),
        pytest.param("taken_up taken_up", (1,), id="the first one was killed"),
        pytest.param("taken_up taken_up taken_up", (1, 2), id="two were killed"),
        pytest.param("taken_up put_back taken_up", (), id="the first one failed"),
        pytest.param("taken_up taken_up put_back taken_up", (1,), id="one was killed, one failed"),
        pytest.param("taken_up dropped taken_up", (1,), id="killed before it saw that it has to end"),
        pytest.param("taken_up answered taken_up", (), id="killed while it showed the answer"),
        pytest.param("taken_up answered taken_up taken_up", (), id="the second one only showed the answer"),
        pytest.param("taken_up answered taken_up done retried taken_up", (), id="asked again"),
        pytest.param("taken_up taken_up answered done again taken_up taken_up", (1, 3), id="killed when asked again"),
        pytest.param("taken_up answered done shown_again taken_up taken_up", (), id="shown once more"),
        pytest.param("taken_up again taken_up", (), id="a part was redacted"),
    ],
)
def test_attempts_that_were_left(steps: str, left: tuple[int, ...]) -> None:
    assert left_attempts(steps.split()) == left

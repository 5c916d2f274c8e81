"""Messages that are sent together become one question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_bridge.bridge.answering.batching import group
from agent_bridge.core.payloads import Attachment, MediaKind, MessagePayload
from agent_bridge.core.turns import QueuedMessage
from support.records import turn

BOB, CAROL = "@bob:example.org", "@carol:example.org"
FILE = Attachment(MediaKind.IMAGE, None, "cat.png", None, None, None, voice=False, encrypted=False)
CAT, DOG = MessagePayload("", FILE), MessagePayload("", replace(FILE, name="dog.png"))
CAPTIONED, TEXT = replace(CAT, body="Who is that?"), MessagePayload("Who is that?")
#: Seconds since the file was sent.
AGE = 30.0


def waits(*said: tuple[MessagePayload, float] | tuple[MessagePayload, float, str]) -> list[QueuedMessage]:
    """Return messages that were sent so many seconds behind the file, by Bob unless another sender is given."""
    return [
        QueuedMessage(number, f"${number}", sender[0] if sender else BOB, payload, AGE - behind, 0.5)
        for number, (payload, behind, *sender) in enumerate(said)
    ]


@pytest.mark.parametrize(
    ("first", "behind", "together", "open_end"),
    [
        pytest.param(CAT, [], 0, True, id="a file alone: more may come"),
        pytest.param(CAT, [(DOG, 1)], 1, True, id="two files"),
        pytest.param(CAT, [(DOG, 1), (CAT, 2), (DOG, 3)], 3, True, id="many files"),
        pytest.param(CAT, [(TEXT, 1)], 1, False, id="a text about it ends it"),
        pytest.param(CAT, [(DOG, 1), (TEXT, 2)], 2, False, id="a text about two"),
        pytest.param(CAT, [(TEXT, 1), (TEXT, 2)], 1, False, id="the second text is another question"),
        pytest.param(CAT, [(TEXT, 1), (DOG, 2)], 1, False, id="a file behind the text is another question"),
        pytest.param(CAPTIONED, [(TEXT, 1)], 0, False, id="a caption says it: the text is another question"),
        pytest.param(CAPTIONED, [(DOG, 1)], 1, True, id="more files behind a caption"),
        pytest.param(CAT, [(CAPTIONED, 1)], 1, True, id="a caption later on"),
        pytest.param(CAT, [(CAPTIONED, 1), (TEXT, 2)], 1, False, id="and a text behind it"),
        pytest.param(CAT, [(DOG, 1, CAROL)], 0, False, id="somebody else's file"),
        pytest.param(CAT, [(TEXT, 1, CAROL)], 0, False, id="somebody else's text"),
        pytest.param(CAT, [(DOG, 1), (TEXT, 2, CAROL), (TEXT, 3)], 1, False, id="somebody says something between"),
        pytest.param(CAT, [(DOG, 10)], 1, True, id="just in time"),
        pytest.param(CAT, [(DOG, 10.5)], 0, False, id="too late"),
        pytest.param(CAT, [(TEXT, 10.5)], 0, False, id="a text too late"),
        pytest.param(CAT, [(DOG, 9), (CAT, 18), (TEXT, 27)], 3, False, id="each in time behind the one before"),
        pytest.param(CAT, [(DOG, -3)], 1, True, id="clocks that disagree"),
    ],
)
def test_what_belongs_to_a_file(first: MessagePayload, behind: list[Any], together: int, *, open_end: bool) -> None:
    waiting = waits(*behind)
    assert group(turn(payload=first, sender=BOB, age=AGE), waiting) == (waiting[:together], open_end)

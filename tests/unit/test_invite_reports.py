"""The line about an invitation into all rooms, in both languages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.results.access import Arrival, InviteReport
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.access import render_invite

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts

BOB = "@bob_b:example.org"
REPORT = InviteReport(
    user=BOB,
    done=7,
    total=7,
    space="invited",
    counts={"invited": 1, "open": 2, "inside": 3, "removed": 1},
    is_finished=True,
)


def test_the_counts_are_one_line() -> None:
    assert render_invite(REPORT, ENGLISH, "!ab") == (
        "@bob\\_b:example.org: invited to the Space; invited to 1 room; already in 3 rooms, or invited; "
        "2 rooms can be entered from the Space; 1 room left out, because the user was removed there."
    )


def test_progress_and_failure() -> None:
    begun = replace(REPORT, is_finished=False, done=3)
    assert render_invite(begun, ENGLISH, "!ab") == "@bob\\_b:example.org: 3 of 7 rooms so far."
    failed = replace(REPORT, error="it *broke*", counts={})
    assert render_invite(failed, ENGLISH, "!ab").endswith(
        "The rest failed: it \\*broke\\*. `!ab invite * @bob_b:example.org` goes on."
    )
    nothing = replace(REPORT, space=None, counts={}, total=0, done=0)
    assert render_invite(nothing, ENGLISH, "!ab") == "@bob\\_b:example.org: there is no room."


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_each_outcome_has_a_text(texts: Texts) -> None:
    words = texts.commands.access
    assert set(words.space) == {*Arrival, "revoked"}
    assert set(words.rooms) == {*Arrival, "open", "removed", "revoked"}
    assert set(words.arrivals) == {each for each in Arrival if each.is_done}

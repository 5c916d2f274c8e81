"""Reports of repairs: their text, and their way through the database."""

from __future__ import annotations

import json

import pytest

from agent_bridge.bridge.lifecycle.repair import decode, encode
from agent_bridge.cli.repair import as_text, exit_code
from agent_bridge.core.results.repairs import Difference, Outcome, Part, RepairReport, RoomDifferences
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.repairs import render_repair

ADA = RoomDifferences("Ada", "!a:x", (Difference(Part.TOPIC, Outcome.SET), Difference(Part.CHILD, Outcome.SET)))
KEPT = tuple(Difference(part, Outcome.KEPT, "@bob:x") for part in (Part.NAME, Part.TOPIC))
BEA = RoomDifferences("Bea #7", "!b:x", (*KEPT, Difference(Part.AVATAR, Outcome.KEPT, "@eve:x")), agent="Bea")
SPACE = RoomDifferences("Agents", "!s:x", (Difference(Part.TOPIC, Outcome.KEPT, "@bob:x"),))
CLEO = RoomDifferences("Cleo", "!c:x", (Difference(Part.LEVELS, Outcome.REFUSED),), error="away")


def report(*rooms: RoomDifferences, **changes: object) -> RepairReport:
    values: dict[str, object] = {"done": 1000, "total": 1000, "rooms": rooms}
    return RepairReport(**(values | changes))  # type: ignore[arg-type]  # each test gives fields of the right types


def test_the_result() -> None:
    assert render_repair(report(ADA, BEA, CLEO), ENGLISH, "!ab").splitlines() == [
        "1000 rooms are compared.",
        "1. *Ada*: set topic, Space entry",
        r"2. *Bea \#7*: kept name, topic, chosen by `@bob:x`; kept avatar, chosen by `@eve:x`",
        "3. *Cleo*: the homeserver refused power levels; not compared: away",
        "",
        "`!ab repair Bea force` replaces the state that people chose.",
    ]
    assert "`!ab repair force` replaces" in render_repair(report(SPACE, BEA), ENGLISH, "!ab")
    assert render_repair(report(), ENGLISH, "!ab") == "1000 rooms are compared. There are no differences."


def test_the_progress() -> None:
    text = render_repair(report(ADA, BEA, done=400, is_finished=False), ENGLISH, "!ab")
    assert text == "Compared 400 of 1000 rooms, repaired 1."


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_every_part_and_outcome_has_words(texts: object) -> None:
    words = texts.repairs  # type: ignore[attr-defined]  # both are catalogues
    assert set(words.parts) == {str(part) for part in Part}
    assert set(words.outcomes) == {str(outcome) for outcome in Outcome}


def test_a_long_result_is_cut_in_a_room_and_whole_on_a_terminal() -> None:
    rooms = [RoomDifferences(f"a {number}", None, ADA.differences) for number in range(50)]
    assert "… and 30 more." in render_repair(report(*rooms), ENGLISH, "!ab")
    assert len(as_text(report(*rooms), "!ab").splitlines()) == 52


def test_exit_codes() -> None:
    assert exit_code(report(ADA)) == 0
    assert exit_code(report()) == 0
    assert exit_code(report(ADA, BEA)) == 4
    assert exit_code(report(CLEO)) == 1
    assert exit_code(report(error="x")) == 1


def test_a_name_cannot_change_the_layout() -> None:
    name = "\x1b[31mA\n2. *evil* \u202e`x`"
    room = RoomDifferences(name, None, (Difference(Part.NAME, Outcome.KEPT, "@e`\n`:x"),))
    text = render_repair(report(room), ENGLISH, "!ab")
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize("room", [ADA, BEA, CLEO, SPACE], ids=["set", "kept", "error", "nobody's"])
def test_a_room_through_json(room: RoomDifferences) -> None:
    assert decode(json.loads(json.dumps(encode(room)))) == room

"""Events from the homeserver: the parser never fails, and accepts no value that PostgreSQL cannot store."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.ids import MAX_ID_BYTES
from agent_bridge.matrix.events import RoomEvent, clean, parse_event, parse_transaction

ANY_TEXT = st.text(st.characters(), max_size=30)  # NUL and half surrogate pairs too: JSON can carry them
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
KEYS = ["event_id", "room_id", "type", "sender", "state_key", "content", "origin_server_ts"]
UNFIT: list[Any] = [[], {}, "a\0b", "\ud800", "x" * 256]
WHOLE: dict[str, Any] = {
    "event_id": "$e",
    "room_id": "!r:example.org",
    "type": "m.room.message",
    "sender": "@bob:example.org",
    "content": {"msgtype": "m.text", "body": "hi"},
    "origin_server_ts": 1234,
}


def storable(text: str) -> bool:
    """Tell whether PostgreSQL can store *text*."""
    return "\0" not in text and text.encode("utf-8", "replace") == text.encode("utf-8", "surrogatepass")


def event(**content: Any) -> RoomEvent:
    parsed = parse_event(WHOLE | {"content": content})
    assert parsed is not None
    return parsed


def test_a_message() -> None:
    assert parse_event(WHOLE | {"user_id": "@bob:example.org"}) == RoomEvent(
        event_id="$e",
        room_id="!r:example.org",
        type="m.room.message",
        sender="@bob:example.org",
        state_key=None,
        content={"msgtype": "m.text", "body": "hi"},
        timestamp=1234,
    )


@pytest.mark.parametrize("state_key", ["", "@ghost:example.org"])
def test_a_state_event(state_key: str) -> None:
    parsed = parse_event(WHOLE | {"state_key": state_key})
    assert parsed is not None
    assert parsed.state_key == state_key


@pytest.mark.parametrize(
    "change",
    [
        *({key: bad} for key in KEYS[:4] for bad in (None, "", 1, True, *UNFIT)),
        *({"state_key": bad} for bad in (1, False, "@agent_\0:example.org", *UNFIT)),
        *({"content": bad} for bad in (None, "", "text", 1, UNFIT)),
    ],
    ids=str,
)
def test_what_is_no_event_is_passed_over(change: dict[str, Any]) -> None:
    assert parse_event(WHOLE | change) is None


@pytest.mark.parametrize("missing", [*KEYS[:4], "content"])
def test_nothing_of_an_event_may_be_missing(missing: str) -> None:
    assert parse_event({key: value for key, value in WHOLE.items() if key != missing}) is None


@pytest.mark.parametrize("raw", [None, 1, "event", [], [WHOLE], True, 1.5])
def test_what_is_no_object_is_passed_over(raw: object) -> None:
    assert parse_event(raw) is None


@pytest.mark.parametrize(
    ("timestamp", "seen"),
    [
        (0, 0),
        (1, 1),
        (-1, 0),
        (10**30, 0),
        (253_402_300_799_999, 253_402_300_799_999),
        (None, 0),
        ("1", 0),
        (True, 0),
        (1.5, 0),
        ([], 0),
    ],
)
def test_a_time_is_an_integer_or_unknown(timestamp: object, seen: int) -> None:
    parsed = parse_event(WHOLE | {"origin_server_ts": timestamp})
    assert parsed is not None
    assert parsed.timestamp == seen


@pytest.mark.parametrize(
    ("slow", "age", "seen"), [(2, 40, 0), (0, 172_800_000, 0), (2, None, 2), (2, -1, 2), (2, "40", 2)]
)
def test_the_smaller_of_two_ages_counts(slow: int, age: object, seen: int) -> None:
    """The clock of a sender's homeserver that is two days slow makes no message old."""
    day = 86_400_000
    now = int(time.time() * 1000)
    parsed = parse_event(WHOLE | {"origin_server_ts": now - slow * day, "unsigned": {"age": age}})
    assert parsed is not None
    assert abs(now - parsed.timestamp - seen * day) < 60_000


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({}, None),
        ({"body": None}, None),
        ({"body": 1}, None),
        ({"body": ["x"]}, None),
        ({"body": ""}, ""),
        ({"body": "two\nlines"}, "two\nlines"),
        ({"body": "a\0b"}, "a\ufffdb"),
        ({"body": "a\ud83e"}, "a\ufffd"),
        ({"body": "\ud83e\udd99"}, "🦙"),
    ],
)
def test_text(content: dict[str, Any], text: str | None) -> None:
    assert event(**content).text("body") == text


@pytest.mark.parametrize(
    ("related", "relation"),
    [
        (None, None),
        ("m.replace", None),
        ([], None),
        ({}, None),
        ({"rel_type": 1}, None),
        ({"rel_type": ["m.replace"]}, None),
        ({"m.in_reply_to": {"event_id": "$x"}}, None),
        ({"rel_type": "m.replace", "event_id": "$x"}, "m.replace"),
        ({"rel_type": "m.thread"}, "m.thread"),
    ],
)
def test_relation(related: object, relation: str | None) -> None:
    assert event(**{"m.relates_to": related}).relation == relation


THREAD = {"rel_type": "m.thread", "event_id": "$root"}
FALLS_BACK = {"is_falling_back": True, "m.in_reply_to": {"event_id": "$x"}}


@pytest.mark.parametrize(
    ("related", "target", "thread", "reply"),
    [
        (None, None, "", None),
        ({}, None, "", None),
        ("$x", None, "", None),
        (["$x"], None, "", None),
        ({"event_id": "$x"}, "$x", "", None),
        ({"event_id": ""}, None, "", None),
        ({"event_id": 5, "rel_type": "m.thread"}, None, "", None),
        ({"event_id": "$" + "x" * 255, "rel_type": "m.thread"}, None, "", None),
        ({"event_id": "$\0", "rel_type": "m.thread"}, None, "", None),
        ({"rel_type": "m.annotation", "event_id": "$x", "key": "👍"}, "$x", "", None),
        (THREAD, "$root", "$root", None),
        (THREAD | {"event_id": "!"}, "!", "", None),
        (THREAD | FALLS_BACK, "$root", "$root", None),
        (THREAD | FALLS_BACK | {"is_falling_back": False}, "$root", "$root", "$x"),
        (THREAD | FALLS_BACK | {"is_falling_back": "true"}, "$root", "$root", "$x"),
        ({"m.in_reply_to": {"event_id": "$x"}}, None, "", "$x"),
        # Without a thread there is no fallback.
        (FALLS_BACK, None, "", "$x"),
        ({"m.in_reply_to": "$x"}, None, "", None),
        ({"m.in_reply_to": {"event_id": ["$x"]}}, None, "", None),
        ({"m.in_reply_to": {"event_id": ""}}, None, "", None),
        ({"m.in_reply_to": {"event_id": "\ud800"}}, None, "", None),
        ({"m.in_reply_to": {}}, None, "", None),
    ],
)
def test_what_an_event_relates_to(related: object, target: str | None, thread: str, reply: str | None) -> None:
    related_event = event(**{"m.relates_to": related})
    assert (related_event.target, related_event.thread, related_event.replies_to) == (target, thread, reply)


@pytest.mark.parametrize(
    ("raw", "redacts"),
    [
        ({"content": {"redacts": "$x"}}, "$x"),
        ({"content": {}, "redacts": "$x"}, "$x"),
        ({"content": {"reason": "oops"}, "redacts": "$x"}, "$x"),
        ({"content": {"redacts": "$x"}, "redacts": "$y"}, "$y"),
        ({"content": {"redacts": 5}, "redacts": "$y"}, "$y"),
        ({"content": {"redacts": 5}}, None),
        ({"content": {}, "redacts": ["$x"]}, None),
        ({"content": {}, "redacts": ""}, None),
        ({"content": {}, "redacts": "$\0"}, None),
        ({"content": {}}, None),
    ],
)
def test_the_event_that_a_redaction_names(raw: dict[str, Any], redacts: str | None) -> None:
    """The place of the redacted event id depends on the room version."""
    parsed = parse_event(WHOLE | {"type": "m.room.redaction"} | raw)
    assert parsed is not None
    assert parsed.redacts == redacts


@pytest.mark.parametrize(
    ("unsigned", "redacted_by"),
    [
        ({"redacted_because": {"event_id": "$r", "type": "m.room.redaction"}}, "$r"),
        ({"redacted_because": {"event_id": 5}}, None),
        ({"redacted_because": "$r"}, None),
        ({}, None),
        ("junk", None),
        (None, None),
    ],
)
def test_the_redaction_of_an_event(unsigned: object, redacted_by: str | None) -> None:
    parsed = parse_event(WHOLE | {"content": {}, "unsigned": unsigned})
    assert parsed is not None
    assert parsed.redacted_by == redacted_by


def test_only_a_redaction_says_it_outside_its_content() -> None:
    parsed = parse_event(WHOLE | {"redacts": "$x"})
    assert parsed is not None
    assert parsed.redacts is None


RELATED = st.fixed_dictionaries(
    {},
    optional={
        "rel_type": st.sampled_from(["m.thread", "m.replace"]) | JUNK,
        "event_id": st.just("$x") | JUNK,
        "is_falling_back": st.booleans() | JUNK,
        "m.in_reply_to": st.fixed_dictionaries({}, optional={"event_id": st.just("$x") | JUNK}) | JUNK,
    },
)


@given(related=RELATED | JUNK, redacts=JUNK, kind=st.sampled_from(["m.room.message", "m.room.redaction"]))
def test_relations_are_storable_ids_or_none(related: object, redacts: object, kind: str) -> None:
    parsed = parse_event(WHOLE | {"type": kind, "redacts": redacts, "content": {"m.relates_to": related}})
    assert parsed is not None
    ids = [parsed.target, parsed.replies_to, parsed.redacts, parsed.relation]
    assert all(each is None or (each and storable(each) and len(each) <= MAX_ID_BYTES) for each in ids)
    assert parsed.thread == "" or (parsed.thread == parsed.target and parsed.thread.startswith("$"))


@given(JUNK | st.dictionaries(st.sampled_from(KEYS), JUNK))
def test_junk_never_raises(raw: object) -> None:
    assert parse_event(raw) is None or isinstance(raw, dict)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JUNK)))
def test_whatever_is_taken_can_be_stored(change: dict[str, Any]) -> None:
    parsed = parse_event(WHOLE | change)
    if parsed is not None:
        texts = [parsed.event_id, parsed.room_id, parsed.type, parsed.sender, parsed.state_key or ""]
        assert all(storable(text) and len(text) <= MAX_ID_BYTES for text in texts)
        assert parsed.relation is None or isinstance(parsed.relation, str)
        for key in parsed.content:
            assert storable(parsed.text(key) or "")


@given(ANY_TEXT)
def test_clean_text_is_storable_and_stays(text: str) -> None:
    cleaned = clean(text)
    assert storable(cleaned)
    assert clean(cleaned) == cleaned
    assert cleaned == text or not storable(text)
    assert json.loads(json.dumps(cleaned)) == cleaned


@pytest.mark.parametrize(
    ("element", "found"), [(b'{"a": 1},', 300), (b"{a},", 0), (b"[", 0)], ids=["valid", "invalid", "nested"]
)
def test_a_limited_part_of_a_broken_transaction_is_searched(element: bytes, found: int) -> None:
    raw = b'{"events": [' + element * 4_000_000
    started = time.process_time()
    elements, fault = parse_transaction(raw)
    assert fault in {"not JSON: JSONDecodeError", "not JSON: RecursionError"}
    assert len(elements) == found
    assert time.process_time() - started < 3

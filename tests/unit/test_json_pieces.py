"""JSON with events is read one event at a time, and no event fills the process with lists."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.json_pieces import PieceTooLong, load_pieces
from agent_bridge.matrix.events import parse_event, parse_transaction

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)


def containers(value: Any) -> int:
    """Return the number of lists and objects in *value*, with itself."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + sum(map(containers, value.values() if isinstance(value, dict) else value))


def message(content: str) -> str:
    return f'{{"event_id":"$e","room_id":"!r:x","type":"m.room.message","sender":"@b:x","content":{content}}}'


@given(ANY_JSON, st.sampled_from([None, 1]))
def test_the_value_is_that_of_the_json_module(value: Any, indent: int | None) -> None:
    assert load_pieces(json.dumps(value, indent=indent).encode()) == value


@given(ANY_JSON, st.data())
def test_what_is_no_json_is_refused(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    broken = text[:at] + data.draw(st.sampled_from('[]{},:"x1')) + text[at + data.draw(st.integers(0, 1)) :]
    try:
        expected = json.loads(broken)
    except ValueError:
        with pytest.raises(json.JSONDecodeError):
            load_pieces(broken.encode())
    else:
        assert load_pieces(broken.encode()) == expected


def test_an_event_of_many_lists_is_bounded() -> None:
    """A hundred events of two million lists stopped the process for a third of a second."""
    dense = message('{"body":"hi","m.mentions":{"user_ids":["@a:x"]},"x":[' + ",".join(["[0]"] * 15_000) + "]}")
    events, fault = parse_transaction(f'{{"events":[{",".join([dense] * 100)}]}}'.encode())
    assert fault is None
    assert containers(events) < 100 * 10
    parsed = parse_event(events[99])
    assert parsed is not None
    assert parsed.content == {"body": "hi", "m.mentions": {"user_ids": ["@a:x"]}, "x": []}


def test_an_event_that_no_homeserver_sends_is_refused_and_the_others_are_read() -> None:
    longest = message('{"body":"' + "x" * 1_000_000 + '"}')
    too_long = message('{"body":"' + "x" * 1_100_000 + '"}')
    raw = f'{{"events":[{longest},{too_long},{message("{}")}]}}'.encode()
    with pytest.raises(PieceTooLong):
        load_pieces(raw)
    events, fault = parse_transaction(raw)
    assert [len(str(event)) > 1_000 for event in events] == [True, False]
    assert fault == "not JSON: PieceTooLong"

"""The data of agent events: what people type, what a Matrix event can contain, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_bridge.bridge.collaboration.events import parsed_event
from agent_bridge.core.actors import Actor
from agent_bridge.core.agent_events import EVENT, NewEvent, decoded, encoded, event_content, event_problem
from agent_bridge.core.loose_json import NotReadable, load_object
from agent_bridge.core.results.events import EventProblem, EventRefused
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.agent_events import event_message

#: The name before the text, for clients that know no profiles of messages.
_BEFORE = "<strong data-mx-profile-fallback>{}: </strong>"
EXAMPLE = {"subtask": 1, "sources": 12, "confidence": 0.87}


@pytest.mark.parametrize(
    "text",
    [
        "{subtask: 1, sources: 12, confidence: 0.87}",
        '{"subtask": 1, "sources": 12, "confidence": 0.87}',
        "{“subtask”: 1,\n 'sources' : 12 ,confidence:0.87 }",
    ],
)
def test_the_example_of_the_design(text: str) -> None:
    data = load_object(text)
    assert data == EXAMPLE
    assert [type(each) for each in data.values()] == [int, int, float]
    new = NewEvent(key="k", room_id="!r", actor=Actor("@ada:example.org", 1), kind="research_complete", data=data)
    assert event_problem(new.kind, data) is None
    content = event_content(new)
    assert content == {
        "kind": "research_complete",
        "agent": "@ada:example.org",
        "data": {"subtask": 1, "sources": 12, "confidence": "0.87"},
        "numbers": ["/confidence"],
    }
    assert decoded(content["data"], content["numbers"]) == EXAMPLE
    shown = event_message(new, "Ada", ENGLISH, mark="m")
    assert shown["msgtype"] == "m.notice"
    assert shown["body"] == "🔹 research_complete subtask: 1, sources: 12, confidence: 0.87"
    assert EVENT not in shown


@pytest.mark.parametrize(
    ("text", "name", "body", "html"),
    [
        ("", "Ann", "🔹 Ann: k a: 1", "🔹 <em>Ann</em>: <code>k</code> a: 1"),
        # Clients show the link as the name of the user.
        (
            "",
            "@ann:example.org",
            "🔹 @ann:example.org: k a: 1",
            '🔹 <em><a href="https://matrix.to/#/@ann:example.org">@ann:example.org</a></em>: <code>k</code> a: 1',
        ),
        ("It is **done**.", "Ann", "Ann: It is done.", f"{_BEFORE.format('Ann')}It is <strong>done</strong>."),
        ("Done.", "@ann:example.org", "ann: Done.", None),
    ],
)
def test_the_event_of_a_person_names_the_person(text: str, name: str, body: str, html: str | None) -> None:
    new = NewEvent(key="k", room_id="!r", actor=Actor("@ann:example.org"), kind="k", data={"a": 1}, text=text)
    shown = event_message(new, name, ENGLISH, mark="m")
    assert (shown["body"], shown.get("formatted_body")) == (body, html)
    read = parsed_event("!r", {"content": shown | {EVENT: event_content(new)}, "event_id": "$e", "sender": "@bot:x"})
    assert read is not None
    assert read.text == body.removeprefix("Ann: ").removeprefix("ann: ")


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**30), max_value=10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
    | st.sampled_from(["0.87", "12", "-1e5", "1.0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b/c", "~d", "", "0"]), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["a", "x/y", "~", "number"]), _VALUES))
@example({"larger than a float": 10**400})
def test_data_comes_back_as_it_was(data: dict[str, Any]) -> None:
    if event_problem("k", data) is not None:
        return
    result, numbers = encoded(data)
    sent = json.loads(json.dumps(result))
    back = decoded(sent, numbers)
    assert json.dumps(back) == json.dumps(data)
    assert not [
        each for each in _leaves(sent) if isinstance(each, float) or (isinstance(each, int) and abs(each) >= 2**53)
    ]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("data", "problem", "place"),
    [
        ([], EventProblem.NO_OBJECT, ""),
        ("text", EventProblem.NO_OBJECT, ""),
        ({"a": float("nan")}, EventProblem.BAD_NUMBER, "/a"),
        ({"a": [1, float("-inf")]}, EventProblem.BAD_NUMBER, "/a/1"),
        ({"a": 10**5000}, EventProblem.BAD_NUMBER, "/a"),
        ({"a": {"b": "\ud800"}}, EventProblem.BAD_TEXT, "/a/b"),
        ({"a": "\0"}, EventProblem.BAD_TEXT, "/a"),
        ({"\0": 1}, EventProblem.BAD_TEXT, ""),
        ({"a": {1: 2}}, EventProblem.NOT_JSON, "/a/1"),
        ({"a": b"bytes"}, EventProblem.NOT_JSON, "/a"),
        ({"a": _nested(16)}, EventProblem.TOO_DEEP, "/a" + "/0" * 15),
        ({"a": list(range(1_000))}, EventProblem.TOO_MANY, "/a/999"),
        ({"a": "x" * 16_384}, EventProblem.TOO_LARGE, ""),
        ({"a": "x" * 20_000}, EventProblem.TOO_LARGE, "/a"),
        ({"é" * 9_000: 1}, EventProblem.TOO_LARGE, ""),
        ({"k" * 15_000: {"k" * 15_000: [0.5] * 100}}, EventProblem.TOO_LARGE, ""),
    ],
)
def test_a_refusal_names_the_place(data: Any, problem: EventProblem, place: str) -> None:
    refused = event_problem("kind", data)
    assert refused is not None
    assert (refused.problem, refused.place) == (problem, place)
    if problem in {EventProblem.TOO_DEEP, EventProblem.TOO_MANY, EventProblem.TOO_LARGE}:
        assert refused.most in {16, 1_000, 16_384}


def test_the_limits_themselves_pass() -> None:
    assert event_problem("a" * 64, {"a": _nested(15), "b": list(range(900)), "c": "x" * 9_000}) is None


@pytest.mark.parametrize("kind", ["", "A", "1a", "a b", "a-b", "a" * 65, "ä", "a\n", "_a"])
def test_a_kind_has_a_grammar(kind: str) -> None:
    assert event_problem(kind, {}) == EventRefused(EventProblem.BAD_KIND, kind[:64], 64)


@pytest.mark.parametrize(
    "numbers",
    [
        [None, 1, {}, "a", "", "/", "/a/b/c", "/list/9", "/list/-1", "/list/x", "/text", "/huge", "/a~2"],
        ["/list/" + "9" * 5_000, "/none/0", "/whole", "/infinite"],
    ],
)
def test_places_of_a_forged_event_change_nothing(numbers: list[Any]) -> None:
    data = {
        "a": {"b": 1},
        "list": ["x"],
        "text": "words",
        "huge": "9" * 5_000,
        "none": None,
        "whole": 3,
        "infinite": "inf",
    }
    assert decoded(data, numbers) == data


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("{", 2),
        ("[1]", 1),
        ("{a}", 3),
        ("{a: 1", 6),
        ("{a: 1,}", 7),
        ("{a:}", 4),
        ("x", 1),
        ("{a: 1} b", 8),
        ("{a: [1 2}", 9),
    ],
)
def test_the_first_sign_that_cannot_be_read(text: str, position: int) -> None:
    with pytest.raises(NotReadable) as caught:
        load_object(text)
    assert caught.value.position == position


def test_words_without_quotes() -> None:
    text = """{name: Ada Lovelace, on: true, none: null, list: [a b, 2, -3.5e2], "x y": {}, path: /a/b, q: 'it, is'}"""
    assert load_object(text) == {
        "name": "Ada Lovelace",
        "on": True,
        "none": None,
        "list": ["a b", 2, -350.0],
        "x y": {},
        "path": "/a/b",
        "q": "it, is",
    }
    assert load_object("  ") == {}


@pytest.mark.parametrize("text", ["{" * 20_000, "{a:" * 6_000, '"' * 20_000, '{"a":"' + "\\" * 20_000, "{a:'" * 5_000])
def test_hostile_text_is_refused_quickly(text: str) -> None:
    with pytest.raises(NotReadable):
        load_object(text)

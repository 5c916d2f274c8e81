"""JSON that is nested too deeply for Python keeps everything above the depth that can be read."""

from __future__ import annotations

import json

import pytest

from agent_bridge.upstream.transport.text import NestedTooDeeply, flattened, load_json

DEEP = "[" * 5_000 + "]" * 5_000


def test_a_document_is_read_without_its_depths() -> None:
    document = f'{{"command": "ls [\\"{{", "z": {DEEP}, "list": [1, {{"a": "]}}"}}], "last": "\\\\"}}'
    with pytest.raises(NestedTooDeeply):
        load_json(document)
    found = load_json(flattened(document, 2))
    assert found == {"command": 'ls ["{', "z": ["…"], "list": [1, "…"], "last": "\\"}


@pytest.mark.parametrize("document", ['"[["', "[[1], [2], {}]", '{"a": {"b": ["}"]}}', "", "]]"])
def test_what_is_not_nested_too_deeply_stays_as_it_is(document: str) -> None:
    assert flattened(document, 3) == document


def test_each_value_below_the_depth_becomes_an_ellipsis() -> None:
    assert json.loads(flattened('[[[1]], [{"a": []}, 2], 3]', 1)) == ["…", "…", 3]

"""Lists of agents in the formats of different servers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.config.model import UpstreamConfig
from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.upstream.base import AgentInfo
from agent_bridge.upstream.openai.model_list import Model, included_agents, parse_page

RAW = "agent-local-139eedd0-d394-4b49-9109-1f01d9e2ebf5"


def config(**keys: Any) -> UpstreamConfig:
    return UpstreamConfig(name="up", url="http://127.0.0.1:1/v1", **keys)


def read(value: Any, **keys: Any) -> list[tuple[str, str]]:
    agents = included_agents(parse_page("up", json.dumps(value).encode()).models, config(**keys))
    return [(agent.model, agent.name) for agent in agents]


@pytest.mark.parametrize(
    ("answer", "agents"),
    [
        pytest.param({"object": "list", "data": []}, [], id="none"),
        pytest.param({"object": "list", "data": None}, [], id="none, in Go"),
        pytest.param([], [], id="none, bare"),
        pytest.param({"object": "list", "data": [{"id": "a", "created": 0}]}, [("a", "a")], id="plain"),
        pytest.param([{"id": "a"}, {"id": "b"}], [("a", "a"), ("b", "b")], id="bare array"),
        pytest.param({"models": [{"name": "x"}], "data": [{"id": "a"}]}, [("a", "a")], id="models beside data"),
        pytest.param({"data": [{"id": "a", "name": "A", "display_name": "B"}]}, [("a", "A")], id="name"),
        pytest.param({"data": [{"id": "a", "display_name": "B"}]}, [("a", "B")], id="display_name"),
        pytest.param({"data": [{"id": "a", "name": " ", "display_name": "B"}]}, [("a", "B")], id="empty name"),
        pytest.param({"data": [{"id": "a", "name": 1, "display_name": None}]}, [("a", "a")], id="no text"),
        pytest.param({"data": [{"id": "a", "name": " A\n\tB "}]}, [("a", "A B")], id="name on several lines"),
        pytest.param({"data": [{"id": "a", "name": "\0"}]}, [("a", "a")], id="name of nothing storable"),
        pytest.param({"data": [{"id": "a", "name": "\ud800x"}]}, [("a", "\ufffdx")], id="half a character"),
        pytest.param({"data": [{"id": "a/b:c 🐈"}]}, [("a/b:c 🐈", "a/b:c 🐈")], id="any text is an id"),
        pytest.param({"data": [{"id": "a"}, {"id": "a", "name": "x"}]}, [("a", "a")], id="twice the same id"),
        pytest.param(
            {"data": [None, 1, "x", [], {}, {"id": ""}, {"id": 1}, {"id": "\0"}, {"id": "\ud800"}, {"id": "a"}]},
            [("a", "a")],
            id="entries without sense",
        ),
    ],
)
def test_shapes(answer: Any, agents: list[tuple[str, str]]) -> None:
    assert read(answer) == agents


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"", "text that is not JSON"),
        (b"\xff", "text that is not JSON"),
        (b'{"data": [', "text that is not JSON"),
        (b"[" * 100_000, "text that is not JSON"),
        (b" <!DOCTYPE html><html>", "a web page"),
        (b"{}", "JSON without a list of models"),
        (b"null", "JSON without a list of models"),
        (b'"x"', "JSON without a list of models"),
        (b'{"error": {"message": "no"}}', "JSON without a list of models"),
        (b'{"data": {"id": "a"}}', "JSON without a list of models"),
        (b'{"data": [{"name": "a"}]}', "a list in which no entry has an id"),
    ],
)
def test_a_body_that_is_not_a_list_of_models(body: bytes, content: str) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        parse_page("up", body)
    assert str(caught.value) == (
        f'up answered GET /models with {content} instead of {{"data": [{{"id": …}}]}}; '
        "is its url correct? It usually ends in /v1"
    )


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["id", "data", "name", "owned_by", "links", "next", "has_more", "object", "x"]), inner
        )
    ),
)


@given(JSON)
def test_any_json_is_a_list_or_nonsense(value: Any) -> None:
    try:
        page = parse_page("up", json.dumps(value).encode())
    except UpstreamProtocolError:
        return
    for agent in included_agents(page.models, config()):
        assert agent.name.encode().strip()


@pytest.mark.parametrize(
    ("include", "exclude", "agents"),
    [
        (["*"], [], ["id-1", "id-2", "ID-3"]),
        ([], [], []),
        (["id-*"], [], ["id-1", "id-2"]),
        (["Dora"], [], ["id-1"]),
        (["id-1", "Egon"], [], ["id-1", "id-2"]),
        (["id-[23]"], [], ["id-2"]),
        (["*"], ["id-?"], ["ID-3"]),
        (["*"], ["Dor*"], ["id-2", "ID-3"]),
        (["Dora"], ["*"], []),
    ],
)
def test_globs(include: list[str], exclude: list[str], agents: list[str]) -> None:
    data = [{"id": "id-1", "name": "Dora"}, {"id": "id-2", "name": "Egon"}, {"id": "ID-3", "name": "Frida"}]
    assert [agent for agent, _ in read(data, include=include, exclude=exclude)] == agents


@pytest.mark.parametrize(
    ("model_ids", "owner", "model", "id_is_name"),
    [
        ("auto", "letta", "Dora", True),
        ("auto", "letta", "agent-smith", True),
        ("auto", "letta", RAW, False),
        ("auto", "letta", RAW.replace("local-", ""), False),
        ("auto", "openai", "Dora", False),
        ("auto", "", "Dora", False),
        ("names", "openai", "Dora", True),
        ("names", "letta", RAW, False),
        ("stable", "letta", "Dora", False),
    ],
)
def test_which_ids_are_names(model_ids: str, owner: str, model: str, *, id_is_name: bool) -> None:
    agents = included_agents([Model(model, model, owner)], config(model_ids=model_ids))
    assert agents == (AgentInfo(model, model, id_is_name=id_is_name),)


def test_an_owner_that_is_no_text_is_none() -> None:
    assert parse_page("up", b'[{"id": "a", "owned_by": ["letta"]}]').models == (Model("a", "a", ""),)


@pytest.mark.parametrize(
    ("rest", "query"),
    [
        ({}, None),
        ({"has_more": False, "last_id": "b"}, None),
        ({"has_more": "yes", "last_id": "b"}, None),
        ({"has_more": True, "last_id": "b"}, {"after_id": "b"}),
        ({"has_more": True, "last_id": "b", "object": "list"}, {"after": "b"}),
        ({"has_more": True}, {"after_id": "a"}),
        ({"links": {"next": None}}, None),
        ({"links": {"next": ""}}, None),
        ({"links": []}, None),
        ({"links": {"next": "/api/v1/models?offset=2&limit=2"}}, {"offset": "2", "limit": "2"}),
        ({"links": {"next": "https://elsewhere.example/x?offset=2"}}, {"offset": "2"}),
        ({"links": {"next": "http://[broken?offset=2#top"}}, {"offset": "2"}),
    ],
)
def test_next_page(rest: dict[str, Any], query: dict[str, str] | None) -> None:
    assert parse_page("up", json.dumps({"data": [{"id": "a"}], **rest}).encode()).next == query


@pytest.mark.parametrize(
    ("entry", "image", "description"),
    [
        pytest.param({}, "", "", id="nothing"),
        pytest.param({"image_url": "https://x.org/a.png", "description": " An\nowl "}, "https://x.org/a.png", "An owl"),
        pytest.param({"avatar": "/a.png"}, "http://127.0.0.1:1/a.png", "", id="relative"),
        pytest.param({"icon": "star", "info": {"meta": {"profile_image_url": "/u.png", "description": "D"}}},
                     "http://127.0.0.1:1/u.png", "D", id="inside"),
        pytest.param({"image": "data:image/png;base64,AAAA"}, "", "", id="data"),
        pytest.param({"image": "file:///etc/passwd", "description": 7}, "", "", id="another scheme, no text"),
        pytest.param({"image": "http://" + "x" * 2000}, "", "", id="too long"),
        pytest.param({"image": "http://[", "description": ""}, "", "", id="no address"),
        pytest.param({"description": "x" * 301}, "", "x" * 299 + "…", id="long description"),
    ],
)  # fmt: skip
def test_pictures_and_descriptions(entry: dict[str, Any], image: str, description: str) -> None:
    page = parse_page("up", json.dumps([{"id": "a", **entry}]).encode())
    (agent,) = included_agents(page.models, config())
    assert (agent.image, agent.description) == (image, description)

"""Lists of agents in the formats of different servers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.i18n.english import ENGLISH
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
        pytest.param({"data": [{"id": "a"}, {"id": "x" * 6000}, {"id": "é" * 128}]}, [("a", "a")], id="too long"),
        pytest.param({"data": [{"id": "x" * 255}]}, [("x" * 255, f"{'x' * 199}…")], id="as long as possible"),
        pytest.param({"data": [{"id": "a", "name": "n" * 10**6}]}, [("a", f"{'n' * 199}…")], id="a long name"),
        pytest.param(
            {"data": [None, 1, "x", [], {}, {"id": ""}, {"id": 1}, {"id": "\0"}, {"id": "\ud800"}, {"id": "a"}]},
            [("a", "a")],
            id="entries without sense",
        ),
    ],
)
def test_shapes(answer: Any, agents: list[tuple[str, str]]) -> None:
    assert read(answer) == agents


@pytest.mark.parametrize("text", [b"x" * 1_100_000, b"\\ud83d\\ude00" * 100_000], ids=["plain", "escaped"])
def test_a_value_that_is_too_long_is_named(text: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="a value of more than a million characters"):
        parse_page("up", b'{"data": [{"id": "a", "image": "' + text + b'"}]}')


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b"", "text that is not JSON"),
        (b"\xff", "text that is not JSON"),
        (b'{"data": [', "text that is not JSON"),
        (b"[" * 100_000, "text that is not JSON"),
        (b'[{"id": "a", "x": wrong' + b" " * 1_100_000 + b"}]", "text that is not JSON"),
        (b" <!DOCTYPE html><html>", "a web page"),
        (b"{}", "JSON without a list of models"),
        (b"null", "JSON without a list of models"),
        (b'"x"', "JSON without a list of models"),
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


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"data": None, "error": {"message": "no"}}, "no"),
        ({"data": [], "error": "no"}, "no"),
        ({"data": [{"id": "a"}], "error": "no"}, "no"),
        ({"success": False, "message": "invalid token", "data": []}, "invalid token"),
        ({"object": "error", "message": "no"}, "no"),
        ({"detail": "Not authenticated"}, "Not authenticated"),
        ({"code": 500, "msg": "no"}, "no"),
        ({"error": {"message": "the key s3cret-key is wrong"}}, "the key [hidden] is wrong"),
    ],
)
def test_a_list_that_reports_a_failure(body: Any, words: str) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        parse_page("up", json.dumps(body).encode(), secrets=["s3cret-key"])
    assert caught.value.says(ENGLISH) == f"up reported an error instead of its list of agents: {words}"


@pytest.mark.parametrize(
    ("body", "agents"),
    [
        ({"models": [{"id": "a"}]}, ["a"]),
        ({"data": ["a", "b"]}, ["a", "b"]),
        (["a"], ["a"]),
        ({"data": {"data": [{"id": "a"}]}}, ["a"]),
        ({"data": [{"id": "a", "name": "\u200b"}]}, ["a"]),
        ({"data": [{"id": "\u200b"}]}, ["?"]),
        ({"data": [{"id": "a", "name": "\u202eevil"}]}, ["evil"]),
        ({"data": [{"id": "a", "name": "👩\u200d🚀"}]}, ["👩\u200d🚀"]),
        ({"error": None, "data": [{"id": "a"}], "success": True}, ["a"]),
    ],
)
def test_other_lists(body: Any, agents: list[str]) -> None:
    assert [name for _, name in read(body)] == agents


NO_CHAT: list[dict[str, Any]] = [
    {"id": "text-embedding-3-small"},
    {"id": "openai/text-embedding-3-small"},
    {"id": "Nomic-Embed-Text"},
    {"id": "whisper-1"},
    {"id": "Systran/faster-whisper-large-v3"},
    {"id": "tts-1"},
    {"id": "gpt-4o-mini-tts"},
    {"id": "dall-e-3"},
    {"id": "bge-reranker"},
    {"id": "omni-moderation-latest"},
    {"id": "a", "mode": "embedding"},
    {"id": "a", "mode": "image_generation"},
    {"id": "a", "mode": "audio_transcription"},
    {"id": "a", "model_info": {"mode": "rerank"}},
    {"id": "a", "type": "embeddings"},
    {"id": "a", "type": "image"},
    {"id": "a", "task": "feature-extraction"},
    {"id": "a", "capabilities": {"completion_chat": False}},
    {"id": "a", "supports_chat": False},
    {"id": "a", "architecture": {"output_modalities": ["image"]}},
]
CHAT: list[dict[str, Any]] = [
    {"id": "gpt-4o"},
    {"id": "a", "mode": "chat"},
    {"id": "a", "mode": "responses"},
    {"id": "a", "type": "model"},
    {"id": "a", "type": "vlm"},
    {"id": "a", "task": "text-generation"},
    {"id": "a", "task": "image-text-to-text"},
    {"id": "a", "capabilities": {"completion_chat": True}},
    {"id": "a", "capabilities": ["completion"]},
    {"id": "a", "architecture": {"output_modalities": ["image", "text"]}},
    {"id": "The embedded poet", "owned_by": "letta"},
    {"id": "a", "name": "Moderation"},
]


@pytest.mark.parametrize("entry", NO_CHAT)
def test_models_that_do_not_chat_are_no_agents(entry: dict[str, Any]) -> None:
    assert read([entry]) == []
    assert [model for model, _ in read([entry], include=[entry["id"][:3].upper() + "*"])] == [entry["id"]]


@pytest.mark.parametrize("entry", CHAT)
def test_models_that_chat_are_agents(entry: dict[str, Any]) -> None:
    assert [model for model, _ in read([entry])] == [entry["id"]]


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
        (["id-*"], [], ["id-1", "id-2", "ID-3"]),
        (["Dora"], [], ["id-1"]),
        (["id-1", "Egon"], [], ["id-1", "id-2"]),
        (["id-[23]"], [], ["id-2", "ID-3"]),
        (["DORA"], [], ["id-1"]),
        (["*"], ["id-?"], []),
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
    lasts = model_ids == "stable" or (model_ids == "auto" and owner != "letta")
    assert agents == (AgentInfo(model, model, id_is_name=id_is_name, id_lasts=lasts),)


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
        ({"nextPageToken": "t"}, {"pageToken": "t"}),
        ({"next_page_token": "t"}, {"page_token": "t"}),
        ({"next_page_token": ""}, None),
        ({"total": 2, "page": 1}, {"page": "2"}),
        ({"total": 2, "page": 2}, None),
        ({"total": 40, "page": 2, "page_size": 20}, None),
        ({"page": 2, "total_pages": 3}, {"page": "3"}),
        ({"total": 2}, None),
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

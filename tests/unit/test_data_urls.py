from __future__ import annotations

import base64
import tracemalloc
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.errors import FileProblem, FileRefused, TooLarge
from agent_bridge.files.data_urls import build, parse


@pytest.mark.parametrize(
    ("url", "content_type", "data"),
    [
        ("data:image/png;base64,iVBORw==", "image/png", b"\x89PNG"),
        ("DATA:IMAGE/PNG;BASE64,iVBORw", "image/png", b"\x89PNG"),
        ("data:image/png;base64,iVB\nORw ==", "image/png", b"\x89PNG"),
        ("data:image/png;base64,iVBORw%3D%3D", "image/png", b"\x89PNG"),
        ("data:text/plain;charset=utf-8;base64,YQ==", "text/plain", b"a"),
        ("data: image/png ; base64 ,YQ==", "image/png", b"a"),
        ("data:,a%20b", "text/plain", b"a b"),
        ("data:,", "text/plain", b""),
        ("data:;base64,", "text/plain", b""),
        ("data:text/html,<p>a,b</p>", "text/html", b"<p>a,b</p>"),
        ("data:text/plain;charset=x,ü".encode().decode(), "text/plain", "ü".encode()),
        ("data:base64,YQ==", "text/plain", b"YQ=="),
        ("data:image/svg+xml,%3Csvg/%3E", "image/svg+xml", b"<svg/>"),
        ("data:no type\r\nX: y,a", "text/plain", b"a"),
    ],
)
def test_urls(url: str, content_type: str, data: bytes) -> None:
    assert parse(url, limit=100) == (content_type, data)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "data",
        "data:",
        "data:image/png;base64",
        "http://example.org/,",
        "xdata:,a",
        " data:,a",
        "data:;base64,a",
        "data:;base64,YQ==YQ==",
        "data:;base64,_-_-",
        "data:;base64,ü",
        "data:;base64,%ff",
        "data:,\ud800",
        f"data:{'x' * 2000},a",
    ],
)
def test_what_is_no_data_url(url: str) -> None:
    with pytest.raises(FileRefused) as caught:
        parse(url, limit=100)
    assert caught.value.problem is FileProblem.UNREADABLE


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100])
def test_the_bound_is_exact(size: int) -> None:
    data = bytes(size)
    for url in (build("image/png", data), "data:image/png," + "%00" * size):
        assert parse(url, limit=size) == ("image/png", data)
        if size:
            with pytest.raises(TooLarge) as caught:
                parse(url, limit=size - 1)
            assert caught.value.limit == size - 1


def test_what_is_far_too_large_is_not_decoded() -> None:
    with pytest.raises(TooLarge):
        parse("data:;base64," + "!" * 10_000, limit=10)


@given(st.binary(max_size=300))
def test_what_is_built_is_parsed(data: bytes) -> None:
    assert parse(build("application/x-y", data), limit=300) == ("application/x-y", data)
    assert parse(f"data:,{quote_from_bytes(data)}", limit=300) == ("text/plain", data)
    twice = quote_from_bytes(base64.b64encode(data), safe="")
    assert parse(f"data:;base64,{twice}", limit=300) == ("text/plain", data)


@given(st.text(), st.sampled_from(["", "data:", "data:;base64,", "data:a/b;base64,"]))
def test_whatever_comes(text: str, head: str) -> None:
    try:
        content_type, data = parse(head + text, limit=20)
    except FileRefused:
        return
    assert "/" in content_type
    assert len(data) <= 20


@pytest.mark.parametrize("is_base64", [True, False])
@pytest.mark.parametrize("shift", range(4))
def test_long_urls_are_decoded_in_pieces(shift: int, *, is_base64: bool) -> None:
    data = b"abcde\n" * 20_000
    written = base64.b64encode(data) if is_base64 else data
    escaped = written[:shift].decode() + "".join(f"%{byte:02x}" for byte in written[shift:])
    assert parse(f"data:text/plain{';base64' * is_base64},{escaped}", limit=len(data)) == ("text/plain", data)


def test_a_url_of_escapes_takes_little_memory() -> None:
    url = "data:," + "%41" * 200_000
    tracemalloc.start()
    parse(url, limit=200_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * len(url)

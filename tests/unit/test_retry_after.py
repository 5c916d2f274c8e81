"""The wait for a homeserver that limits the rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.matrix.session import retry_after


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        pytest.param("3", b"", 3.0, id="header"),
        pytest.param("0.5", b"", 0.5, id="part of a second"),
        pytest.param("3", b'{"retry_after_ms": 9000}', 3.0, id="the header counts"),
        pytest.param(None, b'{"retry_after_ms": 2500}', 2.5, id="body"),
        pytest.param(None, b'{"retry_after_ms": 2500.5}', 2.5005, id="body with a fraction"),
        pytest.param(None, b'{"retry_after_ms": "2500"}', 2.5, id="body as text"),
        pytest.param("Wed, 21 Oct 2026 07:28:00 GMT", b'{"retry_after_ms": 2500}', 2.5, id="a date is passed over"),
        pytest.param("soon", b"", 1.0, id="neither"),
        pytest.param(None, b"", 1.0, id="nothing"),
        pytest.param(None, b"<html>", 1.0, id="not JSON"),
        pytest.param(None, b"[]", 1.0, id="no object"),
        pytest.param(None, b"null", 1.0, id="null"),
        pytest.param(None, b'{"retry_after_ms": null}', 1.0, id="null inside"),
        pytest.param(None, b'{"retry_after_ms": []}', 1.0, id="a list"),
        pytest.param(None, b'{"errcode": "M_LIMIT_EXCEEDED"}', 1.0, id="says none"),
        pytest.param("0", b"", 0.1, id="at once"),
        pytest.param("-5", b"", 0.1, id="in the past"),
        pytest.param(None, b'{"retry_after_ms": 0}', 0.1, id="at once, in the body"),
        pytest.param("nan", b"", 1.0, id="not a number"),
        pytest.param("inf", b"", float("inf"), id="never"),
        pytest.param(None, b'{"retry_after_ms": 1' + b"0" * 400 + b"}", 1.0, id="beyond numbers"),
        pytest.param(None, b"[" * 100_000, 1.0, id="beyond depth"),
        pytest.param(None, b"\xff\xfe", 1.0, id="no text"),
    ],
)
def test_seconds(header: str | None, body: bytes, seconds: float) -> None:
    headers = {} if header is None else {"Retry-After": header}
    assert retry_after(headers, body) == pytest.approx(seconds)


@given(st.none() | st.text(max_size=10), st.binary(max_size=40))
def test_there_is_always_a_wait(header: str | None, body: bytes) -> None:
    assert retry_after({} if header is None else {"Retry-After": header}, body) > 0

"""Limits of tokens, and addresses of programs behind proxies."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from agent_bridge.api.limits import Buckets, Places
from agent_bridge.api.proxies import address_of
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.programs import derived_token, random_token, token_hash

TRUSTED = [ip_network("127.0.0.0/8"), ip_network("fd00::/8")]


class Clock:
    """A clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_up_within_a_minute() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    for _ in range(60):
        buckets.take("a")
    with pytest.raises(ProgramRefused) as refused:
        buckets.take("a")
    assert refused.value.problem is Problem.TOO_MANY_REQUESTS
    assert refused.value.retry_after == 1
    buckets.take("b")
    clock.now = 1
    buckets.take("a")
    with pytest.raises(ProgramRefused):
        buckets.take("a")
    clock.now = 1000
    for _ in range(60):
        buckets.take("a")
    with pytest.raises(ProgramRefused):
        buckets.take("a")


def test_many_callers_do_not_fill_the_memory() -> None:
    buckets = Buckets(1, Clock())
    for number in range(10_100):
        buckets.take(str(number))
    assert len(buckets._left) == 10_000


def test_requests_at_a_time() -> None:
    places = Places(1)
    with places.taken(7, waits := lambda: True):
        with places.taken(8, waits):
            pass
        with pytest.raises(ProgramRefused), places.taken(7, lambda: True):
            pass
    with places.taken(7, waits):
        pass
    assert not places._taken


def test_a_caller_that_has_gone_takes_no_place() -> None:
    places, callers = Places(2), {"gone", "here"}
    with places.taken(7, lambda: "gone" in callers), places.taken(7, lambda: "here" in callers):
        callers.remove("gone")
        with places.taken(7, lambda: True), pytest.raises(ProgramRefused), places.taken(7, lambda: True):
            pass
        with places.taken(7, lambda: True):
            pass
    assert not places._taken


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("203.0.113.1", [], "203.0.113.1"),
        # A stranger writes any header.
        ("203.0.113.1", ["198.51.100.9"], "203.0.113.1"),
        ("127.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        # What is left of the first untrusted address may be forged.
        ("127.0.0.1", ["10.9.9.9, 198.51.100.9"], "198.51.100.9"),
        ("127.0.0.1", ["10.9.9.9, 198.51.100.9, 127.0.0.2"], "198.51.100.9"),
        ("127.0.0.1", ["10.9.9.9", "198.51.100.9, 127.0.0.2"], "198.51.100.9"),
        ("127.0.0.1", ["127.0.0.3, 127.0.0.2"], "127.0.0.3"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("fd00::1", ["[2001:db8::1]"], "2001:db8::1"),
        ("::ffff:127.0.0.1", ["::ffff:198.51.100.9"], "198.51.100.9"),
    ],
)
def test_the_address_of_a_program(remote: str, forwarded: list[str], expected: str) -> None:
    headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    assert address_of(request, TRUSTED) == expected


def test_tokens() -> None:
    tokens = {random_token() for _ in range(50)}
    assert len(tokens) == 50
    assert {len(each) for each in tokens} == {46}
    assert derived_token("key", "nonce") == derived_token("key", "nonce")
    assert derived_token("key", "nonce") != derived_token("other", "nonce")
    assert derived_token("key", "nonce").startswith("ab_")
    assert len(token_hash("x")) == 64

"""``doctor`` tells that answers cannot be read aloud without the extra."""

from __future__ import annotations

import sys
from pathlib import Path

import aiohttp
import pytest

from agent_bridge.cli.doctor import Doctor
from agent_bridge.config.example import example
from agent_bridge.config.upstreams import UpstreamConfig
from support.scripted_upstream import ScriptedUpstream


@pytest.mark.parametrize("is_installed", [True, False])
async def test_a_missing_extra_is_found(monkeypatch: pytest.MonkeyPatch, *, is_installed: bool) -> None:
    monkeypatch.setattr(sys.modules[Doctor.__module__], "find_spec", lambda _: object() if is_installed else None)
    async with ScriptedUpstream("ada") as upstream, aiohttp.ClientSession() as session:
        config = UpstreamConfig(name="u", url=upstream.url, speech_model="tts-1")
        checks = Doctor(example(), Path("config.yaml"), Path("registration.yaml"))
        found = [each async for each in checks._upstream(config, session)]
    assert [each.remedy for each in found if not each.ok] == ([] if is_installed else ["pip install '.[voice]'"])
    assert "speak" in str(found[-1])

"""Texts of growing answers between processes: PostgreSQL carries them, only while a program reads."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from agent_bridge.bridge.feed.growth import AnswerGrowth
from agent_bridge.store.answer_growth import GrowthSender
from agent_bridge.store.postgres.signals import Signals

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database


class _Wire(GrowthSender):
    """Delivers to all processes, as PostgreSQL does."""

    def __init__(self, database: Database, *processes: Signals) -> None:
        super().__init__(database)
        self.processes = processes
        self.payloads: list[str] = []

    async def send(self, payload: str) -> None:
        """Send *payload*, also through the database."""
        await super().send(payload)
        self.payloads.append(payload)
        for each in self.processes:
            for call in each.on_growth:
                call(payload)


async def test_a_late_reader_gets_the_text_so_far_and_a_withdrawn_one_anew(database: Database) -> None:
    worker, reader = Signals(), Signals()
    wire = _Wire(database, worker, reader)
    writing, reading = AnswerGrowth(wire, worker), AnswerGrowth(wire, reader)
    text = "🌍 so far " * 500
    with writing.writing(7, lambda: text):
        writing.grew(7)
        assert wire.payloads == [], "nobody reads it"
        with reading.reading(7) as growing:
            while growing.text != text:
                await asyncio.wait_for(growing.next(), 20)
            assert max(len(each.encode()) for each in wire.payloads) < 7_900
            before, text = text, "anew"
            writing.grew(7)
            while growing.text != text:
                await asyncio.wait_for(growing.next(), 20)
            assert before != text
            for call in reader.on_growth:
                call(json.dumps({"turn": 7, "at": 99, "text": "behind a gap"}))
            assert growing.text == "anew"
    assert not any("want" not in each and "anew" not in each and "so far" not in each for each in wire.payloads)

"""The entry of a request: its key, its payer, and the estimate where the upstream reported nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from agent_bridge.bridge.metering.prices import Prices
from agent_bridge.bridge.metering.recorder import UsageRecorder
from agent_bridge.core.chains import ChainPosition
from agent_bridge.core.live import Live
from agent_bridge.core.money import Price, PriceList, PriceRule
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.usage import Usage
from agent_bridge.upstream.answer import AnswerRequest
from agent_bridge.upstream.base import Traits
from support.records import NAMES, agent, turn

ALICE = "@alice:example.org"
PRICES = PriceList("USD", (PriceRule("Frida", "up", Price(Decimal(1), Decimal(2))),))
#: 4 and 8 bytes, and one more token for each message.
SAID = (ChatMessage("user", "abcd"), ChatMessage("assistant", "12345678"), ChatMessage("user", "wxyz"))
REQUEST = AnswerRequest("Frida", SAID, session="s", idempotency_key="k.0.hash", system_prompt="Be kind!")
STATELESS = Traits(stateful=False, idempotent=False, images=False)
STATEFUL = Traits(stateful=True, idempotent=True, images=False)


def recorder() -> UsageRecorder:
    # These entries are not written.
    nowhere: Any = None
    prices = Prices(Live(PRICES), None, {})
    return UsageRecorder(nowhere, prices, Roles.fixed({ALICE: Role.ADMIN, "*": Role.MEMBER}, NAMES))


def test_a_report_is_taken_as_it_is() -> None:
    entry = recorder().of_answer(turn(attempts=3), agent(), REQUEST, Usage(1000, 10), "shown", STATELESS)
    assert (entry.usage, entry.is_estimated) == (Usage(1000, 10), False)
    assert (entry.cost, entry.price) == (Decimal("0.00102"), "input 1, output 2")
    assert (entry.user, entry.role, entry.turn, entry.model) == (ALICE, "admin", 1, "Frida")


@pytest.mark.parametrize(
    ("traits", "key"), [(STATELESS, "k.0.hash#3"), (replace(STATELESS, idempotent=True), "k.0.hash")]
)
def test_a_repeat_is_the_same_request_where_it_is_harmless(traits: Traits, key: str) -> None:
    assert recorder().of_answer(turn(attempts=3), agent(), REQUEST, None, "", traits).key == key


def test_an_estimate_counts_what_the_server_gets() -> None:
    def estimate(shown: str, traits: Traits) -> Usage:
        entry = recorder().of_answer(turn(), agent(), REQUEST, None, shown, traits)
        assert entry.is_estimated
        return entry.usage

    assert estimate("", STATELESS) == Usage(3 + 2 + 3 + 2, 0)
    # A server that keeps the conversation gets the last message, and no system prompt.
    assert estimate("", STATEFUL) == Usage(2, 0)
    assert estimate("a", STATEFUL).output_tokens == 1
    assert estimate("\N{GRINNING FACE}" * 3, STATEFUL).output_tokens == 3


def test_the_person_that_began_a_chain_pays() -> None:
    asked = turn(sender="@agent_gala:example.org", chain=ChainPosition("$root", "@bob:example.org", 1, "Gala"))
    entry = recorder().of_answer(asked, agent(), REQUEST, None, "", STATELESS)
    assert (entry.user, entry.role) == ("@bob:example.org", "member")


def test_an_unknown_price_costs_nothing() -> None:
    entry = recorder().of_answer(turn(), agent(1, "Gala"), replace(REQUEST, model="Gala"), None, "", STATELESS)
    assert (entry.cost, entry.price) == (None, None)

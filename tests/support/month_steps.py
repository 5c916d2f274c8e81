"""Steps that several days of the month of an operator have."""

from __future__ import annotations

import asyncio

import aiohttp

from support.month import TOKEN, Month
from support.month_people import words_of
from support.scripted_upstream import waits_for
from support.trigger_requests import Secret, secret_in


async def is_doubted(month: Month) -> bool:
    """Tell whether the bridge waits for the operator's word about agents that disappeared."""
    return "2 disappeared at once" in await month.op.tell("plan")


async def half_answered(month: Month, half: str, rest: str) -> asyncio.Event:
    """Have Ann ask Ada *half* and *rest*, and wait until she sees half of the answer; the rest waits for the result."""
    gate, beginning = asyncio.Event(), f"Echo: {half}"
    month.upstream.scripts.append(waits_for(gate, beginning, rest))
    await month.ann.say("Ada", half + rest)
    key = (await month.room("Ada"), await month.ghost("Ada"))
    # A word is shown when it has ended.
    shown = beginning.rpartition(" ")[0]
    await month.ann.person.wait_for(lambda: words_of(month.ann.said(*key))[-1].startswith(shown))
    return gate


async def synced(month: Month) -> None:
    """Have the bridge read the list of the server by its webhook."""
    url = f"{month.config.appservice.url}/v1/upstreams/{month.upstream.name}/sync"
    async with aiohttp.request("POST", url, headers={"Authorization": f"Bearer {TOKEN}"}) as response:
        assert response.status == 200


async def lists(month: Month, *names: str) -> bool:
    """Tell whether the Space lists the agents with *names*, in this order."""
    return await month.listed() == [*names]


async def trigger(month: Month, words: str) -> Secret:
    """Have the operator make a trigger of Ada; return its secret."""
    before = len(month.op.said(month.op.desk))
    await month.op.tell(f"trigger new @Ada {words}", until="Trigger")
    found = [secret_in(each.body) for each in month.op.said(month.op.desk)[before:]]
    (secret,) = [each for each in found if each is not None]
    return secret.at(month.config.appservice.url)

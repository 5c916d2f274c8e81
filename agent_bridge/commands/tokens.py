"""Commands about tokens, by which programs act in the name of a person or an agent."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.bridge.programs.token_maker import TokenWish, chosen_token, token_entry
from agent_bridge.commands.argument_kinds import PageNumber, TokenWords
from agent_bridge.commands.arguments import words_of
from agent_bridge.commands.effects import once, then
from agent_bridge.commands.pages import number_of_pages
from agent_bridge.commands.private_chats import private_chat, told_since
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.core.actors import Actor
from agent_bridge.core.names import one_line
from agent_bridge.core.permissions import Permission, lowest_role
from agent_bridge.core.results.commands import Group, NotPermitted
from agent_bridge.core.results.tokens import TokenList, TokenMade, TokenNotMade, TokenProblem, TokenRevoked

if TYPE_CHECKING:
    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection

_PAGE = 20
_FIRST = PageNumber(1)
_OPTIONS = ("as", "rooms", "can", "expires")


class TokenAction(StrEnum):
    """What is done to a token."""

    NEW = "new"
    REVOKE = "revoke"


@command("token", group=Group.BRIDGE, permission=Permission.JOIN, example="new laptop --can read,send")
async def token(
    ctx: CommandContext, action: TokenAction, token: TokenWords | None = None
) -> TokenMade | TokenRevoked | TokenNotMade:
    """Make a token for the caller or, by an admin, for an agent; or revoke one.

    The caller is told the token in the chat with the bot. A caller revokes the own tokens, an admin all of them.
    Running twice makes one token, and tells it once.
    """
    if action is TokenAction.REVOKE:
        return await _revoke(ctx, one_line(" ".join(words_of(token or ""))))
    wish = wish_of(token or "")
    if isinstance(wish, TokenNotMade):
        return wish
    return await _make(ctx, wish)


@command("tokens", group=Group.BRIDGE, permission=Permission.JOIN, example="all")
async def tokens(ctx: CommandContext, page: PageNumber = _FIRST, *, all_: bool = False) -> TokenList | NotPermitted:
    """List the tokens of the caller, or all, without their secrets. Only reads."""
    if all_ and not ctx.can(Permission.OPERATE):
        return NotPermitted("tokens", lowest_role(Permission.OPERATE))
    found = await ctx.services.tokens.owned(None if all_ else Actor(ctx.sender))
    pages = number_of_pages(page, len(found), _PAGE)
    shown = found[(page - 1) * _PAGE : page * _PAGE]
    return TokenList(tuple(token_entry(each) for each in shown), page, pages, is_of_all=all_)


def wish_of(text: str) -> TokenWish | TokenNotMade:
    """Return the token that the words *text* describe: a name, then options as on the command line."""
    values: dict[str, list[str]] = {"": []}
    option = ""
    for word in words_of(text):
        # Clients replace two hyphens by a dash.
        bare = word.removeprefix("--").removeprefix("—").removeprefix("–")  # noqa: RUF001
        if bare == word:
            values[option].append(word)
            continue
        option = bare.lower()
        if option not in _OPTIONS:
            return TokenNotMade(TokenProblem.UNKNOWN_OPTION, word)
        values.setdefault(option, [])
    listed = {name: tuple(_listed(values.get(name, ()))) for name in ("rooms", "can")}
    return TokenWish(
        name=" ".join(values[""]),
        identity=" ".join(values.get("as", ())),
        rooms=listed["rooms"] if "rooms" in values else None,
        capabilities=listed["can"],
        expires=" ".join(values.get("expires", ())),
    )


def _listed(words: list[str] | tuple[str, ...]) -> list[str]:
    return [part for word in words for part in word.split(",") if part]


async def _make(ctx: CommandContext, wish: TokenWish) -> TokenMade | TokenNotMade:
    services = ctx.services
    plan = await services.token_maker.plan(wish, ctx.sender, for_agents=ctx.can(Permission.OPERATE))
    if isinstance(plan, TokenNotMade):
        return plan
    chat = await private_chat(ctx, services.token_secrets)

    async def act(connection: Connection) -> Effect:
        if chat is None:
            return _refusal(TokenNotMade(TokenProblem.NO_PRIVATE_CHAT))
        nonce = secrets.token_urlsafe(32)
        hashed = services.token_secrets.hash_of(nonce)
        number = await services.token_maker.add(connection, plan, ctx.sender, hashed=hashed, nonce=nonce)
        if isinstance(number, TokenNotMade):
            return _refusal(number)
        return {"token": number, "name": plan.name, "identity": plan.label, "chat": chat}

    effect = await once(ctx, act)
    if "refused" in effect:
        return TokenNotMade(TokenProblem(effect["refused"]), effect["named"], effect["most"])
    number, name = effect["token"], effect["name"]
    made = TokenMade(number, name, effect["identity"])
    nonce = await services.tokens.nonce(number)
    if nonce is None:
        return made
    if await _tell(ctx, effect["chat"], name, nonce):
        await services.tokens.told(number)
        return made

    async def revoke(connection: Connection) -> Effect:
        await services.tokens.revoke(connection, number)
        return _refusal(TokenNotMade(TokenProblem.NO_PRIVATE_CHAT))

    await then(ctx, "refused", revoke)
    return TokenNotMade(TokenProblem.NO_PRIVATE_CHAT)


def _refusal(problem: TokenNotMade) -> Effect:
    return {"refused": problem.problem, "named": problem.name, "most": problem.most}


async def _tell(ctx: CommandContext, chat: str, name: str, nonce: str) -> bool:
    """Tell the caller the token in *chat*; False: others are there now."""
    return await ctx.services.token_secrets.tell(
        ctx.sender, chat, ctx.key, name, nonce, again=ctx.was_interrupted, since=told_since(ctx, chat)
    )


async def _revoke(ctx: CommandContext, named: str) -> TokenRevoked | TokenNotMade:
    store = ctx.services.tokens
    if not named:
        return TokenNotMade(TokenProblem.WHICH_TOKEN)

    async def act(connection: Connection) -> Effect:
        is_number = named.lstrip("#").isdecimal()
        owned = await store.owned(None if is_number and ctx.can(Permission.OPERATE) else Actor(ctx.sender))
        wanted = chosen_token(owned, named)
        if wanted is None:
            return {}
        await store.revoke(connection, wanted.id)
        return {"token": wanted.id, "name": wanted.name}

    effect = await once(ctx, act)
    return TokenRevoked(effect["token"], effect["name"]) if effect else TokenNotMade(TokenProblem.UNKNOWN, named)

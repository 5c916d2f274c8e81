"""Runs the work of a process until a signal stops it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, TypeVar

from agent_bridge.hangups import has_terminal, kept_hangups

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from agent_bridge.config.model import Config
    from agent_bridge.config.source import ConfigSource

Result = TypeVar("Result")

#: Signals that stop the bridge.
_STOPS = (signal.SIGINT, signal.SIGTERM)


def serve_bridge(file: Path, *, only_works: bool = False) -> None:
    """Run the bridge with the configuration in *file*, or a worker only, until a signal stops it.

    Raises:
        ConfigError: the file has faults.
        StoreError, CannotListen: the bridge does not start.
    """
    from agent_bridge import log
    from agent_bridge.config.source import ConfigSource

    # Little that the start makes is garbage: `_bridge` begins the collections.
    gc.disable()
    source, hangups = ConfigSource(file), asyncio.Event()
    config = source.read()
    log.configure(config.logging.level, config.logging.format)
    serve(_bridge(config, source, hangups, only_works=only_works), config.lanes.stop_timeout, hangups)


async def _bridge(config: Config, source: ConfigSource, hangups: asyncio.Event, *, only_works: bool) -> None:
    from agent_bridge.app import build

    async with build(config, source=source, hangups=hangups) as bridge:
        # Modules and services stay until the end. A collection that looked at them would hold the event loop for 0.1 s.
        gc.freeze()
        gc.enable()
        bridge.process_stats.listen()
        await (bridge.work_only() if only_works else bridge.run())


def serve(work: Coroutine[Any, Any, None], stop_timeout: float, hangups: asyncio.Event | None = None) -> None:
    """Await *work* as :func:`until_stopped` does, in an event loop for many connections.

    SIGHUP sets *hangups*, unless the process has a terminal, which sends it when it is closed: then it stops the work.

    A stop that takes longer than *stop_timeout* seconds ends the process with code 1, also if the event loop hangs.
    """
    import uvloop

    from agent_bridge.cli.process import set_limits

    set_limits()
    uvloop.run(until_stopped(work, stop_timeout, None if has_terminal() else hangups))


async def until_stopped(
    work: Coroutine[Any, Any, Result], stop_timeout: float | None = None, hangups: asyncio.Event | None = None
) -> Result | None:
    """Await *work*; SIGINT, SIGTERM or SIGHUP cancels it, a second one ends the process at once.

    With *hangups*, SIGHUP sets it, and cancels nothing.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    stops = _STOPS if hangups is not None else (*_STOPS, signal.SIGHUP)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        for number in stops:
            loop.remove_signal_handler(number)
        if stop_timeout is not None:
            limit = threading.Timer(stop_timeout, _end_now, (stop_timeout,))
            limit.daemon = True
            limit.start()
        task.cancel()

    calls: dict[int, Callable[[], None]] = dict.fromkeys(stops, stop)
    if hangups is not None:
        calls[signal.SIGHUP] = hangups.set
    for number, call in calls.items():
        # nohup ignores SIGHUP for the programs that it starts; a script ignores SIGINT for those in the background.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, call)
    if hangups is not None and kept_hangups():
        hangups.set()
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None


def _end_now(seconds: float) -> None:
    logging.getLogger(__name__).error("the stop took longer than %g s (lanes.drain_timeout): the process ends", seconds)
    logging.shutdown()
    os._exit(1)

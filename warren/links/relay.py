"""Hands connections from one cluster's network on to another's, byte by byte.

TLS goes through it: who is at the other end is settled between the two brokers, and nothing is read here. It
is the only thing that stands on both networks, and only the ports that it was told go through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence

from warren.links.addresses import Route

#: A host that is away may not answer at all; the broker on the other side waits for ten seconds.
_CONNECT_S = 5.0
_PIECE_BYTES = 64 * 1024


async def serve(
    routes: Sequence[Route], say: Callable[[str], None], *, host: str, stop: asyncio.Event
) -> None:
    """Listen on ``host`` at the port of each of ``routes`` and hand on, until ``stop`` is set."""
    talking: set[asyncio.Task[None]] = set()

    def hand_on(route: Route) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(_through(route, reader, writer, say))
            talking.add(task)
            task.add_done_callback(talking.discard)

        return accepted

    servers = [await asyncio.start_server(hand_on(each), host, each.port) for each in routes]
    say(f"relay: {', '.join(map(str, routes))}")
    await stop.wait()
    for server in servers:
        server.close()
    for task in list(talking):
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)


async def _through(
    route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, say: Callable[[str], None]
) -> None:
    """One connection, from its opening to the end of both directions."""
    try:
        opening = asyncio.open_connection(route.host, route.far_port)
        far_reader, far_writer = await asyncio.wait_for(opening, _CONNECT_S)
    except (OSError, TimeoutError) as error:
        say(f"relay: {route}: {error or 'no answer'}")
        writer.close()
        return
    say(f"relay: {route}: open")
    pumps = [
        asyncio.ensure_future(_pump(reader, far_writer)),
        asyncio.ensure_future(_pump(far_reader, writer)),
    ]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for pump in pumps:
            pump.cancel()
        writer.close()
        far_writer.close()
        for ended in await asyncio.gather(*pumps, return_exceptions=True):
            if isinstance(ended, OSError):
                say(f"relay: {route}: {ended}")
        say(f"relay: {route}: closed")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until ``reader`` ends, which is passed on: the other direction may still have something to say."""
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def until_terminated(routes: Sequence[Route], say: Callable[[str], None]) -> None:
    """`serve` on every address of its container, until the process is asked to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(routes, say, host="0.0.0.0", stop=stop)  # noqa: S104 - inside its container, unpublished

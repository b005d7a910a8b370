"""A TCP proxy in front of a broker: cuts connections and slows links. It lives in a thread of its own.

The broker advertises the proxy's port, so that every client, and the broker itself, comes through here.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

CHUNK = 65_536


class Proxy(threading.Thread):
    """Passes bytes between a port of ours and the broker's; `start`, then `port` is known."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.target = 0
        self.delay_seconds = 0.0
        self._loop = asyncio.new_event_loop()
        self._links: set[asyncio.StreamWriter] = set()
        self._up = threading.Event()
        self._over = asyncio.Event()

    def run(self) -> None:
        """Serve until closed."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def until_up(self) -> None:
        """Start, and wait until connections are taken."""
        self.start()
        assert self._up.wait(10)

    def reset(self) -> None:
        """Cut every connection without a farewell."""
        self._call(self._abort_all)

    def close(self) -> None:
        """End the proxy and its thread."""
        self._call(self._over.set)
        self.join(10)

    def _call(self, action: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(action)

    def _abort_all(self) -> None:
        for link in self._links:
            link.transport.abort()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._link, "127.0.0.1", self.port)
        self._up.set()
        await self._over.wait()
        server.close()
        self._abort_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._links |= both
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            self._links -= both
            for one in both:
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

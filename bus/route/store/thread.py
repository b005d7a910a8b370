"""Work on a store beside the event loop. One task uses a store, and so does one thread at a time."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(work: Callable[..., Result], *words: object) -> Result:
    """What the work returns. Who is cancelled meanwhile goes on to be so only when the work is done.

    Closing a store at which another thread still writes ends the whole process, and every lane in it.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work, *words))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        raise

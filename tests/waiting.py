"""How long a test waits for what should take milliseconds: as long as a machine that is busy elsewhere may need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S = 60.0


async def until(happens: Callable[[], bool]) -> None:
    """Look again every few milliseconds until it has happened."""
    async with asyncio.timeout(PATIENCE_S):
        while not happens():  # noqa: ASYNC110 - what is waited for says it in no other way
            await asyncio.sleep(0.01)

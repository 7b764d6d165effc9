"""What the store remembers of runs: prices with their dates, and nothing overwritten."""

from __future__ import annotations

from builders import NOON, collected_run, observation
from sqlalchemy.ext.asyncio import AsyncSession

from service import store


async def test_a_price_seen_once_is_current(session: AsyncSession) -> None:
    await store.save_run(session, collected_run([observation("h100.8x", "19.92", gpu_count=8)]))

    (price,) = await store.current_prices(session, NOON)
    assert (price.instance_type, str(price.price_per_hour), price.gpu_count) == ("h100.8x", "19.92", 8)


async def test_fresh(fresh_database) -> None:
    async with fresh_database.sessions.begin() as session:
        await store.save_run(session, collected_run([observation("h100.8x", "19.92", gpu_count=8)]))

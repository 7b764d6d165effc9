"""The workloads that users have added to the presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.store.tables import SavedWorkload


class WorkloadExists(Exception):
    """There is a workload of this slug already; it is not replaced."""


async def saved_workloads(session: AsyncSession) -> Sequence[SavedWorkload]:
    return (await session.scalars(select(SavedWorkload).order_by(SavedWorkload.slug))).all()


async def saved_workload(session: AsyncSession, slug: str) -> SavedWorkload | None:
    return await session.get(SavedWorkload, slug)


async def add_workload(session: AsyncSession, slug: str, body: Mapping[str, Any]) -> SavedWorkload:
    """Keep a workload under a new slug. Raises WorkloadExists."""
    added = insert(SavedWorkload).values(slug=slug, body=dict(body)).on_conflict_do_nothing().returning(SavedWorkload)
    workload: SavedWorkload | None = await session.scalar(added)
    if workload is None:
        raise WorkloadExists(f"there is a workload {slug} already")
    return workload

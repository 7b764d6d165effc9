"""The desk put together: for the server, and for a command that makes one report."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from service.catalogue import Catalogue
from service.database import Database
from service.market import Markets, RememberingEstimator
from service.presentation.answers import PriceSource
from service.reports.addresses import make_sender
from service.reports.courier import Courier
from service.reports.desk import Desk
from service.reports.mail import Mailer
from service.reports.maker import Maker
from service.reports.sealing import sealer
from service.reports.senders import Senders
from service.settings import Settings

FOLDER: Final = "reports"  # in the data directory: where destinations of the kind file write


@asynccontextmanager
async def open_desk(
    settings: Settings,
    *,
    database: Database,
    catalogue: Catalogue,
    markets: Markets,
    estimator: RememberingEstimator,
    sources: Mapping[str, PriceSource],
    clock: Callable[[], datetime],
    trusted: ssl.SSLContext | None = None,  # for mail; None: what the system trusts
) -> AsyncIterator[Desk]:
    """Raises InvalidSetting where the key of its secrets cannot be kept."""
    maker = Maker(
        database=database,
        catalogue=catalogue,
        markets=markets,
        estimator=estimator,
        sources=sources,
        clock=clock,
        public_url=settings.public_url,
    )
    async with make_sender(may_be_private=settings.private_destinations, overrides=settings.origin_overrides) as client:
        senders = Senders(
            client=client,
            mailer=Mailer.of(settings, trusted),
            folder=settings.data_dir / FOLDER,
            may_be_private=settings.private_destinations,
            clock=clock,
        )
        sealing = sealer(settings)
        courier = Courier(
            database=database, senders=senders, sealer=sealing, clock=clock, public_url=settings.public_url
        )
        yield Desk(maker=maker, courier=courier, sealer=sealing, keeps=timedelta(days=settings.keep_reports_days))

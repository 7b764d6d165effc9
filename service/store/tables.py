"""The tables, with every rule that the database itself can hold."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    CheckConstraint,
    Computed,
    Date,
    Float,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Outcome = Literal["ok", "set_aside", "failed"]

ID = Identity(always=True)
RESERVABLE_ID = Identity()  # a run's address is told before the run is over


class Table(DeclarativeBase):
    """The base of all tables; constraints have names, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(constraint_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        Decimal: Numeric(),
        datetime: TIMESTAMP(timezone=True),
        date: Date(),
        float: Float(),
        dict[str, Any]: JSONB(),
        Outcome: Text(),
    }


def _check(name: str, rule: str) -> CheckConstraint:
    return CheckConstraint(rule, name=name)


class Run(Table):
    """One collection from one provider: when, outcome, counts."""

    __tablename__ = "run"
    __table_args__ = (
        _check("outcome", "outcome IN ('ok', 'set_aside', 'failed')"),
        _check("source", "source IN ('live', 'catalogue', 'bundled', 'history', 'rates')"),
        _check("times", "started_at <= finished_at"),
        _check("error", "(outcome = 'failed') = (error_kind IS NOT NULL)"),
        _check("reason", "outcome <> 'set_aside' OR error IS NOT NULL"),
        Index(None, "collector", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, RESERVABLE_ID, primary_key=True)
    collector: Mapped[str]  # slug of the module that read
    source: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    outcome: Mapped[Outcome]
    error_kind: Mapped[str | None]  # of a failed run, as in service.checks.ErrorKind
    error: Mapped[str | None]  # why it failed or was set aside, for people
    payload: Mapped[str | None]  # what was answered, when its shape is not known
    bytes_fetched: Mapped[int] = mapped_column(BigInteger)
    offers: Mapped[int]  # as parsed
    observations: Mapped[int]  # as believed
    rejected: Mapped[int]
    repeated: Mapped[int]
    opened: Mapped[int] = mapped_column(server_default="0")  # prices: new, or in place of another
    closed: Mapped[int] = mapped_column(server_default="0")  # prices: replaced, or of what is no longer sold
    extended: Mapped[int] = mapped_column(server_default="0")  # prices: seen again
    retry_at: Mapped[datetime | None]  # of a failed run: not to be asked before, by the source's own word

    rejections: Mapped[list[StoredRejection]] = relationship(back_populates="run", lazy="raise", passive_deletes=True)


class StoredRejection(Table):
    """The quarantine: an offer set aside, as it was read, with the reason."""

    __tablename__ = "rejection"
    __table_args__ = (Index(None, "run_id"), Index(None, "reason", "id"))

    id: Mapped[int] = mapped_column(BigInteger, ID, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    reason: Mapped[str]
    detail: Mapped[str]
    offer: Mapped[dict[str, Any]]

    run: Mapped[Run] = relationship(back_populates="rejections", lazy="raise")


# The same for the same thing sold, in every database and whatever it costs: twelve digits of what tells two SKUs apart.
# No text holds the character 31, and an empty one stands for none.
OFFER_ID = (
    "left(md5(collector || chr(31) || provider || chr(31) || coalesce(seller, '') || chr(31) || instance_type"
    " || chr(31) || gpu || chr(31) || gpu_count::text || chr(31) || coalesce(region, '') || chr(31)"
    " || coalesce(tier, '') || chr(31) || pricing || chr(31) || coalesce(term_months::text, '')), 12)"
)


class Sku(Table):
    """What is sold, whatever it costs. Empty texts are none: a missing value is NULL, and only one SKU has it."""

    __tablename__ = "sku"
    __table_args__ = (
        UniqueConstraint(
            "collector",
            "provider",
            "seller",
            "instance_type",
            "gpu",
            "gpu_count",
            "region",
            "tier",
            "pricing",
            "term_months",
            name="key",
            postgresql_nulls_not_distinct=True,
        ),
        _check("source", "source IN ('live', 'catalogue', 'bundled', 'history')"),
        _check("pricing", "pricing IN ('on_demand', 'spot', 'reserved')"),
        _check("term", "(pricing = 'reserved') = (term_months IS NOT NULL) AND coalesce(term_months, 1) > 0"),
        _check("gpus", "gpu_count > 0 AND gpu_memory_gb > 0"),
        _check("country", "country ~ '^[A-Z]{2}$'"),
        _check("texts", "'' NOT IN (provider, instance_type, gpu)"),
        _check("optional_texts", "'' NOT IN (coalesce(seller, '-'), coalesce(region, '-'), coalesce(tier, '-'))"),
        _check("interconnect", "interconnect IN ('nvlink', 'pcie')"),
        _check("included", "least(vcpus, host_memory_gb, disk_gb, network_gbit_s) >= 0"),  # of what is not missing
        Index(None, "gpu"),
        Index(None, "offer_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, ID, primary_key=True)
    collector: Mapped[str]
    provider: Mapped[str]  # whom you pay
    seller: Mapped[str | None]
    instance_type: Mapped[str]
    gpu: Mapped[str]  # name in the catalogue
    gpu_count: Mapped[int]
    region: Mapped[str | None]  # None: the same price everywhere
    tier: Mapped[str | None]
    pricing: Mapped[str]
    term_months: Mapped[int | None]
    gpu_memory_gb: Mapped[float]  # from here on not part of what tells two SKUs apart
    country: Mapped[str | None]
    source: Mapped[str]
    source_url: Mapped[str]
    count_is_derived: Mapped[bool]
    missed_runs: Mapped[int] = mapped_column(SmallInteger, server_default="0")  # believed ones in a row without it
    vcpus: Mapped[float | None]  # what the price includes; None: not said
    host_memory_gb: Mapped[float | None]  # of the whole machine
    disk_gb: Mapped[float | None]
    interconnect: Mapped[str | None]  # between its GPUs
    network_gbit_s: Mapped[float | None]  # between machines
    attribution: Mapped[str | None]  # whom a licence says to name beside the price
    offer_id: Mapped[str] = mapped_column(Computed(OFFER_ID, persisted=True))  # as readers know it

    prices: Mapped[list[Price]] = relationship(back_populates="sku", lazy="raise")


class Price(Table):
    """What a SKU cost, as published, from `first_seen` to `last_seen` and until `closed_at`.

    Amounts, currency and `first_seen` are never overwritten: the database refuses it (a trigger of the migrations).
    """

    __tablename__ = "price"
    __table_args__ = (
        _check("amount", "price_per_hour > 0 AND price_per_hour < 'Infinity'"),  # NaN is more than infinity
        _check("currency", "currency ~ '^[A-Z]{3}$'"),
        _check("upfront", "upfront >= 0 AND upfront < 'Infinity'"),
        _check("times", "first_seen <= last_seen AND last_seen <= coalesce(closed_at, last_seen)"),
        Index("uq_price_open", "sku_id", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index(None, "sku_id", "first_seen"),
        Index(None, "closed_at"),  # what was current at a time: open, or closed later
        # A price seen again is updated in place: no index holds what changes, and pages have room for the new row
        {"postgresql_with": {"fillfactor": "60"}},
    )

    id: Mapped[int] = mapped_column(BigInteger, ID, primary_key=True)
    sku_id: Mapped[int] = mapped_column(ForeignKey("sku.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))  # the run that saw it first
    price_per_hour: Mapped[Decimal]  # whole machine
    currency: Mapped[str]
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    closed_at: Mapped[datetime | None]  # None: still current
    available: Mapped[bool | None]  # as last seen; None: not said
    upfront: Mapped[Decimal | None]  # what of a reserved price is paid at the start of the term, in all

    sku: Mapped[Sku] = relationship(back_populates="prices", lazy="raise")


class ExchangeRate(Table):
    """What one euro was worth on a day, as published: never changed, only added to."""

    __tablename__ = "exchange_rate"
    __table_args__ = (
        _check("currency", "currency ~ '^[A-Z]{3}$'"),
        _check("rate", "units_per_eur > 0 AND units_per_eur < 'Infinity'"),
    )

    currency: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    units_per_eur: Mapped[Decimal]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))  # the run that read it first


class SavedWorkload(Table):
    """A workload that somebody added to the presets."""

    __tablename__ = "workload"
    __table_args__ = (_check("slug", "slug ~ '^[a-z0-9][a-z0-9.-]*$'"),)

    slug: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]  # as the API takes it
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
